"""The console command, also `python -m hourtally`.

A worker process imports anew what was started, so nothing is imported here that it has no use for.
"""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until there is something to leave whole, which `cli.main` sees to.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hourtally.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
