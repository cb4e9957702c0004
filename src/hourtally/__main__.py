"""The console command, also `python -m hourtally`.

A worker process imports anew what was started, so nothing is imported here that it has no use for.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from hourtally.cli import main as run

    run()


if __name__ == "__main__":
    main()
