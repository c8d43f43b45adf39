"""Where modules of schemas are made: models are read, rendered and tried by processes that stay warm."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import structs

from syncflow_pipelines.config import SchemaSourceConfig, Settings, load_services, undiscovered
from syncflow_pipelines.errors import ConfigurationError, SchemasNotGenerated
from syncflow_pipelines.openapi.store import SpecStore
from syncflow_pipelines.schemas.comparison.manual import ManualComparison, compare_with_manual
from syncflow_pipelines.schemas.components.rendering import generator_version, render_components
from syncflow_pipelines.schemas.entities import read_entities
from syncflow_pipelines.schemas.examination.process import Examiner
from syncflow_pipelines.schemas.examination.validation import validate_module
from syncflow_pipelines.schemas.introspection.places import ModelsKind, models_place, source_digest
from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines.schemas.making import Made
from syncflow_pipelines.schemas.model import SchemaSource
from syncflow_pipelines.schemas.rendering.module import render, renderer_version
from syncflow_pipelines.schemas.rendering.selection import generator_of, select_components, select_models
from syncflow_pipelines.schemas.secrets import SECRET_NAMES
from syncflow_pipelines.sync.state import state_path

_ORM: Final = re.compile(r"^[ \t]*(?:from|import)[ \t]+(tortoise|sqlalchemy)\b", re.MULTILINE)


class WarmWorkshop:
    """Makes modules from every type of source. One thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._introspectors: dict[object, Introspector] = {}
        self._examining: Examiner | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes; the next request starts them anew."""
        for introspector in self._introspectors.values():
            introspector.close()
        self._introspectors.clear()
        if self._examining is not None:
            self._examining.close()
            self._examining = None

    def inputs(self, source: SchemaSourceConfig, files: Sequence[str]) -> str:
        """The digest of all that decides what is made."""
        options = repr(replace(source, output=Path(), manual_schema_path=None, timeout_s=0, enabled=True))
        versions = (renderer_version(source.template_dir), generator_version() if source.service is not None else "")
        return _sha256("\0".join((*versions, options, self._seen(source, files))).encode())

    def make(self, source: SchemaSourceConfig) -> Made:
        """The module of the source as it is now."""
        self._examiner()  # which gets warm while the models are read
        if source.service is not None:
            return self._components(source, source.service)
        form, files = self._read(source)
        chosen = select_models(form, source.include, source.exclude)
        digest = form_digest(chosen)
        rendered = render(
            chosen,
            name=source.name,
            digest=digest,
            with_relations=source.relations,
            template_dir=source.template_dir,
            generator=generator_of(source.variants),
        )
        return Made(rendered, digest, chosen, files=files)

    def _components(self, source: SchemaSourceConfig, service: str) -> Made:
        spec = self._specs().spec(service)
        parts = spec.document.get("components", {})
        chosen = dict(select_components(parts.get("schemas", {}), source.include, source.exclude))
        digest = _sha256(msgspec.json.encode(chosen, order="sorted"))
        document = {**spec.document, "components": {**parts, "schemas": chosen}}
        rendered = render_components(
            replace(spec, document=document),
            name=source.name,
            digest=digest,
            variants=source.variants,
            write_only=source.write_only or (),
        )
        return Made(rendered, digest, components=chosen)

    def _specs(self) -> SpecStore:
        return SpecStore(load_services(self._settings).settings, self._settings)

    def examine(self, source: SchemaSourceConfig, content: bytes) -> None:
        """Raises `SchemasNotGenerated` with what is wrong with the module."""
        must_take_samples = source.type != "openapi"
        text = _text(source, content)
        problems = validate_module(text, self._examiner(), must_take_samples=must_take_samples).problems
        if problems:
            more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
            told = f"the schemas of {source.name} do not work ({problems[0]}{more}); the old ones stand"
            raise SchemasNotGenerated(told)

    def compare(self, source: SchemaSourceConfig, content: bytes) -> ManualComparison | None:
        """The difference from the schemas that people keep; None where there are none."""
        if source.manual_schema_path is None:
            return None
        root = self._settings.project_dir
        return compare_with_manual(_text(source, content), source.manual_schema_path, self._examiner(), root=root)

    def _examiner(self) -> Examiner:
        if self._examining is None:
            self._examining = Examiner()
        return self._examining

    def _seen(self, source: SchemaSourceConfig, files: Sequence[str]) -> str:
        if source.models_path is not None:
            kind = models_kind(source)
            return source_digest(kind, source.models_path, python=source.python, also=map(Path, files))
        if source.service is not None:
            return _sha256(self._specs().content(source.service))
        connector = source.connector or source.name
        try:
            return _sha256(state_path(self._settings.home, connector).read_bytes())
        except FileNotFoundError:
            raise SchemasNotGenerated(undiscovered(connector)) from None
        except OSError as error:
            told = f"what was discovered of {connector} cannot be read ({error.strerror}); mend that, and try again"
            raise SchemasNotGenerated(told) from error

    def _read(self, source: SchemaSourceConfig) -> tuple[SchemaSource, tuple[str, ...]]:
        secrets = SECRET_NAMES if source.write_only is None else source.write_only
        if source.models_path is None:
            connector = source.connector or source.name
            return read_entities(self._settings.home, connector, secret_names=secrets), ()
        introspector = self._introspector(source, secrets)
        reading = introspector.read(source.models_path, python_path=source.python_path, output=source.output)
        return reading.source, tuple(map(str, reading.files))

    def _introspector(self, source: SchemaSourceConfig, secrets: Sequence[str]) -> Introspector:
        kind = models_kind(source)
        key = (kind, source.python, source.timeout_s, tuple(secrets))
        if key not in self._introspectors:
            self._introspectors[key] = Introspector(
                kind, python=source.python, timeout_s=source.timeout_s, secret_names=secrets
            )
        return self._introspectors[key]


def models_kind(source: SchemaSourceConfig) -> ModelsKind:
    """The ORM of the models: as it was said, or as they import it. Raises `ConfigurationError` where neither tells."""
    if source.type in ("tortoise", "sqlalchemy"):
        return source.type
    assert source.models_path is not None
    place = models_place(source.models_path, source.python_path)
    found = {name for file in place.files for name in _ORM.findall(_written(file))}
    if found == {"tortoise"}:
        return "tortoise"
    if found == {"sqlalchemy"}:
        return "sqlalchemy"
    what = "both tortoise and sqlalchemy" if found else "neither tortoise nor sqlalchemy"
    raise ConfigurationError(
        f"{source.models_path} imports {what}; say in schema_sync.yaml which `type` the models of {source.name} are"
    )


def _written(file: Path) -> str:
    """What is in the file; nothing where that cannot be seen, which is told when it is imported."""
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""


def form_digest(form: SchemaSource) -> str:
    """SHA-256 of what is said of the models; where they are written does not matter."""
    models = tuple(structs.replace(model, origin="") for model in form.models)
    return _sha256(msgspec.json.encode(structs.replace(form, models=models, findings=())))


def _text(source: SchemaSourceConfig, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise SchemasNotGenerated(
            f"{source.output} is not UTF-8 ({error.reason}); --force generates it anew"
        ) from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
