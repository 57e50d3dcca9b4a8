"""``python -m rdae_ref`` is ``rdae-ref``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
