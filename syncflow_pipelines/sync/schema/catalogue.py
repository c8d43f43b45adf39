"""A source's catalogue (`GET /api/v1/apis`), validated entry by entry.

What cannot be used comes back as findings, and the rest goes on: one broken entry never hides the others.
"""

import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from syncflow_pipelines.errors import SourceProtocolError
from syncflow_pipelines.sync.model import STRATEGIES, Catalogue, Column, EntitySpec, Finding
from syncflow_pipelines.sync.schema.identifiers import column_identifiers
from syncflow_pipelines.sync.schema.types import postgres_type

MAX_COLUMNS = 1590
"""PostgreSQL's 1,600 columns of a table, less those that SyncFlow adds."""

MAX_KEY_COLUMNS = 32
"""PostgreSQL's limit of columns in one index."""

_MAX_SLUG = 100
_MAX_NAME = 200
_MAX_COLUMN_NAME = 500
_MAX_TYPE = 200
_SHOWN = 80
"""Characters of a foreign text that a finding quotes."""


class _ApiColumn(msgspec.Struct):
    name: str
    data_type: str
    output_alias: str | None = None
    is_nullable: bool | None = None
    is_business_key: bool | None = None
    description: str | None = None


class _Api(msgspec.Struct):
    slug: str
    name: str
    columns: list[_ApiColumn]
    business_key_columns: list[str]
    delta_strategy: str
    description: str | None = None
    rowversion_column: str | None = None


_ENTRIES = msgspec.json.Decoder(list[msgspec.Raw])
_ENTRY = msgspec.json.Decoder(_Api)


def parse_catalogue(body: bytes) -> Catalogue:
    """The entities that the source offers, sorted by slug, and what of its catalogue cannot be used.

    The digest covers the entities and the findings about named ones. It does not depend on the order of
    entities or of columns, nor on whether an empty description is null, absent or an empty string.

    Raises `SourceProtocolError` where the body is not JSON or not a list.
    """
    findings: list[Finding] = []
    by_slug: dict[str, list[EntitySpec]] = defaultdict(list)
    for position, entry in enumerate(_entries(body), start=1):
        spec = _Reading(position, findings).entity(entry)
        if spec is not None:
            by_slug[spec.slug].append(spec)
    entities = [
        kept for slug, specs in sorted(by_slug.items()) if (kept := _the_one(slug, specs, findings)) is not None
    ]
    return Catalogue(tuple(entities), tuple(findings), _digest(entities, findings))


def _entries(body: bytes) -> Sequence[Any]:
    """The catalogue's entries, undecoded; decoded already where only a lenient parser could read them."""
    try:
        return _ENTRIES.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _lenient_entries(body)


def _lenient_entries(body: bytes) -> Sequence[Any]:
    # A lone surrogate or a raw control character in one entry must not hide the others.
    try:
        found = json.loads(body.decode("utf-8-sig", "surrogateescape"), strict=False)
    except (ValueError, RecursionError) as cause:
        raise SourceProtocolError(f"the source's catalogue is not JSON: {cause}; it has to be a JSON list") from cause
    if not isinstance(found, list):
        kind = {dict: "an object", str: "a string", type(None): "null"}.get(type(found), "a single value")
        raise SourceProtocolError(f"the source's catalogue is {kind}; it has to be a JSON list of entities")
    return found


