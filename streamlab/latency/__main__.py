"""`python -m streamlab.latency`"""

import sys

from streamlab.latency.interruption import INTERRUPTED, interruptible


def main() -> int:
    try:
        with interruptible() as asked:
            # Here, for loading it takes seconds, in which it may be interrupted already.
            from streamlab.latency.command import main

            return main(asked)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
