"""Six filters on 8 channels x 120 s, as own class, nn.Sequential and pipe, and by SciPy: see suite.py for the options.

    python benchmarks/api_suite.py --backends native,cpu,scipy --budget 600
"""

from __future__ import annotations

from suite import main

if __name__ == "__main__":
    main("api")
