"""What of a source can become schemas, in an order of its own, and what cannot."""

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from syncflow_pipelines.schemas.model import (
    EnumSpec,
    FieldSpec,
    FieldType,
    Finding,
    ListOf,
    ModelOf,
    ModelSpec,
    Scalar,
    SchemaSource,
)
from syncflow_pipelines.schemas.rendering.naming import is_encodable

_Named = TypeVar("_Named", ModelSpec, EnumSpec, FieldSpec)


def admit(source: SchemaSource) -> SchemaSource:
    """The source, sorted, without what cannot become schemas; that is among its findings then.

    Left out are the second of two things of one name, names that are no text, enumerations without members, and
    patterns that are none. A field that is of another model is a relation.
    """
    findings = list(source.findings)
    models = _unique(source.models, "", findings)
    enums = [_enum(enum, findings) for enum in _unique(source.enums, "", findings)]
    written = tuple(_model(model, findings) for model in models)
    return SchemaSource(written, tuple(enum for enum in enums if enum.members), tuple(findings))


def _model(model: ModelSpec, findings: list[Finding]) -> ModelSpec:
    kept = _unique(model.fields, f"{model.name}.", findings, in_order=True)
    fields = tuple(
        msgspec.structs.replace(
            field, type=_type(field, model, findings), relation=field.relation or _is_model(field.type)
        )
        for field in kept
    )
    return msgspec.structs.replace(model, fields=fields)


def _is_model(kind: FieldType) -> bool:
    return _is_model(kind.item) if isinstance(kind, ListOf) else isinstance(kind, ModelOf)


def _unique(
    things: Iterable[_Named], prefix: str, findings: list[Finding], *, in_order: bool = False
) -> tuple[_Named, ...]:
    kept: dict[str, _Named] = {}
    for thing in things if in_order else sorted(things, key=_order):
        if not is_encodable(thing.name):
            findings.append(Finding(f"{prefix}{thing.name!a}", "its name is no text that can be written", True))
        elif thing.name in kept:
            origin = getattr(thing, "origin", "")  # only models have one
            reason = "there is another one of that name; rename one of them" + (f" ({origin})" if origin else "")
            findings.append(Finding(f"{prefix}{thing.name}", reason, True))
        else:
            kept[thing.name] = thing
    return tuple(kept.values())


def _order(thing: ModelSpec | EnumSpec | FieldSpec) -> tuple[str, str]:
    """By name; of two of one name, always the same is first."""
    return thing.name, repr(thing)


def _enum(enum: EnumSpec, findings: list[Finding]) -> EnumSpec:
    kept: dict[str, int | str] = {}
    for name, value in enum.members:
        if name in kept or not is_encodable(f"{name}{value}"):
            findings.append(Finding(f"{enum.name}.{name!a}", "this member is there twice, or is no text", True))
        else:
            kept[name] = value
    return msgspec.structs.replace(enum, members=tuple(kept.items()))


def _type(field: FieldSpec, model: ModelSpec, findings: list[Finding]) -> FieldType:
    wrong = [pattern for pattern in _patterns(field.type) if not _is_pattern(pattern)]
    if not wrong:
        return field.type
    reason = "its pattern is not a regular expression of Python, and is not checked"
    findings.append(Finding(f"{model.name}.{field.name}", reason))
    return _without_pattern(field.type)


def _patterns(kind: FieldType) -> Iterator[str]:
    match kind:
        case Scalar(pattern=str(pattern)):
            yield pattern
        case ListOf(item=item):
            yield from _patterns(item)


def _is_pattern(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return is_encodable(pattern)


def _without_pattern(kind: FieldType) -> FieldType:
    match kind:
        case Scalar():
            return msgspec.structs.replace(kind, pattern=None)
        case ListOf(item=item):
            return msgspec.structs.replace(kind, item=_without_pattern(item))
    return kind
