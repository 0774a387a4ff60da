"""`python -m streamlab.gateway`"""

import sys

from streamlab.gateway.command import main

if __name__ == "__main__":
    sys.exit(main())
