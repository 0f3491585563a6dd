"""Two Butterworth and two Chebyshev-I filters of order 2, 1 to 600 s, 1 to 12 channels: see suite.py for the options.

    python benchmarks/iir_suite.py --backends native,cpu,scipy --budget 600
"""

from __future__ import annotations

from suite import main

if __name__ == "__main__":
    main("iir")
