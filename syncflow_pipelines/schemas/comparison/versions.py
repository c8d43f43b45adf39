"""The last two versions of each source's schemas, so that the step between them can be looked at.

They are kept as what was understood of the source, one file of JSON below `SYNCFLOW_HOME`, and compared anew each time:
a newer SyncFlow that compares better needs nothing regenerated. A file that is lost makes the next version the first.
"""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from syncflow_pipelines.files.replacing import replace_file
from syncflow_pipelines.schemas.comparison.compatibility import Compatibility, compare
from syncflow_pipelines.schemas.comparison.contracts import Contract, contract_of, contract_of_components
from syncflow_pipelines.schemas.model import SchemaSource

FOLDER: Final = "schemas"
FORMAT: Final = 1

_LOG = logging.getLogger(__name__)


class SchemaVersion(msgspec.Struct, frozen=True):
    """What the schemas were made from: models, or the components of an OpenAPI document."""

    digest: str
    """Of what was understood of the source."""
    at: datetime
    """When it was generated."""
    exports: tuple[str, ...]
    """Names that the module exports."""
    form: SchemaSource | None = None
    components: dict[str, Any] | None = None

    @property
    def contract(self) -> Contract:
        """What it promises to readers and writers."""
        return (
            contract_of(self.form, self.exports)
            if self.form is not None
            else contract_of_components(self.components or {})
        )


class SchemaVersions(msgspec.Struct, frozen=True):
    """The versions of one source."""

    current: SchemaVersion
    previous: SchemaVersion | None = None
    """None where there has been but one."""
    format: int = FORMAT

    def compatibility(self) -> Compatibility:
        """What the step to the current version means; nothing where it is the first."""
        if self.previous is None:
            return Compatibility()
        return compare(self.previous.contract, self.current.contract)


_DECODER = msgspec.json.Decoder(SchemaVersions)


def versions_path(home: Path, source: str) -> Path:
    """Where the versions of that source are kept."""
    return home / FOLDER / "versions" / f"{source}.json"


def read_versions(home: Path, source: str) -> SchemaVersions | None:
    """None where none were kept; a file that cannot be used is told in the log, and counts as none."""
    path = versions_path(home, source)
    try:
        versions = _DECODER.decode(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        _LOG.warning("%s is passed over (%s); the next version of %s counts as the first", path, error, source)
        return None
    return versions if versions.format == FORMAT else None


def keep_version(home: Path, source: str, version: SchemaVersion) -> None:
    """Makes this the current version, and the one that was it the previous one; nothing where it is it already.

    Raises `ConfigurationError` where it cannot be written; the old file stands then.
    """
    known = read_versions(home, source)
    if known is not None and (known.current.digest, known.current.exports) == (version.digest, version.exports):
        return
    versions = SchemaVersions(version, known.current if known is not None else None)
    replace_file(versions_path(home, source), msgspec.json.encode(versions))
