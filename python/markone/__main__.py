"""`python -m markone` is the `markone` command."""

import sys

from markone.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
