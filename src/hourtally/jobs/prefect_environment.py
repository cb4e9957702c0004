"""Environment variables that keep Prefect quiet and inside the home folder.

Prefect reads them when it is imported, so they must be set before. Nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Mapping

from hourtally.store.layout import Home


def quiet_environment(home: Home) -> dict[str, str]:
    """Variables for a run from the command line: only warnings, no telemetry, no other folder.

    Used as defaults (`os.environ.setdefault`), they leave what the user has set.
    """
    return {
        "PREFECT_HOME": str(home.root.absolute() / ".prefect"),
        # The server gets the log of the flows; the terminal shows only warnings.
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
        # Else each event that a stopped server did not get is printed, in 2,000 characters.
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        # A request retries for 14 s (2, 4 and 8 s), as long as a restart takes, and not for a
        # minute: a run whose server is gone makes a dozen requests before it ends.
        "PREFECT_CLIENT_MAX_RETRIES": "3",
        # Telemetry of the client, and of a server that it starts.
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # It creates its database first: 16 to 21 s, and the default limit is 20 s.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }


def serverless_environment(home: Home, environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for a process that runs a flow without a server or account.

    All Prefect variables of the given environment are left out.
    """
    others = {name: text for name, text in environment.items() if not name.startswith("PREFECT_")}
    return others | quiet_environment(home)
