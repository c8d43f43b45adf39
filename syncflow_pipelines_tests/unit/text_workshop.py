"""A workshop whose sources are files of text, one schema a line: what a sync does around it is the same."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from syncflow_pipelines.config import SchemaSourceConfig, SchemaSync, SchemaSyncSettings, Settings
from syncflow_pipelines.errors import ModelsError, SchemasNotGenerated
from syncflow_pipelines.schemas.comparison.manual import ManualComparison
from syncflow_pipelines.schemas.making import Made
from syncflow_pipelines.schemas.rendering.rendered import Rendered
from syncflow_pipelines.schemas.syncing import SchemaSyncer


@dataclass
class TextWorkshop:
    settings: Settings
    made: list[str] = field(default_factory=list)
    """Names of the sources that were made, not only looked at."""
    is_closed: bool = False
    imported: tuple[str, ...] = ()
    """Files that are known only once a source was made."""
    suffix: str = ""
    """What they add to the name of each schema."""

    def inputs(self, source: SchemaSourceConfig, files: Sequence[str]) -> str:
        return hashlib.sha256(b"".join([_text(source), *(Path(file).read_bytes() for file in files)])).hexdigest()

    def make(self, source: SchemaSourceConfig) -> Made:
        self.made.append(source.name)
        names = _text(source).decode().split()
        if "broken" in names:
            raise ModelsError(f"{source.models_path}:1: broken")
        text = "".join(f"class {name}{self.suffix}:\n    pass\n" for name in names)
        return Made(Rendered(text, tuple(sorted(names))), "digest", files=self.imported)

    def examine(self, source: SchemaSourceConfig, content: bytes) -> None:
        if b"Invalid" in content:
            raise SchemasNotGenerated(f"what was generated of {source.name} does not work")

    def compare(self, source: SchemaSourceConfig, content: bytes) -> ManualComparison | None:
        if source.manual_schema_path is None:
            return None
        if not source.manual_schema_path.exists():
            raise ModelsError("there is nothing to compare with")
        return ManualComparison(source.manual_schema_path.name, (), (), (), ())

    def close(self) -> None:
        self.is_closed = True


def _text(source: SchemaSourceConfig) -> bytes:
    assert source.models_path is not None
    try:
        return source.models_path.read_bytes()
    except FileNotFoundError:
        raise ModelsError(f"{source.models_path} is not there") from None


@dataclass
class TextProject:
    """A project with sources of text."""

    folder: Path
    rules: dict[str, object] = field(default_factory=dict)
    sources: dict[str, SchemaSourceConfig] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return Settings(self.folder / "config", self.folder / "home")

    @property
    def schemas(self) -> SchemaSync:
        settings = SchemaSyncSettings(self.folder / "generated", self.folder / "backups", **self.rules)  # type: ignore[arg-type]
        return SchemaSync(tuple(self.sources.values()), settings)

    def source(self, name: str, text: str | None = None, manual: Path | None = None) -> SchemaSourceConfig:
        """A source of that name, with that text, written to a file `schemas.py` in a folder of its own."""
        models = self.folder / "models" / f"{name}.txt"
        if text is not None:
            models.parent.mkdir(exist_ok=True)
            models.write_text(text)
        self.sources[name] = SchemaSourceConfig(
            name, "auto", self.folder / name / "schemas.py", models_path=models, manual_schema_path=manual
        )
        return self.sources[name]

    def syncer(self) -> SchemaSyncer:
        return SchemaSyncer(self.settings, TextWorkshop(self.settings))
