"""What is known of the last generation of each source: one file of JSON each, below `SYNCFLOW_HOME`.

It may be lost: the source is generated once more then, to the same bytes.
"""

import logging
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from syncflow_pipelines.files.replacing import replace_file
from syncflow_pipelines.schemas.model import Finding

FOLDER: Final = "schemas"

_LOG = logging.getLogger(__name__)


class SourceState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One source, as it was generated."""

    inputs: str
    """Digest of all that it was made from; empty where that changed in the meantime."""
    digest: str
    """Of what was understood of it."""
    sha256: str
    """Of the module as it was left; in hexadecimal."""
    schemas: int
    generated_at: datetime
    files: tuple[str, ...] = ()
    """What the models import beside the files of their folder."""
    findings: tuple[Finding, ...] = ()


_DECODER = msgspec.json.Decoder(SourceState)


def state_path(home: Path, source: str) -> Path:
    """Where the state of that source is kept."""
    return home / FOLDER / "state" / f"{source}.json"


def lock_path(home: Path, source: str) -> Path:
    """What is held while that source is generated."""
    return home / FOLDER / "locks" / f"{source}.lock"


def read_state(home: Path, source: str) -> SourceState | None:
    """None where nothing is known; a file that cannot be used is reported in the log."""
    path = state_path(home, source)
    try:
        return _DECODER.decode(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError) as error:
        _LOG.warning("%s is passed over (%s); the schemas are generated once more", path, error)
        return None


def write_state(home: Path, source: str, state: SourceState) -> None:
    """Raises `ConfigurationError` where it cannot be written; the old state stands then."""
    replace_file(state_path(home, source), msgspec.json.encode(state))
