"""`connectors.yaml`: what it may say, and the connectors that come out of it."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo

from syncflow_pipelines.config.auth import Auth
from syncflow_pipelines.config.auth_sections import (
    BearerSection,
    HeaderSection,
    NoAuthSection,
    auth_of,
    exactly_one,
    from_project,
)
from syncflow_pipelines.config.connectors import ConnectorConfig, EntityOverride, Strategy, default_schema
from syncflow_pipelines.config.document import EACH, names_once, read_document, select
from syncflow_pipelines.config.explanations import Explanation
from syncflow_pipelines.config.mistakes import Location, path_text
from syncflow_pipelines.config.section import (
    Described,
    FilePath,
    HttpUrl,
    Identifier,
    Section,
    Switch,
    Text,
    matching,
    number,
    whole,
    whole_number,
)
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.config.variables import LARGEST_PAGE, LONGEST_INTERVAL_S

FILE_NAME = "connectors.yaml"


def _page_size(value: object, info: ValidationInfo) -> int:
    largest = (info.context or {}).get("max_page_size", LARGEST_PAGE)
    return whole_number(value, 1, largest, " (MAX_PAGE_SIZE)")


Interval = Annotated[int, whole(1, LONGEST_INTERVAL_S)]
PageSize = Annotated[int, Described(_page_size, schema={"minimum": 1, "maximum": LARGEST_PAGE})]
Concurrency = Annotated[int, whole(1, 64)]
Ratio = Annotated[float, number(0, 1)]
Overlap = Annotated[int, whole(0, 2**53)]


class EntitySection(Section):
    enabled: Switch | None = None
    sync_interval_seconds: Interval | None = None
    strategy: Strategy | None = None
    target_schema: Identifier | None = None
    target_table: Identifier | None = None
    page_size: PageSize | None = None
    concurrency: Concurrency | None = None
    max_reject_ratio: Ratio | None = None
    min_seen_ratio: Ratio | None = None
    rowversion_overlap: Overlap | None = None
    history: Switch | None = None


class ConnectorFields(Section):
    """What is said of a connector, in the file and over the API alike."""

    name: Annotated[
        str, matching(r"[A-Za-z][A-Za-z0-9_-]{0,62}", "a letter, then letters, digits, _ and -, 63 characters or less")
    ] = Field(description="a name")
    base_url: HttpUrl = Field(description="a URL such as https://erp.example.com")
    target_schema: Identifier | None = None
    sync_interval_seconds: Interval | None = None
    concurrency: Concurrency = 4
    page_size: PageSize | None = None
    timeout_s: Annotated[float, number(0.1, 3600)] = 60.0
    max_reject_ratio: Ratio = 0.5
    min_seen_ratio: Ratio = 0.1
    rowversion_overlap: Overlap = 0
    history: Switch = False
    max_retry_after_s: Annotated[float, number(0, 86_400)] = 120.0
    ca_file: FilePath | None = None
    service: Text | None = None
    via: Text | None = None
    enabled: Switch = True
    entities: dict[str, EntitySection] = Field(default_factory=dict)


class ConnectorSection(ConnectorFields):
    auth: Annotated[BearerSection | HeaderSection | NoAuthSection, Field(discriminator="type")] = NoAuthSection(
        type="none"
    )


class ConnectorsSection(Section):
    connectors: list[ConnectorSection] = Field(default_factory=list)


def load_connectors(settings: Settings) -> tuple[ConnectorConfig, ...]:
    """The connectors of `connectors.yaml`, in its order; none where there is no such file.

    Relative paths in it start at `settings.project_dir`, and `${SYNCFLOW_HOME}` is `settings.home`. Raises
    `ConfigurationError` with every mistake of the file; whether a secret is where the file says is seen only
    when it is needed.
    """
    document = read_document(settings.config_dir / FILE_NAME, settings.environment, settings.document_variables)
    if document is None:
        return ()

    def schemas(data: Any) -> Iterator[Explanation]:
        return _metadata_schema(data, settings.schema)

    section = document.validated(
        ConnectorsSection,
        context={"max_page_size": settings.max_page_size},
        checks=(names_once("connectors", folded=True), _one_source_of_secrets, schemas, _tables_once),
    )
    return tuple(
        connector_of(said, auth_of(said.auth, settings), from_project(said.ca_file, settings), settings)
        for said in section.connectors
    )


def connector_of(
    said: ConnectorFields,
    auth: Auth,
    ca_file: Path | None,
    settings: Settings,
    managed_by: Literal["yaml", "api"] = "yaml",
) -> ConnectorConfig:
    """The connector that its section, which has been checked, stands for."""
    entities = {slug: EntityOverride(**dict(override)) for slug, override in said.entities.items()}
    return ConnectorConfig(
        name=said.name,
        base_url=said.base_url,
        auth=auth,
        target_schema=said.target_schema or default_schema(said.name),
        sync_interval_seconds=said.sync_interval_seconds or settings.default_sync_interval_s,
        concurrency=said.concurrency,
        page_size=said.page_size or settings.max_page_size,
        timeout_s=said.timeout_s,
        max_reject_ratio=said.max_reject_ratio,
        min_seen_ratio=said.min_seen_ratio,
        rowversion_overlap=said.rowversion_overlap,
        history=said.history,
        max_retry_after_s=said.max_retry_after_s,
        ca_file=ca_file,
        service=said.service,
        via=said.via,
        enabled=said.enabled,
        entities=entities,
        managed_by=managed_by,
    )


def _one_source_of_secrets(data: Any) -> Iterator[Explanation]:
    for location, auth in select(data, "connectors", EACH, "auth"):
        kind = auth.get("type") if isinstance(auth, dict) else None
        keys = {"bearer": ("token_env", "token_file"), "header": ("value_env", "value_file")}.get(str(kind))
        if keys:
            yield from exactly_one(location, auth, keys)


def _metadata_schema(data: Any, schema: str) -> Iterator[Explanation]:
    expected = f"another schema than {schema} (POSTGRES_SCHEMA), which holds SyncFlow's own tables"
    for pattern in (("target_schema",), ("entities", EACH, "target_schema")):
        for location, target in select(data, "connectors", EACH, *pattern):
            if isinstance(target, str) and target.lower() == schema.lower():
                yield Explanation(location, expected)
    for location, connector in select(data, "connectors", EACH):
        if isinstance(connector, dict) and "target_schema" not in connector and _schema(connector) == schema.lower():
            yield Explanation((*location, "target_schema"), expected, "nothing, which stands for the name")


def _tables_once(data: Any) -> Iterator[Explanation]:
    named: dict[tuple[str, str], list[Location]] = defaultdict(list)
    for location, connector in select(data, "connectors", EACH):
        for inner, table in select(connector, "entities", EACH, "target_table"):
            schema = _schema({**connector, **connector["entities"][inner[1]]})
            named[schema, str(table).lower()].append((*location, *inner))
    for first, *others in named.values():
        yield from (Explanation(location, f"a table of its own, unlike {path_text(first)}") for location in others)


def _schema(said: dict[str, Any]) -> str:
    """The schema that a connector's section stands for, folded for comparison."""
    return default_schema(str(said.get("target_schema") or said.get("name")))
