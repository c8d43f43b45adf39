"""Parameters, bodies, responses and headers of OpenAPI 3 → those of 3.1 that stand alone, but for their schemas.

Examples of responses are left out: they are most of a large document, and nothing is made of them.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.openapi.pointers import below
from syncflow_pipelines.openapi.schema_words import picked, switch, text
from syncflow_pipelines.openapi.schemas import Schemas
from syncflow_pipelines.openapi.source import Place, Source, Unfit
from syncflow_pipelines.openapi.versions import named

STYLES: Final = {
    "path": frozenset({"simple", "label", "matrix"}),
    "query": frozenset({"form", "spaceDelimited", "pipeDelimited", "deepObject"}),
    "header": frozenset({"simple"}),
    "cookie": frozenset({"form"}),
}
"""By where a parameter is."""
_PARAMETER_WORDS: Final[dict[str, Callable[[Json], Json]]] = {
    "description": text,
    **dict.fromkeys(("deprecated", "allowEmptyValue", "allowReserved", "explode"), switch),
}
_ENCODING_WORDS: Final[dict[str, Callable[[Json], Json]]] = {
    "contentType": text,
    "style": text,
    **dict.fromkeys(("explode", "allowReserved"), switch),
}
_EXAMPLE_WORDS: Final = {"summary": text, "description": text, "externalValue": text}
_EXAMPLE_VALUES: Final = ("value", "dataValue", "serializedValue")
_FORM: Final = "application/x-www-form-urlencoded"


class Contents:
    """What requests and answers of one document carry. A part that many operations refer to is one object."""

    def __init__(self, source: Source, schemas: Schemas) -> None:
        self.source = source
        self.schemas = schemas
        self._done: dict[tuple[str, str], dict[str, Json]] = {}
        self._within: set[str] = set()

    def parameter(self, place: Place) -> dict[str, Json]:
        """A parameter whose name and location have been looked at. Raises `Unfit`."""
        return self._once("parameter", place, self._parameter)

    def request_body(self, value: Json, pointer: str) -> dict[str, Json]:
        """The body. Raises `Unfit` where it cannot be told what to send."""
        return self._once("body", self.source.resolved(value, "request_body", pointer), self.own_request_body)

    def response(self, value: Json, pointer: str) -> dict[str, Json]:
        """The response. Raises `Unfit`."""
        return self._once("response", self.source.resolved(value, "response", pointer), self.own_response)

    def _once(self, kind: str, place: Place, read: Callable[[Place], dict[str, Json]]) -> dict[str, Json]:
        key = kind, place.pointer
        if key not in self._done:
            self._done[key] = self._read_within(place, read)
        return self._done[key]

    def _read_within(self, place: Place, read: Callable[[Place], dict[str, Json]]) -> dict[str, Json]:
        # a header has a content, whose encoding has headers: references may lead around in a circle
        if place.pointer in self._within:
            raise Unfit(place.pointer, "it is a part of itself, by way of references")
        self._within.add(place.pointer)
        try:
            return read(place)
        finally:
            self._within.discard(place.pointer)

    def _parameter(self, place: Place) -> dict[str, Json]:
        value, location = place.value, place.value["in"]
        if location == "querystring":
            return self._whole_query(place)
        parameter = {"name": value["name"], "in": location, **picked(value, _PARAMETER_WORDS)}
        if switch(value.get("required")) is True or location == "path":
            parameter["required"] = True
        if (style := self._style(place)) is not None:
            parameter["style"] = style
        return parameter | self._shape(place) | self._examples(value, place.pointer)

    def _style(self, place: Place) -> str | None:
        style = place.value.get("style")
        if style is None or (isinstance(style, str) and style in STYLES[place.value["in"]]):
            return style
        self.source.note(below(place.pointer, "style"), f"style {str(style)[:40]!r} is none for this place; left out")
        return None

    def _whole_query(self, place: Place) -> dict[str, Json]:
        """The same as a form whose fields are the properties: that is what an exploded object is in a query."""
        content = self._media_types(place.value.get("content"), below(place.pointer, "content"))
        if _FORM not in content:
            raise Unfit(place.pointer, "a whole query that is no form cannot be said in OpenAPI 3.1")
        parameter = {"name": place.value["name"], "in": "query", **picked(place.value, _PARAMETER_WORDS)}
        required = {"required": True} if switch(place.value.get("required")) is True else {}
        return parameter | required | {"style": "form", "explode": True, "schema": content[_FORM].get("schema", {})}

    def _shape(self, place: Place) -> dict[str, Json]:
        """The `schema` or the `content`; a parameter without either is any text."""
        value, pointer = place.value, place.pointer
        if value.get("schema") is not None:
            return {"schema": self.schemas.converted(value["schema"], below(pointer, "schema"))}
        content = self._media_types(value.get("content"), below(pointer, "content"))
        return {"content": dict([next(iter(content.items()))])} if content else {"schema": {"type": "string"}}

    def _examples(self, value: dict[str, Json], pointer: str) -> dict[str, Json]:
        if value.get("example") is not None:
            return {"example": value["example"]}
        examples = value.get("examples")
        if not isinstance(examples, dict):
            return {}
        read = {name: self._example(item, below(pointer, name)) for name, item in examples.items()}
        found = {name: example for name, example in read.items() if example}
        return {"examples": found} if found else {}

    def _example(self, value: Json, pointer: str) -> dict[str, Json] | None:
        try:
            example = self.source.resolved(value, "example", pointer).value
        except Unfit:
            # an example is missed by nobody; where it stands bare, it is what is meant
            return None if isinstance(value, dict) else {"value": value}
        found = next((word for word in _EXAMPLE_VALUES if word in example), None)
        return picked(example, _EXAMPLE_WORDS) | ({"value": example[found]} if found else {})

    def own_request_body(self, place: Place) -> dict[str, Json]:
        """The body of one operation alone: that of Swagger hangs on what the operation consumes."""
        content = place.value.get("content")
        if content is not None and not isinstance(content, dict):
            raise Unfit(below(place.pointer, "content"), f"the content of the body is {named(content)}, not a mapping")
        read = picked(place.value, {"description": text, "required": switch})
        return read | {"content": self._media_types(content, below(place.pointer, "content"), with_examples=True)}

    def own_response(self, place: Place) -> dict[str, Json]:
        """The response of one operation alone."""
        read: dict[str, Json] = {"description": ""} | picked(place.value, {"description": text})
        headers = self._headers(place.value.get("headers"), below(place.pointer, "headers"))
        content = self._media_types(place.value.get("content"), below(place.pointer, "content"))
        return read | ({"headers": headers} if headers else {}) | ({"content": content} if content else {})

    def _media_types(self, value: Json, pointer: str, *, with_examples: bool = False) -> dict[str, dict[str, Json]]:
        if value is None:
            return {}
        try:
            place = self.source.resolved(value, "{}media_type", pointer)
        except Unfit as unfit:
            self.source.note(unfit.pointer, f"{unfit.reason}; left out")
            return {}
        read = {}
        self.source.spend(len(place.value))
        for name, item in place.value.items():
            if not name.startswith("x-") and name.strip():
                read[name] = self._media_type(item, below(place.pointer, name), with_examples)
        return read

    def _media_type(self, value: Json, pointer: str, with_examples: bool) -> dict[str, Json]:
        try:
            # an empty media type is often written as nothing
            place = self.source.resolved({} if value is None else value, "media_type", pointer)
            return self._read_within(place, partial(self._read_media_type, with_examples=with_examples))
        except Unfit as unfit:
            self.source.note(unfit.pointer, f"{unfit.reason}; taken for any content")
            return {}

    def _read_media_type(self, place: Place, *, with_examples: bool) -> dict[str, Json]:
        read = self._schema_of(place)
        if with_examples:
            read |= self._examples(place.value, place.pointer)
        encoding = self._encodings(place.value.get("encoding"), below(place.pointer, "encoding"))
        return read | ({"encoding": encoding} if encoding else {})

    def _schema_of(self, place: Place) -> dict[str, Json]:
        if place.value.get("schema") is not None:
            return {"schema": self.schemas.converted(place.value["schema"], below(place.pointer, "schema"))}
        if place.value.get("itemSchema") is None:
            return {}
        # what is sent item by item is a list of them
        items = self.schemas.converted(place.value["itemSchema"], below(place.pointer, "itemSchema"))
        return {"schema": {"type": "array", "items": items}}

    def _encodings(self, value: Json, pointer: str) -> dict[str, Json]:
        if not isinstance(value, dict):
            return {}
        return {
            name: self._encoding(item, below(pointer, name)) for name, item in value.items() if isinstance(item, dict)
        }

    def _encoding(self, value: dict[str, Json], pointer: str) -> dict[str, Json]:
        headers = self._headers(value.get("headers"), below(pointer, "headers"))
        return picked(value, _ENCODING_WORDS) | ({"headers": headers} if headers else {})

    def _headers(self, value: Json, pointer: str) -> dict[str, Json]:
        if value is None:
            return {}
        headers = {}
        try:
            place = self.source.resolved(value, "{}header", pointer)
            for name, item in place.value.items():
                if name.lower() != "content-type":
                    header = self.source.resolved(item, "header", below(place.pointer, name))
                    headers[name] = self._once("header", header, self._header)
        except Unfit as unfit:
            self.source.note(unfit.pointer, f"{unfit.reason}; left out")
        return headers

    def _header(self, place: Place) -> dict[str, Json]:
        read = picked(place.value, {"description": text, "required": switch, "deprecated": switch, "explode": switch})
        return read | self._shape(place)
