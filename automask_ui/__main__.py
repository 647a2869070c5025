"""``python -m automask_ui``."""

import signal
import sys
from contextlib import suppress

from automask_ui.streams import open_missing_streams


def main() -> int:
    """Run one command; returns the exit code, 130 where Ctrl+C or SIGTERM ended it."""
    open_missing_streams()
    # Like Ctrl+C, so that half-written files are removed on the way out.
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Only here: it takes seconds, in which Ctrl+C is pressed, too.
        from automask_ui.cli import main as run_command

        return run_command()
    except KeyboardInterrupt:
        # Python waits for threads that still write; a second Ctrl+C would end that in a traceback.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        with suppress(OSError, ValueError):  # nobody may be there to read it
            print("\ninterrupted: files that were finished are complete.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
