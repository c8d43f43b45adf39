"""What a sync needs of a source: the digest of what it is made from, and the module that comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from syncflow_pipelines.config import SchemaSourceConfig
from syncflow_pipelines.schemas.comparison.manual import ManualComparison
from syncflow_pipelines.schemas.model import SchemaSource
from syncflow_pipelines.schemas.rendering.rendered import Rendered


@dataclass(frozen=True, slots=True)
class Made:
    """A module, not written yet."""

    rendered: Rendered
    digest: str
    """Of what was understood of the source."""
    form: SchemaSource | None = None
    components: dict[str, Any] | None = None
    """Of an OpenAPI document in the inner form, where that is the source."""
    files: tuple[str, ...] = ()
    """What the models import, for the next digest of the inputs."""


class Workshop(Protocol):
    """Where modules are made and tried; it may keep processes."""

    def inputs(self, source: SchemaSourceConfig, files: Sequence[str]) -> str:
        """The digest of all that decides what is made. Raises `SyncflowError` where there is nothing to make it of."""
        ...

    def make(self, source: SchemaSourceConfig) -> Made:
        """The module. Raises `SyncflowError`."""
        ...

    def examine(self, source: SchemaSourceConfig, content: bytes) -> None:
        """Raises `SchemasNotGenerated` where the module does not work."""
        ...

    def compare(self, source: SchemaSourceConfig, content: bytes) -> ManualComparison | None:
        """The difference from the schemas that people keep; None where there are none."""
        ...

    def close(self) -> None:
        """Ends what was started."""
        ...