class _Reading:
    """The reading of one entry; what is wrong with it goes to `findings`."""

    def __init__(self, position: int, findings: list[Finding]) -> None:
        self._position = position
        self._findings = findings
        self._slug: str | None = None
        self._failed = False

    def entity(self, entry: Any) -> EntitySpec | None:
        """The entity, or None where the entry has an error."""
        api = self._decode(entry)
        if api is None or not self._slug_is_usable(api.slug) or not self._is_sound(api):
            return None
        columns = self._columns(api)
        keys = self._business_keys(api, columns)
        if keys is None:
            return None
        return EntitySpec(
            slug=api.slug,
            name=self._display_name(api),
            description=_clean(api.description),
            strategy=next(strategy for strategy in STRATEGIES if strategy == api.delta_strategy),
            business_keys=keys,
            rowversion_column=self._rowversion_column(api, columns),
            columns=tuple(_as_key(column) if column.identifier in keys else column for column in columns),
        )

    def _error(self, message: str, column: str | None = None) -> None:
        self._failed = True
        self._findings.append(Finding("error", self._slug, message, _clean(column)))

    def _warning(self, message: str, column: str | None = None) -> None:
        self._findings.append(Finding("warning", self._slug, message, _clean(column)))

    def _decode(self, entry: Any) -> _Api | None:
        try:
            if isinstance(entry, msgspec.Raw):
                return _ENTRY.decode(entry)
            return msgspec.convert(entry, _Api)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
            self._slug = _slug_of(entry)
            which = "its entry" if self._slug else f"entry {self._position} of the catalogue"
            self._error(f"{which} is not what the contract says: {cause}")
            return None

    def _slug_is_usable(self, slug: str) -> bool:
        problem = _text_problem(slug, _MAX_SLUG)
        if problem is None and slug in (".", ".."):
            problem = "would be taken for a folder in a URL"
        if problem is not None:
            self._error(f"entry {self._position} of the catalogue: its slug {_quote(slug)} {problem}")
            return False
        self._slug = slug
        return True

    def _is_sound(self, api: _Api) -> bool:
        """Whether strategy, key and columns can be used, each looked at by itself."""
        if api.delta_strategy not in STRATEGIES:
            self._error(f"delta_strategy is {_quote(api.delta_strategy)}; expected one of {', '.join(STRATEGIES)}")
        if not api.business_key_columns:
            self._error("business_key_columns is empty; rows without a key cannot be synced")
        self._check_columns(api.columns)
        return not self._failed

    def _check_columns(self, columns: Sequence[_ApiColumn]) -> None:
        if not columns:
            self._error("columns is empty; an entity has at least one")
        if len(columns) > MAX_COLUMNS:
            self._error(f"it has {len(columns)} columns; a PostgreSQL table has room for {MAX_COLUMNS}")
            return
        for number, column in enumerate(columns, start=1):
            self._check_column(number, column)
        for alias in _repeated(map(_alias, columns)):
            self._error(f"two columns have the output alias {_quote(alias)}; it has to be unique", alias)

    def _check_column(self, number: int, column: _ApiColumn) -> None:
        given = {"name": column.name} | ({"output_alias": column.output_alias} if column.output_alias else {})
        for field, value in given.items():
            problem = _text_problem(value, _MAX_COLUMN_NAME)
            if problem is not None:
                self._error(f"the {field} of column {number}, {_quote(value)}, {problem}")

    def _columns(self, api: _Api) -> list[Column]:
        identifiers = column_identifiers([_alias(column) for column in api.columns])
        return [self._column(column, made) for column, made in zip(api.columns, identifiers, strict=True)]

    def _column(self, column: _ApiColumn, made: str) -> Column:
        alias = _alias(column)
        data_type = (_clean(column.data_type) or "")[:_MAX_TYPE]
        mapping = postgres_type(data_type)
        if not mapping.known:
            self._warning(f"column {_quote(alias)} has the unknown type {_quote(data_type)} and is kept as text", alias)
        return Column(
            name=column.name,
            alias=alias,
            identifier=made,
            data_type=data_type,
            pg_type=mapping.pg_type,
            is_nullable=column.is_nullable is not False,
            is_business_key=False,
            description=_clean(column.description),
        )

    def _business_keys(self, api: _Api, columns: Sequence[Column]) -> tuple[str, ...] | None:
        made_of = {column.alias: column.identifier for column in columns}
        by_name = {column.name: column.identifier for column in columns}
        found: dict[str, None] = {}
        for key in api.business_key_columns:
            made = made_of.get(key) or by_name.get(key)
            if made is None:
                self._error(f"the business key {_quote(key)} is none of its columns", key)
            elif made in found:
                self._warning(f"the business key {_quote(key)} is named twice", key)
            else:
                found[made] = None
        for column in api.columns:
            if column.is_business_key and made_of[_alias(column)] not in found:
                self._warning(f"column {_quote(_alias(column))} is marked as a business key, but is not listed as one")
        if len(found) > MAX_KEY_COLUMNS:
            self._error(f"its business key has {len(found)} columns; PostgreSQL indexes at most {MAX_KEY_COLUMNS}")
        return None if self._failed else tuple(found)

    def _rowversion_column(self, api: _Api, columns: Sequence[Column]) -> str | None:
        wanted = api.rowversion_column
        if not wanted:
            return None
        for column in columns:
            if wanted in (column.alias, column.name):
                return column.identifier
        self._warning(f"rowversion_column {_quote(wanted)} is none of its columns and is ignored", wanted)
        return None

    def _display_name(self, api: _Api) -> str:
        name = _clean(api.name)
        if name is None:
            self._warning("its name is empty; the slug is used")
            return api.slug
        if len(name) > _MAX_NAME:
            self._warning(f"its name has {len(name)} characters and is cut to {_MAX_NAME}")
        return name[:_MAX_NAME]


