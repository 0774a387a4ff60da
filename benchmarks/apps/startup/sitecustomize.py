"""Set Python's switch interval as the benchmark says it, before anything else runs; Python has no variable for it."""

import os
import sys

sys.setswitchinterval(float(os.environ.get("BENCH_SWITCH_INTERVAL", sys.getswitchinterval())))
