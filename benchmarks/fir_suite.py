"""Five FIRs of 101 to 105 taps, 5 to 600 s, 1 to 12 channels: see suite.py for the options.

    python benchmarks/fir_suite.py --backends native,cpu,scipy --budget 600
"""

from __future__ import annotations

from suite import main

if __name__ == "__main__":
    main("fir")
