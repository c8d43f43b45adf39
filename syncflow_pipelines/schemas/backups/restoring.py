"""Schemas as a backup has them, brought back so that they stay."""

from pathlib import Path

from msgspec import structs

from syncflow_pipelines.config import SchemaSourceConfig, SchemaSync, Settings
from syncflow_pipelines.files.locking import locked
from syncflow_pipelines.schemas.backups.folder import Restored, backups_of
from syncflow_pipelines.schemas.backups.metadata import digest_of
from syncflow_pipelines.schemas.state import lock_path, read_state, write_state


def restore(settings: Settings, schemas: SchemaSync, name: str) -> Restored:
    """Brings back that backup; what is brought back stays until its source changes, or a sync is forced.

    Raises what `Backups.restore` raises; files that are no output and no manual schemas of a source are refused.
    """
    manual = {source.manual_schema_path for source in schemas.sources if source.manual_schema_path is not None}
    allowed = {*manual, *(source.output for source in schemas.sources)}
    restored = backups_of(settings, schemas.settings).restore(name, allowed)
    for source in schemas.sources:
        if source.output in restored.files and source.output.exists():
            _remember(settings, source)
    return restored


def _remember(settings: Settings, source: SchemaSourceConfig) -> None:
    with locked(lock_path(settings.home, source.name)):
        state = read_state(settings.home, source.name)
        if state is not None:
            sha256 = digest_of(Path(source.output).read_bytes())
            write_state(settings.home, source.name, structs.replace(state, sha256=sha256))