def _alias(column: _ApiColumn) -> str:
    return column.output_alias or column.name.lower()


def _as_key(column: Column) -> Column:
    """The column as part of the business key: never null, whatever the source says."""
    return Column(
        column.name,
        column.alias,
        column.identifier,
        column.data_type,
        column.pg_type,
        is_nullable=False,
        is_business_key=True,
        description=column.description,
    )


def _the_one(slug: str, specs: Sequence[EntitySpec], findings: list[Finding]) -> EntitySpec | None:
    """The entity where all entries of the slug say the same; None, and an error, where they differ."""
    if len(specs) == 1:
        return specs[0]
    if all(_canonical(spec) == _canonical(specs[0]) for spec in specs):
        findings.append(Finding("warning", slug, f"the catalogue lists it {len(specs)} times, always the same"))
        return specs[0]
    message = f"the catalogue lists it {len(specs)} times with different contents; a slug has to be unique"
    findings.append(Finding("error", slug, message))
    return None


def _digest(entities: Iterable[EntitySpec], findings: Iterable[Finding]) -> str:
    said = sorted(
        [found.entity, found.severity, found.column or "", found.message] for found in findings if found.entity
    )
    content = msgspec.json.encode([[_canonical(spec) for spec in entities], said])
    return hashlib.sha256(content).hexdigest()


def _canonical(spec: EntitySpec) -> list[Any]:
    """What matters of an entity, the same for every order of its columns."""
    columns = [
        (c.alias, c.name, c.identifier, c.data_type, c.pg_type, c.is_nullable, c.description or "")
        for c in spec.columns
    ]
    keys, version = spec.business_keys, spec.rowversion_column
    return [spec.slug, spec.name, spec.description or "", spec.strategy, keys, version, sorted(columns)]


def _repeated(values: Iterable[str]) -> list[str]:
    """Those that occur more than once, each once, in the order of their second occurrence."""
    seen: set[str] = set()
    again: dict[str, None] = {}
    for value in values:
        if value in seen:
            again[value] = None
        seen.add(value)
    return list(again)


def _slug_of(entry: Any) -> str | None:
    """The slug of an entry that is otherwise unreadable, where it has a usable one."""
    try:
        found = msgspec.json.decode(entry) if isinstance(entry, msgspec.Raw) else entry
    except (ValueError, RecursionError):
        return None
    slug = found.get("slug") if isinstance(found, dict) else None
    return slug if isinstance(slug, str) and _text_problem(slug, _MAX_SLUG) is None else None


def _text_problem(text: str, limit: int) -> str | None:
    """Why the text cannot be a name, as the rest of a sentence."""
    if not text.strip():
        return "is empty"
    if len(text) > limit:
        return f"has {len(text)} characters; {limit} are allowed"
    if text.isascii() and text.isprintable():
        return None
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        return "holds control characters or broken Unicode"
    return None


def _clean(text: str | None) -> str | None:
    """Text for people without what PostgreSQL cannot keep (NUL, lone surrogates); None for nothing."""
    if not text:
        return None
    if not (text.isascii() and text.isprintable()):
        text = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return text.strip() or None


def _quote(text: str) -> str:
    """The text as a finding shows it: on one line, printable, not too long."""
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return repr(shown)
