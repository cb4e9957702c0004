"""The command line: parse, call one function, print.

Results go to standard output; progress and messages go to standard error. Exit status: 0 done,
1 could not be done, 2 wrong use, 3 done but lines were quarantined, 130 interrupted.
"""

from __future__ import annotations

import io
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    Group,
    MissingArgumentError,
    UnknownCommandError,
    UnusedCliTokensError,
)

from hourtally import __version__
from hourtally.cli.commands import (
    build,
    export,
    operate,
    preview,
    query,
    rates,
    read,
    serve,
    show,
)
from hourtally.cli.output.json_text import expect_json, print_error_json
from hourtally.cli.requests import begin_counting, tell_requests
from hourtally.errors import HourtallyError, InvalidArgument
from hourtally.model.printable import printable_message
from hourtally.runtime.interrupts import as_keyboard_interrupt, raise_interrupt
from hourtally.store.faults import StoreFault

app = App(
    name="hourtally",
    version=__version__,
    help="Metering events in, exact hourly usage documents out.\n\nExample: hourtally demo",
    help_format="plaintext",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
# In the order in which a newcomer needs them.
_BUILD = Group.create_ordered("Build hours")
_READ = Group.create_ordered("Read published hours")
_SERVE = Group.create_ordered("Serve over HTTP")

# cyclopts would print [ARGS] instead of their names.
_USAGES = {
    "ingest": "Usage: hourtally ingest [OPTIONS] FILES...",
    "withdraw": "Usage: hourtally withdraw [OPTIONS] FILE|BATCH",
    "sql": "Usage: hourtally sql [OPTIONS] [QUERY]",
    "diff": "Usage: hourtally diff [OPTIONS] HOUR [FIRST SECOND]",
    "rates preview": "Usage: hourtally rates preview [OPTIONS] CARD --from HOUR --to HOUR",
}

_rates = App(
    name="rates",
    group=_BUILD,
    help="Check, preview and compare rate cards.\n\nExample: hourtally rates check data/rates.toml",
    help_format="plaintext",
)
_tokens = App(
    name="tokens",
    group=_SERVE,
    help="Manage the tokens of the HTTP server.\n\nExample: hourtally tokens add --customer acme",
    help_format="plaintext",
)

for _group, _commands in (
    (
        _BUILD,
        (
            build.demo,
            build.ingest,
            build.withdraw,
            build.run,
            build.schedule,
            build.backfill,
            operate.status,
            operate.prune,
        ),
    ),
    (_READ, (show.show, query.sql, read.explain, read.diff, read.verify, export.export)),
    (_READ, (query.schema,)),
    (_SERVE, (serve.ui, serve.serve)),
):
    for _command in _commands:
        app.command(_command, group=_group, usage=_USAGES.get(_command.__name__))
app.command(query.list_totals, name="list", group=_READ)
app.command(_rates)
_rates.command(rates.check)
_rates.command(preview.preview, usage=_USAGES["rates preview"])
_rates.command(rates.diff)
_rates.command(rates.at)
app.command(_tokens)
_tokens.command(serve.add_token, name="add")
_tokens.command(serve.list_tokens, name="list")
_tokens.command(serve.remove_token, name="remove")


def call(arguments: Sequence[str], run_app: Callable[..., Any] = app) -> int:
    """Run a command and return its exit status. No user error ends in a traceback."""
    expect_json()
    begin_counting()
    try:
        with as_keyboard_interrupt():
            status = run_app(
                arguments, exit_on_error=False, print_error=False, result_action="return_value"
            )
        sys.stdout.flush()
        tell_requests()
    except CycloptsError as error:
        return _fail(_usage_error(error), 2)
    except InvalidArgument as error:
        return _fail(str(error), 2)
    except HourtallyError as error:
        tell_requests()
        # `show --json` prints canonical bytes, or nothing.
        if "--json" in arguments and arguments[0] != "show":
            print_error_json(str(error))
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("interrupted; run the same command again to continue", 130)
    except BrokenPipeError:
        # Whoever read our output is gone: nobody is left to tell.
        _discard_output()
        return 1
    except StoreFault as error:
        tell_requests()
        again = "then run the same command again"
        message = f"{error.filename}: {error.strerror}; {error.advice}, {again}"
        if "--json" in arguments and arguments[0] != "show":
            print_error_json(message)
        return _fail(message, 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else _failed_output()
        _discard_output()
        return _fail(
            f"{where}{error.strerror or error}; fix that, then run the same command again", 1
        )
    return status if isinstance(status, int) else 0


def _usage_error(error: CycloptsError) -> str:
    """The message of cyclopts, in our words, and which help to read."""
    command = " ".join(["hourtally", *(error.command_chain or ())])
    message = str(error)
    if isinstance(error, MissingArgumentError):
        # cyclopts knows the keyword only if it was given, without a value.
        problem = "needs a value" if error.keyword else "is missing"
        message = re.sub('^Command "[^"]*" parameter ', "", message)
        message = message.replace(" requires an argument.", f" {problem}.")
    elif isinstance(error, UnknownCommandError) and 'command "-' in message:
        message += f" Options come after the command: {command} COMMAND --option."
    elif isinstance(error, UnusedCliTokensError):
        unused = ", ".join(map(repr, error.unused_tokens or ()))
        message = f"Unexpected argument: {unused}."
    elif isinstance(error, CoercionError):
        message = re.sub(
            r"unable to convert (.*) into int\.$", r"\1 is not a whole number.", message
        )
        message = re.sub(r"unable to convert (.*) into float\.$", r"\1 is not a number.", message)
    return f"{message}\nSee {command} --help."


def _failed_output() -> str:
    """Where an error without a path came from, if from printing.

    What is still buffered fails again; of more text than that, nothing is left to try.
    """
    try:
        sys.stdout.flush()
        output = sys.stdout.fileno()
        is_full = stat.S_ISREG(os.fstat(output).st_mode) and os.fstatvfs(output).f_bavail == 0
    except OSError:
        is_full = True
    return "standard output: " if is_full else ""


def _discard_output() -> None:
    """Discard buffered output, which Python would otherwise try to write again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int) -> int:
    print(printable_message(f"hourtally: {message}"), file=sys.stderr)
    return status


def main() -> None:
    """Entry point of the console command."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Some schedulers start commands with a closed stream.
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
        elif isinstance(stream, io.TextIOWrapper):
            # Names of files and customers may not fit the terminal's encoding.
            stream.reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, raise_interrupt)
    _exit(call(sys.argv[1:]))


def _exit(status: int) -> NoReturn:
    """End the process without Python's teardown, if possible.

    Freeing every object costs 0.1 s after a large hour; the system frees the memory at once.
    """
    if signal.getsignal(signal.SIGINT) in {raise_interrupt, signal.default_int_handler}:
        # The result is printed; interrupting the teardown of Python and Prefect is no error.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if "prefect" in sys.modules:
        # Prefect sends its last log records to the server at exit.
        raise SystemExit(status)
    if opening := sys.modules.get("hourtally.store.objects.opening"):
        opening.remove_workspaces()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # `call` has flushed the results; only a message can be lost here.
        status = status or 1
    os._exit(status)
