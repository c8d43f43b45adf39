"""Bearer tokens of the demo: random ones, in files that only their owner reads."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from syncflow_pipelines.errors import ConfigurationError


def ensure_token(path: Path) -> str:
    """The token in that file; a random one is made where there is none. Whoever comes first decides for all."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _make(path)
    token = path.read_text("ascii").strip()
    if not token:
        raise ConfigurationError(f"{path} is empty: remove it and a new token is made")
    return token


def _make(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
