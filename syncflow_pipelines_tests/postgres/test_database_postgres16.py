"""A server of one's own, of the oldest version that is supported, over the network and with a password."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import open_database, sqlalchemy_url
from syncflow_pipelines.database.embedded.account import Account, account_for
from syncflow_pipelines.database.embedded.programs import make_runnable, program
from syncflow_pipelines.errors import DatabaseError

pytestmark = pytest.mark.slow
PASSWORD = "p@ss/wörd %41"


@dataclass(frozen=True)
class OldServer:
    """PostgreSQL 16, as the package of the embedded server brings it along too."""

    folder: Path
    port: int
    account: Account

    def run(self, name: str, *arguments: str | Path) -> None:
        binaries = program("postgres").parents[2] / "pginstall" / "bin"
        command = [binaries / name, *arguments]
        subprocess.run(
            command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **self.account.popen_arguments()
        )

    def start(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        self.account.own(secret)
        self.run("initdb", "-D", "data", "-U", "me", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        self.run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def old_server() -> Iterator[OldServer]:
    folder = Path(tempfile.mkdtemp(prefix="syncflow-old-"))
    account = account_for(folder / "data", folder / "data")
    account.own(folder)
    make_runnable(account)
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    server = OldServer(folder, port, account)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def old_settings(old_server: OldServer, tmp_path: Path) -> Settings:
    """Settings with the server's URL, as a person writes it."""
    url = f"postgresql://me:p%40ss%2Fw%C3%B6rd%20%2541@127.0.0.1:{old_server.port}/postgres"
    return Settings(config_dir=tmp_path, home=tmp_path, database_url=url)


def test_the_metadata_tables_are_made_on_it(old_settings: Settings) -> None:
    for _ in range(2):
        with open_database(old_settings) as database, database.connection() as connection:
            assert connection.info.server_version // 10_000 == 16
            assert connection.execute("SELECT count(*) FROM sync_runs").fetchone() == (0,)


def test_dagsters_driver_connects_too(old_settings: Settings) -> None:
    from sqlalchemy import create_engine

    assert old_settings.database_url is not None
    engine = create_engine(sqlalchemy_url(old_settings.database_url, "psycopg2"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW server_version_num").scalar_one().startswith("16")
    engine.dispose()


def test_a_wrong_password_is_not_repeated(old_settings: Settings) -> None:
    assert old_settings.database_url is not None
    wrong = old_settings.database_url.replace("p%40ss", "p%40zz")
    with pytest.raises(
        DatabaseError, match=r'Cannot connect to .*password authentication failed for user "me"'
    ) as raised:
        open_database(replace(old_settings, database_url=wrong))
    assert "zz" not in f"{raised.value!r} {raised.value.__cause__!r}"
    assert isinstance(raised.value.__cause__, psycopg.OperationalError)


def test_a_database_that_is_not_there(old_settings: Settings) -> None:
    assert old_settings.database_url is not None
    missing = old_settings.database_url.replace("/postgres", "/nowhere")
    with pytest.raises(DatabaseError, match=r'database \'nowhere\': .*database "nowhere" does not exist'):
        open_database(replace(old_settings, database_url=missing))
