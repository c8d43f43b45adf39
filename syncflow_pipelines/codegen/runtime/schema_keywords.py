"""The keywords of JSON Schema 2020-12, made safe for schemas and values that nobody vouches for.

Patterns are matched in linear time, the work for one value is counted, errors do not repeat the value, and a keyword
that makes no sense is passed over.
"""

import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any

import orjson
from pydantic_core import SchemaError, SchemaValidator, core_schema

from syncflow_pipelines.codegen.runtime.extra import missing_extra
from syncflow_pipelines.codegen.runtime.formats import has_format

try:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import UnknownType, ValidationError
    from jsonschema.validators import extend
    from referencing import Registry
    from referencing.exceptions import Unresolvable
except ImportError as error:
    raise missing_extra("jsonschema") from error

Json = Any
Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]

steps_left: ContextVar[list[int]] = ContextVar("steps left")
"""How many keywords may still be looked at; one number in a list, which all steps share."""
_SHOWN = 200
_FOREIGN = (
    *(TypeError, ValueError, KeyError, AttributeError, ArithmeticError, IndexError),
    *(re.error, Unresolvable, UnknownType),
)
"""What a keyword raises whose value makes no sense."""


class TooEntangled(Exception):
    """The value and its schema need more work than one request is given."""


def validator_for(root: Json) -> Any:
    """A validator whose references are looked up in `root`, and nowhere else: nothing is ever fetched."""
    return _Validator(root, registry=Registry())


@lru_cache(maxsize=4_096)
def _matcher(pattern: str) -> SchemaValidator | None:
    """The pattern in Rust's engine, whose time is linear; None where it has what that one does not know."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return None


def _matches(pattern: Json, text: str) -> bool:
    matcher = _matcher(pattern) if isinstance(pattern, str) else None
    return matcher is None or matcher.isinstance_python(text)


def _pattern(_validator: Any, pattern: Json, instance: Json, _schema: Json) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _matches(pattern, instance):
        yield ValidationError("does not match")


def _pattern_properties(validator: Any, patterns: Json, instance: Json, _schema: Json) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for pattern, part in patterns.items():
            for name in filter(lambda name: _matches(pattern, name), instance):
                yield from validator.descend(instance[name], part, path=name, schema_path=pattern)


def _additional_properties(validator: Any, additional: Json, instance: Json, schema: Json) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    named, patterns = schema.get("properties") or {}, schema.get("patternProperties") or {}
    for name, value in instance.items():
        if name in named or any(_matches(pattern, name) for pattern in patterns):
            continue
        if additional is False:
            yield ValidationError("has a property that the schema does not name")
            return
        yield from validator.descend(value, additional, path=name)


def _required(validator: Any, required: Json, instance: Json, schema: Json) -> Iterator[ValidationError]:
    """What is read-only is required of answers alone."""
    if isinstance(instance, dict):
        properties = schema.get("properties") or {}
        for name in required:
            if name not in instance and not _is_read_only(validator, properties.get(name)):
                yield ValidationError(f"lacks the property {str(name)[:_SHOWN]!r}")


def _is_read_only(validator: Any, schema: Json) -> bool:
    if isinstance(schema, dict) and "$ref" in schema and "readOnly" not in schema:
        schema = validator._resolver.lookup(schema["$ref"]).contents
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _unique_items(_validator: Any, unique: Json, instance: Json, _schema: Json) -> Iterator[ValidationError]:
    if unique is True and isinstance(instance, list):
        spelled = {orjson.dumps(_canonical(item), option=orjson.OPT_SORT_KEYS) for item in instance}
        if len(spelled) < len(instance):
            yield ValidationError("has equal items")


def _canonical(value: Json) -> Json:
    """The value, in which 1.0 is 1, as JSON Schema compares them."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1 << 53 else value
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return {key: _canonical(item) for key, item in value.items()} if isinstance(value, dict) else value


def _multiple_of(_validator: Any, factor: Json, instance: Json, _schema: Json) -> Iterator[ValidationError]:
    """By the digits: 19.99 is a multiple of 0.01, whatever binary fractions make of it."""
    is_number = isinstance(instance, int | float) and not isinstance(instance, bool)
    if is_number and Decimal(repr(instance)) % Decimal(repr(factor)):
        yield ValidationError("is no multiple")


def _type(validator: Any, types: Json, instance: Json, _schema: Json) -> Iterator[ValidationError]:
    if not any(validator.is_type(instance, each) for each in ([types] if isinstance(types, str) else types)):
        yield ValidationError("has another type")


def _any_of(validator: Any, parts: Json, instance: Json, _schema: Json) -> Iterator[ValidationError]:
    if not any(validator.evolve(schema=part).is_valid(instance) for part in parts):
        yield ValidationError("fits none")


def _one_of(validator: Any, parts: Json, instance: Json, _schema: Json) -> Iterator[ValidationError]:
    fitting = islice((part for part in parts if validator.evolve(schema=part).is_valid(instance)), 2)
    if len(list(fitting)) != 1:
        yield ValidationError("fits none, or several")


def _format(_validator: Any, name: Json, instance: Json, _schema: Json) -> Iterator[ValidationError]:
    if not has_format(instance, name):
        yield ValidationError("has another format")


def _bounded(keyword: Keyword) -> Keyword:
    """The keyword, its steps counted and its nonsense passed over."""

    def checked(validator: Any, value: Json, instance: Json, schema: Json) -> Iterator[ValidationError]:
        left = steps_left.get()
        left[0] -= 1
        if left[0] < 0:
            raise TooEntangled
        try:
            yield from keyword(validator, value, instance, schema) or ()
        except _FOREIGN:
            return

    return checked


_OWN: dict[str, Keyword] = {
    "additionalProperties": _additional_properties,
    "anyOf": _any_of,
    "format": _format,
    "multipleOf": _multiple_of,
    "oneOf": _one_of,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "required": _required,
    "type": _type,
    "uniqueItems": _unique_items,
}
_Validator: Any = extend(
    Draft202012Validator,
    {name: _bounded(keyword) for name, keyword in {**Draft202012Validator.VALIDATORS, **_OWN}.items()},
)
