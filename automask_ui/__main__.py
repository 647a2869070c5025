"""``python -m automask_ui``."""

import sys

from automask_ui.cli import main

if __name__ == "__main__":
    sys.exit(main())
