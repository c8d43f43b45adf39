"""A document of Swagger 2.0 or OpenAPI 3.0 to 3.2 → the inner form (`model.Spec`), operation by operation.

What cannot be used is left out with a finding that says where and why; the rest goes on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.contents import Contents
from syncflow_pipelines.openapi.digests import checksum, with_digests
from syncflow_pipelines.openapi.ids import claim, unique_ids
from syncflow_pipelines.openapi.limits import LIMITS, Limits, hold
from syncflow_pipelines.openapi.model import Finding, Json, Operation, Spec
from syncflow_pipelines.openapi.operations import Operations, methods
from syncflow_pipelines.openapi.paths import paths_of
from syncflow_pipelines.openapi.pointers import below
from syncflow_pipelines.openapi.schema_words import LEFT_OUT, external_docs, picked, text
from syncflow_pipelines.openapi.schemas import Schemas
from syncflow_pipelines.openapi.security import Security
from syncflow_pipelines.openapi.source import Place, Source, Unfit
from syncflow_pipelines.openapi.versions import named, version_of

INNER_VERSION: Final = "3.1.1"
_REASONS_TOLD: Final = 3
_INFO_WORDS: Final[dict[str, Callable[[Json], Json]]] = dict.fromkeys(
    ("title", "summary", "description", "termsOfService", "version"), text
)


def normalise(
    document: dict[str, Json],
    known_ids: Mapping[tuple[str, str], str] | None = None,
    *,
    findings: Sequence[Finding] = (),
    limits: Limits = LIMITS,
) -> Spec:
    """The inner form of a document, which is not altered; the two share what is the same in both.

    `known_ids` are the ids that the operations had before, by path and method; `findings` are those of parsing and
    bundling, and come first in the result. Raises `UnusableSpec` where the document is none, or has paths of which
    nothing can be used, and `SpecTooLarge` beyond a limit.
    """
    version = version_of(document)
    hold(document, limits)
    source = Source(document, version, limits)
    inner, operations = _inner_form(source, known_ids or {})
    # an operation holds what it refers to, and many may refer to the same
    hold(inner, replace(limits, max_depth=2 * limits.max_depth))
    spec = Spec(
        title=inner["info"]["title"],
        version=inner["info"]["version"],
        written_as=version.written,
        document=inner,
        operations=operations,
        findings=(*findings, *source.all_findings()),
        checksum=checksum(document),
        contract="",
    )
    return with_digests(spec)


def _inner_form(
    source: Source, known_ids: Mapping[tuple[str, str], str]
) -> tuple[dict[str, Json], tuple[Operation, ...]]:
    schemas = Schemas(source)
    security = Security(source)
    made = Operations(source, Contents(source, schemas), security)
    drafts = list(_drafts(source, made))
    _refuse_without_any(source, drafts)
    webhooks = _webhooks(source, made)
    operations = _named(drafts, known_ids)
    document = {
        "openapi": INNER_VERSION,
        "info": _info(source.document),
        "servers": made.servers,
        "paths": paths_of(operations),
        **({"webhooks": webhooks} if webhooks else {}),
        "components": {"schemas": schemas.components(), "securitySchemes": security.schemes},
        **({"security": made.required} if made.required is not None else {}),
        **_about(source.document),
    }
    return document, operations


@dataclass(frozen=True, slots=True)
class _Draft:
    """An operation that has no name yet."""

    path: str
    method: str
    pointer: str
    written_id: Json
    definition: dict[str, Json]


def _drafts(source: Source, made: Operations) -> Iterator[_Draft]:
    paths = source.document.get("paths")
    if not isinstance(paths, dict):
        if paths is not None:
            source.note("/paths", f"the paths are {named(paths)} rather than a mapping", is_fatal=True)
        return
    seen: set[str] = set()
    for key in sorted(paths):
        if key.startswith("x-"):
            continue
        pointer = below("/paths", key)
        path = key if key.startswith("/") else f"/{key}"
        if path in seen or (path != key and path in paths):
            source.note(pointer, f"the path {path[:200]!r} is there with a slash before it, too", is_fatal=True)
            continue
        seen.add(path)
        if path != key:
            source.note(pointer, f"the path {key[:200]!r} has no slash before it; taken for {path[:200]!r}")
        yield from _drafts_of_path(source, made, path, Place(paths[key], pointer))


def _drafts_of_path(source: Source, made: Operations, path: str, place: Place) -> Iterator[_Draft]:
    try:
        item = _item(source, place)
    except Unfit as unfit:
        source.note(place.pointer, f"the path {path[:200]!r} cannot be used: {unfit.reason}", is_fatal=True)
        return
    for method, at in methods(source, item):
        try:
            if not isinstance(at.value, dict):
                raise Unfit(at.pointer, f"{named(at.value)} stands where an operation is wanted")
            definition = made.definition(path, item, at)
        except Unfit as unfit:
            where = "" if unfit.pointer == at.pointer else f" (at {unfit.pointer[:200]})"
            source.note(
                at.pointer, f"{method.upper()} {path[:200]} cannot be used: {unfit.reason}{where}", is_fatal=True
            )
        else:
            yield _Draft(path, method, at.pointer, at.value.get("operationId"), definition)


def _item(source: Source, place: Place) -> Place:
    """The path item; what stands beside its reference goes before what is referred to."""
    item = source.resolved(place.value, "path_item", place.pointer)
    if item.pointer == place.pointer or len(place.value) == 1:
        return item
    beside = {key: value for key, value in place.value.items() if key != "$ref"}
    return Place({**item.value, **beside}, item.pointer)


def _refuse_without_any(source: Source, drafts: list[_Draft]) -> None:
    if drafts or not _has_paths(source.document):
        return
    fatal = [f"{finding.reason} (at {finding.pointer[:200]})" for finding in source.findings if finding.is_fatal]
    told = "; ".join(fatal[:_REASONS_TOLD]) or "no path has an operation"
    more = f"; and {len(fatal) - _REASONS_TOLD:,} more" if len(fatal) > _REASONS_TOLD else ""
    raise UnusableSpec(f"not one operation of the document can be used: {told}{more}; mend it at its source")


def _has_paths(document: dict[str, Json]) -> bool:
    paths = document.get("paths")
    return any(not key.startswith("x-") for key in paths) if isinstance(paths, dict) else paths is not None


def _named(drafts: list[_Draft], known: Mapping[tuple[str, str], str]) -> tuple[Operation, ...]:
    ids = unique_ids((claim(draft.path, draft.method, draft.written_id) for draft in drafts), known)
    operations = []
    for draft in sorted(drafts, key=lambda draft: (draft.path, draft.method)):
        name = ids[draft.path, draft.method]
        definition = {"operationId": name, **draft.definition}
        operations.append(Operation(name, draft.method, draft.path, draft.pointer, definition, ""))
    return tuple(operations)


def _webhooks(source: Source, made: Operations) -> dict[str, dict[str, Json]]:
    webhooks = source.document.get("webhooks")
    read = {}
    for name, value in sorted(webhooks.items()) if isinstance(webhooks, dict) else ():
        pointer = below("/webhooks", name)
        try:
            read[name] = made.called_back(source.resolved(value, "path_item", pointer))
        except Unfit as unfit:
            source.note(pointer, f"the webhook is left out: {unfit.reason}")
    return read


def _info(document: dict[str, Json]) -> dict[str, Json]:
    given = document.get("info")
    info = picked(given, _INFO_WORDS) if isinstance(given, dict) else {}
    return {"title": "API", "version": "", **info, **(_people(given) if isinstance(given, dict) else {})}


def _people(info: dict[str, Json]) -> dict[str, Json]:
    read = {}
    for key, needed, words in (
        ("contact", None, ("name", "url", "email")),
        ("license", "name", ("name", "url", "identifier")),
    ):
        value = info.get(key)
        found = picked(value, dict.fromkeys(words, text)) if isinstance(value, dict) else {}
        if found and (needed is None or needed in found):
            read[key] = found
    return read


def _about(document: dict[str, Json]) -> dict[str, Json]:
    tags = document.get("tags")
    words: dict[str, Callable[[Json], Json]] = {"name": text, "description": text, "externalDocs": external_docs}
    named_tags = [picked(tag, words) for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    unique = {tag["name"]: tag for tag in named_tags if "name" in tag}
    docs = external_docs(document.get("externalDocs"))
    return ({"tags": list(unique.values())} if unique else {}) | ({} if docs is LEFT_OUT else {"externalDocs": docs})
