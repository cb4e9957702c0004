"""The environment in which Prefect is quiet and keeps to the home folder.

Prefect reads it when it is imported, so it has to be in place before. Nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Mapping

from hourtally.store.layout import Home


def quiet_environment(home: Home) -> dict[str, str]:
    """Variables for a run from the command line: only warnings, no telemetry, no other folder.

    Where they are defaults (`os.environ.setdefault`), what a person has set stays.
    """
    return {
        "PREFECT_HOME": str(home.root.absolute() / ".prefect"),
        # The server is sent what the flows say; whoever looks on is shown only warnings.
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
        # Not every event that a server which went away was not told, each in 2,000 characters.
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        # A request waits 14 s for a server to come back (2, 4 and 8 s), which a restart takes, and
        # not a minute: a run whose server is gone makes a dozen of them before it ends.
        "PREFECT_CLIENT_MAX_RETRIES": "3",
        # Telemetry: of the client, and of a server that it starts.
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # It makes its database first, which takes 16 to 21 s; the default of 20 s is too short.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }


def serverless_environment(home: Home, environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for a process that runs a flow without any server or account.

    What names them, or anything else to Prefect, is left out of the given environment.
    """
    others = {name: text for name, text in environment.items() if not name.startswith("PREFECT_")}
    return others | quiet_environment(home)
