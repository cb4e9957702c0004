"""The command line: parse, call one function, print.

What was asked for goes to standard output; progress and messages go to standard error. Exit
status: 0 done, 1 could not be done, 2 wrong use, 3 done but lines were quarantined.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cyclopts import App, CycloptsError, Group, MissingArgumentError

from hourtally import __version__
from hourtally.cli.commands import build, rates, read, serve
from hourtally.errors import HourtallyError, WrongUse
from hourtally.model.printable import escaped_message
from hourtally.runtime.interrupts import as_keyboard_interrupt, raise_interrupt

app = App(
    name="hourtally",
    version=__version__,
    help="Metering events in, exact hourly usage documents out.\n\nExample: hourtally demo",
    help_format="plaintext",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
# In the order in which somebody new needs them.
_BUILD = Group.create_ordered("Build hours")
_READ = Group.create_ordered("Read what is published")
_SERVE = Group.create_ordered("Serve it")

# Where cyclopts would say [ARGS], and not their names.
_USAGES = {
    "ingest": "Usage: hourtally ingest [OPTIONS] FILES...",
    "diff": "Usage: hourtally diff [OPTIONS] HOUR [FIRST SECOND]",
}

_rates = App(
    name="rates",
    group=_BUILD,
    help="Rate rates.\n\nExample: hourtally rates check data/rates.toml",
    help_format="plaintext",
)
_tokens = App(
    name="tokens",
    group=_SERVE,
    help="Tokens of the HTTP server.\n\nExample: hourtally tokens add --customer acme",
    help_format="plaintext",
)

for _group, _commands in (
    (
        _BUILD,
        (
            build.demo,
            build.ingest,
            build.run,
            build.schedule,
            build.backfill,
            read.status,
        ),
    ),
    (_READ, (read.show, read.explain, read.diff, read.verify, read.export)),
    (_SERVE, (serve.serve,)),
):
    for _command in _commands:
        app.command(_command, group=_group, usage=_USAGES.get(_command.__name__))
app.command(read.list_totals, name="list", group=_READ)
app.command(_rates)
_rates.command(rates.check)
app.command(_tokens)
_tokens.command(serve.add_token, name="add")
_tokens.command(serve.list_tokens, name="list")
_tokens.command(serve.remove_token, name="remove")


def call(arguments: Sequence[str], run_app: Callable[..., Any] = app) -> int:
    """Run a command; its exit status. Nothing that a user can do ends in a traceback."""
    try:
        with as_keyboard_interrupt():
            status = run_app(
                arguments, exit_on_error=False, print_error=False, result_action="return_value"
            )
        sys.stdout.flush()
    except CycloptsError as error:
        return _say(_told(error), 2)
    except WrongUse as error:
        return _say(str(error), 2)
    except HourtallyError as error:
        return _say(str(error), 1)
    except KeyboardInterrupt:
        return _say("interrupted; run the same command again to go on from there", 130)
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody left to tell.
        _drop_output()
        return 1
    except OSError as error:
        _drop_output()
        where = f"{error.filename}: " if error.filename else ""
        return _say(
            f"{where}{error.strerror or error}; mend that, then run the same command again", 1
        )
    return status if isinstance(status, int) else 0


def _told(error: CycloptsError) -> str:
    """What cyclopts says of wrong use, and where the help of that command is."""
    called = " ".join(["hourtally", *(error.command_chain or ())])
    said = str(error)
    if isinstance(error, MissingArgumentError):
        # Without a keyword it was not given at all; with one, only its value was not.
        lacks = "needs a value" if error.keyword else "is missing"
        said = re.sub('^Command "[^"]*" parameter ', "", said)
        said = said.replace(" requires an argument.", f" {lacks}.")
    return f"{said}\nSee {called} --help."


def _drop_output() -> None:
    """What is left of the output goes nowhere; else Python would try once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str, status: int) -> int:
    print(escaped_message(f"hourtally: {message}"), file=sys.stderr)
    return status


def main() -> None:
    """The console command."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Some schedulers start commands with it closed.
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
        elif isinstance(stream, io.TextIOWrapper):
            # Names of files and customers may hold what the terminal's encoding has not.
            stream.reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, raise_interrupt)
    _leave(call(sys.argv[1:]))


def _leave(status: int) -> NoReturn:
    """End the process, at once where that is possible.

    Python would take apart, object by object, what the system takes back whole: 0.1 s after a
    large hour.
    """
    if signal.getsignal(signal.SIGINT) in {raise_interrupt, signal.default_int_handler}:
        # All is said; an interrupt of what Python and Prefect do at their end needs no trace.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if "prefect" in sys.modules:
        # It has things to tell its server, and does so when Python ends.
        raise SystemExit(status)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # `call` has flushed what a command that came to its end has to say.
        status = status or 1
    os._exit(status)
