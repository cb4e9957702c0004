from __future__ import annotations

from pathlib import Path

from hourtally.jobs.prefect_environment import quiet_environment, serverless_environment
from hourtally.store.layout import Home


def test_prefect_keeps_to_the_home_folder(tmp_path: Path) -> None:
    environment = quiet_environment(Home(tmp_path))

    assert environment["PREFECT_HOME"] == str(tmp_path / ".prefect")


def test_a_home_is_named_whatever_the_working_folder() -> None:
    environment = quiet_environment(Home(Path("data")))

    assert environment["PREFECT_HOME"] == str(Path.cwd() / "data" / ".prefect")


def test_no_server_and_no_account_pass_to_a_flow_that_needs_none(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin",
        "PREFECT_API_URL": "http://127.0.0.1:4200/api",
        "PREFECT_API_KEY": "secret",
        "PREFECT_HOME": "/elsewhere",
    }

    environment = serverless_environment(Home(tmp_path), given)

    assert environment == {"PATH": "/bin"} | quiet_environment(Home(tmp_path))
