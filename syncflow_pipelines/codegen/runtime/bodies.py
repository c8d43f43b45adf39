"""Values → the body of a request, in the media type that the spec names."""

import base64
import binascii
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from syncflow_pipelines.codegen.runtime import styles
from syncflow_pipelines.codegen.runtime.requests import UnsendableValue

Json = Any

_SUBSTITUTES = {"*/*": "application/octet-stream", "text/*": "text/plain", "application/*": "application/json"}
_TEXTS = ("xml", "json-seq", "ndjson", "jsonl", "yaml", "javascript", "graphql", "sql")
_BY_STYLE = ("style", "explode", "allowReserved")


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent, and as what."""

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    name: str | None
    media_type: str | None


def kind_of(media_type: str) -> str:
    """`json`, `form`, `multipart`, `text` or `binary`: how a body of this media type is made."""
    bare = media_type.partition(";")[0].strip().lower()
    if bare in ("application/json", "text/json", "application/*") or bare.endswith("+json"):
        return "json"
    if bare == "application/x-www-form-urlencoded":
        return "form"
    if bare.startswith("multipart/"):
        return "multipart"
    subtype = bare.partition("/")[2]
    return "text" if bare.startswith("text/") or subtype.endswith(("+xml", *_TEXTS)) else "binary"


def build_body(media_type: str, value: Json, encoding: Mapping[str, Json], files: frozenset[str] = frozenset()) -> Body:
    """The body; `files` names the properties of a multipart body that are files.

    Raises `UnsendableValue` where the value is none for that media type.
    """
    kind = kind_of(media_type)
    sent_as = _concrete(media_type)
    if kind == "json":
        return Body(_json(value), sent_as)
    if kind == "form" and isinstance(value, dict):
        return Body(_form(value, encoding).encode(), sent_as)
    if kind == "multipart" and isinstance(value, dict):
        return _multipart(sent_as, value, encoding, files)
    if kind == "binary":
        file = _file("body", value)
        return Body(file.content, file.media_type or sent_as)
    return Body(styles.text_of(value).encode("utf-8", "replace"), sent_as)


def _json(value: Json) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")
    except ValueError as error:
        raise UnsendableValue("the arguments hold a number that JSON cannot carry") from error


def _concrete(media_type: str) -> str:
    bare = media_type.partition(";")[0].strip().lower()
    if "*" in bare:
        return _SUBSTITUTES.get(bare, "application/octet-stream")
    return media_type if media_type.isascii() and media_type.isprintable() else bare.encode("ascii", "replace").decode()


def _form(value: Mapping[str, Json], encoding: Mapping[str, Json]) -> str:
    pairs = (pair for name, member in value.items() for pair in _form_pairs(name, member, encoding.get(name) or {}))
    return "&".join(f"{name}={text}" for name, text in pairs)


def _form_pairs(name: str, value: Json, encoding: Mapping[str, Json]) -> styles.Pairs:
    """By style where the encoding has one, and else by content: objects are JSON, of lists every item."""
    escape = styles.reserved if encoding.get("allowReserved") else styles.form
    if any(key in encoding for key in _BY_STYLE):
        style = encoding.get("style", "form")
        explode = encoding.get("explode", style in ("form", "deepObject"))
        return styles.form_pairs(name, value, style, explode, escape)
    if _is_json(encoding.get("contentType")):
        return [(styles.form(name), escape(_json(value).decode()))]
    return [(styles.form(name), escape(styles.text_of(item))) for item in _each(value)]


def _multipart(media_type: str, value: Json, encoding: Mapping[str, Json], files: frozenset[str]) -> Body:
    boundary = secrets.token_hex(16)
    parts = (
        part
        for name, member in value.items()
        for item in _each(member)
        for part in _part(name, item, encoding.get(name) or {}, name in files)
    )
    content = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    content_type = f"{media_type.partition(';')[0].strip()}; boundary={boundary}"
    return Body(content + b"--%b--\r\n" % boundary.encode(), content_type)


def _part(name: str, value: Json, encoding: Mapping[str, Json], is_file: bool) -> Iterator[bytes]:
    disposition = f'form-data; name="{_quoted(name)}"'
    declared = _first_type(encoding.get("contentType"))
    if is_file:
        file = _file(name, value)
        content, media_type = file.content, file.media_type or declared or "application/octet-stream"
        disposition += f'; filename="{_quoted(file.name or name)}"'
    elif isinstance(value, dict | list) or _is_json(declared):
        content, media_type = _json(value), declared or "application/json"
    else:
        content, media_type = styles.text_of(value).encode("utf-8", "replace"), declared or ""
    headers = [f"Content-Disposition: {disposition}", *([f"Content-Type: {media_type}"] if media_type else [])]
    yield "\r\n".join((*headers, "", "")).encode("utf-8", "replace") + content


def _file(name: str, value: Json) -> _File:
    """From base64, or an object that says more of the file."""
    if isinstance(value, str):
        return _File(_decoded(name, value), None, None)
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return _File(value["text"].encode("utf-8", "replace"), *_naming(name, value))
    if isinstance(value, dict) and isinstance(value.get("base64"), str):
        return _File(_decoded(name, value["base64"]), *_naming(name, value))
    raise UnsendableValue(f"argument {name!r} is a file; give it as base64, or as an object with `text` or `base64`")


def _naming(name: str, value: Mapping[str, Json]) -> tuple[str | None, str | None]:
    media_type = value.get("content_type")
    if media_type is not None and not (
        isinstance(media_type, str) and media_type.isascii() and media_type.isprintable()
    ):
        raise UnsendableValue(f"the content_type of argument {name!r} is no media type")
    return (str(value["filename"]) if value.get("filename") else None), media_type


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise UnsendableValue(f"argument {name!r} is no base64; for plain text give an object with `text`") from error


def _each(value: Json) -> list[Json]:
    """The items of a list, or the value; nothing for null."""
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]


def _is_json(media_type: Json) -> bool:
    return isinstance(media_type, str) and "json" in media_type


def _first_type(media_types: Json) -> str | None:
    """An encoding may name several, and ranges of them."""
    first = media_types.partition(",")[0].strip() if isinstance(media_types, str) else ""
    return first if first and "*" not in first and first.isascii() and first.isprintable() else None


def _quoted(text: str) -> str:
    """As browsers write names in a multipart body (WHATWG HTML, "multipart form data")."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
