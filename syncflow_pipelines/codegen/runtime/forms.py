"""The fields of a form, `application/x-www-form-urlencoded` or `multipart/form-data`, as the object that they are."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from syncflow_pipelines.codegen.runtime.parameter_values import (
    ABSENT,
    UNCHECKED,
    ParameterReader,
    Unreadable,
    is_json,
    split_pairs,
)
from syncflow_pipelines.codegen.runtime.requests import Parameter

Json = Any

MAX_PARTS = 10_000
_DISPOSITION = re.compile(rb'\b(name|filename\*?)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', re.IGNORECASE)
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body."""

    name: str
    is_file: bool
    media_type: str
    content: bytes


def urlencoded(
    reader: ParameterReader, properties: Mapping[str, Json], media: Mapping[str, Json], body: bytes
) -> dict[str, Json]:
    """The object of a form. Raises `Unreadable` where a field is not written as the spec has it."""
    pairs = split_pairs(body.decode("utf-8", "replace"))
    if len(pairs) > MAX_PARTS:
        raise Unreadable("has too many fields")
    encodings = media.get("encoding") or {}
    fields: dict[str, Json] = {}
    for name, schema in properties.items():
        value = _field(reader, name, schema, encodings.get(name) or {}, pairs)
        if value is not ABSENT:
            fields[name] = value
    return fields | {name: UNCHECKED for name, _ in pairs if name not in properties and "[" not in name}


def _field(
    reader: ParameterReader, name: str, schema: Json, encoding: Mapping[str, Json], pairs: list[tuple[str, str]]
) -> Json:
    style = encoding.get("style", "form")
    if any(each.startswith(f"{name}[") for each, _ in pairs):
        if style != "deepObject":
            return UNCHECKED  # brackets that the spec does not speak of: servers read them in their own ways
    elif reader.kind(schema) == "object" and style == "form" and "style" not in encoding:
        return UNCHECKED if any(each == name for each, _ in pairs) else ABSENT
    explode = encoding.get("explode", style in ("form", "deepObject"))
    return reader.from_pairs(Parameter(name, "query", style, explode, schema=schema), pairs)


def multipart(
    reader: ParameterReader, properties: Mapping[str, Json], content_type: str, body: bytes
) -> dict[str, Json]:
    """The object of a multipart body; a file is `UNCHECKED`. Raises `Unreadable` where it is none."""
    parts = list(_parts(content_type, body))
    fields: dict[str, Json] = {}
    for name in dict.fromkeys(part.name for part in parts):
        schema = properties.get(name, True)
        values = [part for part in parts if part.name == name]
        item = reader.item_schema(schema) if reader.kind(schema) == "array" else schema
        read = [_part_value(reader, part, item) for part in values]
        is_list = reader.kind(schema) == "array" and not isinstance(read[0], list)
        whole = read if is_list else read[0]
        fields[name] = UNCHECKED if any(each is UNCHECKED for each in read) else whole
    return fields


def _part_value(reader: ParameterReader, part: Part, schema: Json) -> Json:
    if part.is_file:
        return UNCHECKED
    if is_json(part.media_type):
        try:
            return orjson.loads(part.content)
        except ValueError as error:
            raise Unreadable("has a part that is not JSON") from error
    if part.media_type not in ("", "text/plain") or reader.kind(schema) == "object":
        return UNCHECKED
    return reader.coerce(part.content.decode("utf-8", "replace"), schema)


def _parts(content_type: str, body: bytes) -> Iterator[Part]:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise Unreadable("has no boundary in its Content-Type")
    delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1")
    pieces = (b"\r\n" + body).split(delimiter, MAX_PARTS + 1)
    if len(pieces) < 2 or len(pieces) > MAX_PARTS + 1 or not pieces[-1].startswith(b"--"):
        raise Unreadable("is no multipart body of its boundary")
    for piece in pieces[1:-1]:
        head, blank, content = piece.partition(b"\r\n\r\n")
        if not blank:
            raise Unreadable("has a part without a head")
        yield _part(head, content)


def _part(head: bytes, content: bytes) -> Part:
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
    }
    said = {
        match[1].lower(): match[2] if match[3] is None else match[3]
        for match in _DISPOSITION.finditer(headers.get(b"content-disposition", b""))
    }
    media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    name = said.get(b"name", b"").replace(b'\\"', b'"').decode("utf-8", "replace")
    return Part(name, any(key.startswith(b"filename") for key in said), media_type, content)
