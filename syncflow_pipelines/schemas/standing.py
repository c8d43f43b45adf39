"""How the modules of sources stand: whether they are in step, and whether they work."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from syncflow_pipelines.config import SchemaSourceConfig, Settings
from syncflow_pipelines.errors import SchemasNotGenerated, SyncflowError
from syncflow_pipelines.files.sealing import is_sealed
from syncflow_pipelines.schemas.backups.metadata import digest_of
from syncflow_pipelines.schemas.comparison.manual import ManualComparison
from syncflow_pipelines.schemas.making import Workshop
from syncflow_pipelines.schemas.state import read_state

Word = Literal["in step", "changed", "edited", "missing", "failed"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One source and its module. Nothing was generated to find out."""

    source: SchemaSourceConfig
    word: Word
    """`changed`: the next sync generates it; `edited`: it does so only when it is forced."""
    schemas: int | None = None
    digest: str | None = None
    generated_at: datetime | None = None
    error: SyncflowError | None = None


@dataclass(frozen=True, slots=True)
class Validity:
    """Whether a module works as it is."""

    source: SchemaSourceConfig
    comparison: ManualComparison | None = None
    """With the schemas that people keep, where there are some."""
    error: SyncflowError | None = None


def standing(settings: Settings, source: SchemaSourceConfig, workshop: Workshop) -> Standing:
    """How that source stands."""
    state = read_state(settings.home, source.name)
    try:
        inputs = workshop.inputs(source, state.files if state else ())
    except SyncflowError as error:
        return Standing(source, "failed", error=error)
    try:
        content = source.output.read_bytes()
    except OSError:
        return Standing(source, "missing")
    is_known = state is not None and state.inputs == inputs and state.sha256 == digest_of(content)
    word: Word = "edited" if content.strip() and not is_sealed(content) else "in step" if is_known else "changed"
    if state is None:
        return Standing(source, word)
    return Standing(source, word, state.schemas, state.digest, state.generated_at)


def validity(source: SchemaSourceConfig, workshop: Workshop) -> Validity:
    """Whether the module of that source works, as it is now."""
    try:
        content = source.output.read_bytes()
    except OSError as error:
        told = f"{source.output} cannot be read ({error.strerror}); `syncflow schemas sync {source.name}` generates it"
        return Validity(source, error=SchemasNotGenerated(told))
    try:
        workshop.examine(source, content)
        return Validity(source, workshop.compare(source, content))
    except SyncflowError as error:
        return Validity(source, error=error)
