"""Content encodings undone, with an eye on how large the result gets."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import zstandard

ACCEPT_ENCODING = "gzip, zstd, deflate"

_ZSTD_WINDOW = 8 * 1024 * 1024
"""The largest window that RFC 9659 allows for the content encoding."""
_MAX_LAYERS = 3
_MAX_MEMBERS = 10_000
"""Streams one after the other in a body; each costs time, even an empty one."""


class UnknownEncoding(Exception):
    """The body is encoded in a way that was not asked for."""


class TooLarge(Exception):
    """The decoded body passes the limit."""


class TornEncoding(Exception):
    """The encoded body is cut off or damaged."""


class _Member(Protocol):
    """The decompression of one stream, as zlib and zstandard offer it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Format:
    """How a kind of stream is decompressed."""

    begin: Callable[[bytes], _Member]
    """Given the stream's first bytes."""
    piece: int
    """Bytes fed at a time. What they can become at most, some 30 MiB, is how far a limit is overshot."""


def decoded(body: bytes, encodings: str, limit: int) -> bytes:
    """The body without its content encodings (the value of `Content-Encoding`), at most `limit` bytes.

    Raises `UnknownEncoding`, `TooLarge`, `TornEncoding`.
    """
    layers = [layer for part in encodings.lower().split(",") if (layer := part.strip()) not in ("", "identity")]
    if len(layers) > _MAX_LAYERS:
        raise UnknownEncoding(f"of {len(layers)} layers")
    for layer in reversed(layers):
        if layer not in _FORMATS:
            raise UnknownEncoding(layer)
        body = _collected(_members(body, _FORMATS[layer]), limit)
    return body


def _collected(pieces: Iterator[bytes], limit: int) -> bytes:
    kept: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise TooLarge
        kept.append(piece)
    return b"".join(kept)


def _members(body: bytes, form: _Format) -> Iterator[bytes]:
    """All streams of the body, decompressed; zeros after the last are padding."""
    position = 0
    for _ in range(_MAX_MEMBERS):
        if not body[position : position + form.piece].strip(b"\0") and not body[position:].strip(b"\0"):
            return
        member = form.begin(body[position : position + 2])
        while not member.eof:
            piece = body[position : position + form.piece]
            if not piece:
                raise TornEncoding("it is cut off")
            position += len(piece)
            yield _decompressed(member, piece)
        position -= len(member.unused_data)
    raise TornEncoding(f"it has more than {_MAX_MEMBERS} parts")


def _decompressed(member: _Member, piece: bytes) -> bytes:
    try:
        return member.decompress(piece)
    except (zlib.error, zstandard.ZstdError) as cause:
        raise TornEncoding(str(cause)) from cause


def _gzip(_start: bytes) -> _Member:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _deflate(start: bytes) -> _Member:
    # RFC 9110 says zlib format, but servers that send raw deflate are old and many.
    has_zlib_header = len(start) > 1 and start[0] & 0x0F == 8 and int.from_bytes(start, "big") % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS if has_zlib_header else -zlib.MAX_WBITS)


def _zstd(_start: bytes) -> _Member:
    return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()


_INFLATE_PIECE = 16 * 1024
_ZSTD_PIECE = 1024
_FORMATS = {
    "gzip": _Format(_gzip, _INFLATE_PIECE),
    "x-gzip": _Format(_gzip, _INFLATE_PIECE),
    "deflate": _Format(_deflate, _INFLATE_PIECE),
    "zstd": _Format(_zstd, _ZSTD_PIECE),
}
