"""pydantic's errors → where in the document, and what was expected, in words for the file's author."""

import difflib
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from syncflow_pipelines.config.mistakes import Location

DISCRIMINATOR = "type"
"""The key that tells the members of every tagged union apart."""

_EXPECTED = {
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_type": "text",
    "string_unicode": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is wrong at a place of a document; `found` where the value itself must not be shown or says too little."""

    location: Location
    expected: str
    found: str | None = None


def explanations(error: ValidationError, model: type[BaseModel]) -> Iterator[Explanation]:
    """One explanation for each of the errors of that model. No value of the document is in them."""
    for details in error.errors(include_url=False, include_input=False):
        location, annotation, owner = _place(model, details["loc"])
        yield _explanation(details, location, annotation, owner)


def _explanation(
    details: ErrorDetails, location: Location, annotation: Any, owner: type[BaseModel] | None
) -> Explanation:
    context = details.get("ctx", {})
    match details["type"]:
        case "refused":
            return Explanation(location, context["expected"], context["found"])
        case "missing":
            return Explanation(location, _described(owner, location), "nothing")
        case "extra_forbidden":
            return Explanation(location, _known_keys(owner, str(location[-1])), "an unknown key")
        case "literal_error":
            return Explanation(location, one_of(re.findall(r"'([^']*)'", context["expected"])))
        case "union_tag_invalid" | "union_tag_not_found":
            return Explanation((*location, DISCRIMINATOR), one_of(_members(annotation)))
        case kind:
            return Explanation(location, _EXPECTED.get(kind) or f"something else ({details['msg']})")


def one_of(words: typing.Iterable[str]) -> str:
    """The choice between the words, to follow `expected`."""
    listed = ", ".join(words)
    return f"one of {listed}" if "," in listed else listed


def _described(owner: type[BaseModel] | None, location: Location) -> str:
    field = _fields(owner).get(str(location[-1]))
    return field.description or "a value" if field else "a value"


def _known_keys(owner: type[BaseModel] | None, key: str) -> str:
    known = list(_fields(owner))
    near = difflib.get_close_matches(key, known, n=1)
    return f"{near[0]}, or another key that is known here" if near else one_of(known)


def _fields(owner: type[BaseModel] | None) -> dict[str, FieldInfo]:
    return {} if owner is None else {field.alias or name: field for name, field in owner.model_fields.items()}


def _place(model: type[BaseModel], loc: Location) -> tuple[Location, Any, type[BaseModel] | None]:
    """Where pydantic's `loc` is in the document, what is declared there, and the model that declares it.

    pydantic puts the tag of a union's member, and `[key]`, into a location; the document has neither.
    """
    location: Location = ()
    owner: type[BaseModel] | None = None
    annotation: Any = model
    for part in loc:
        member = _members(annotation).get(str(part))
        if member is not None:
            annotation = member
        elif not (part == "[key]" and typing.get_origin(annotation) is dict):
            owner = annotation if _is_model(annotation) else None
            annotation = _bare(_declared(annotation, part))
            location = (*location, part)
    return location, annotation, owner


def _declared(annotation: Any, part: str | int) -> Any:
    if _is_model(annotation):
        field = _fields(annotation).get(str(part))
        return field.annotation if field else None
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if typing.get_origin(annotation) in (list, tuple) else None


def _bare(annotation: Any) -> Any:
    """The annotation without `Annotated` and `None`."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _bare(typing.get_args(annotation)[0])
    if _is_union(annotation):
        others = [argument for argument in typing.get_args(annotation) if argument is not types.NoneType]
        return _bare(others[0]) if len(others) == 1 else annotation
    return annotation


def _members(annotation: Any) -> dict[str, type[BaseModel]]:
    """The models of a tagged union by their tags; nothing for anything else."""
    if not _is_union(annotation):
        return {}
    models = [member for member in map(_bare, typing.get_args(annotation)) if _is_model(member)]
    return {tag: model for model in models for tag in typing.get_args(model.model_fields[DISCRIMINATOR].annotation)}


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _is_model(annotation: Any) -> typing.TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
