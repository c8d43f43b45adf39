"""Content encodings undone, with an eye on how large the result gets."""

import zlib
from collections.abc import Callable, Iterator

import zstandard

ACCEPT_ENCODING = "gzip, zstd, deflate"

_GZIP = 16 + zlib.MAX_WBITS
_ZSTD_WINDOW = 8 * 1024 * 1024
"""The largest window that RFC 9659 allows for the content encoding."""
_PIECE = 1024
"""Bytes of zstd input at a time: a block of 4 bytes can stand for 128 KiB, so this bounds an overshoot to 32 MiB."""
_MAX_LAYERS = 3


class UnknownEncoding(Exception):
    """The body is encoded in a way that was not asked for."""


class TooLarge(Exception):
    """The decoded body passes the limit."""


class TornEncoding(Exception):
    """The encoded body is cut off or damaged."""


def decoded(body: bytes, encodings: str, limit: int) -> bytes:
    """The body without its content encodings (the value of `Content-Encoding`), at most `limit` bytes.

    Raises `UnknownEncoding`, `TooLarge`, `TornEncoding`.
    """
    layers = [layer for part in encodings.lower().split(",") if (layer := part.strip()) not in ("", "identity")]
    if len(layers) > _MAX_LAYERS:
        raise UnknownEncoding(f"{len(layers)} encodings on top of each other")
    for layer in reversed(layers):
        if layer not in _DECODERS:
            raise UnknownEncoding(layer[:40])
        body = _collected(_DECODERS[layer](body, limit), limit)
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


def _gunzip(body: bytes, limit: int) -> Iterator[bytes]:
    return _inflate(body, _GZIP, limit)


def _deflate(body: bytes, limit: int) -> Iterator[bytes]:
    # RFC 9110 says zlib format, but servers that send raw deflate are old and many.
    has_zlib_header = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return _inflate(body, zlib.MAX_WBITS if has_zlib_header else -zlib.MAX_WBITS, limit)


def _inflate(body: bytes, wbits: int, limit: int) -> Iterator[bytes]:
    """The decompressed members, one after the other; zeros after the last are padding."""
    rest = body
    while rest:
        member = zlib.decompressobj(wbits)
        try:
            # One byte more than allowed tells a bomb from a body that just fits.
            yield member.decompress(rest, limit + 1)
        except zlib.error as cause:
            raise TornEncoding(str(cause)) from cause
        if not member.eof:
            if member.unconsumed_tail:
                raise TooLarge
            raise TornEncoding("the compressed body is cut off")
        rest = member.unused_data.lstrip(b"\0")


def _unzstd(body: bytes, _limit: int) -> Iterator[bytes]:
    context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    rest = memoryview(body)
    while rest:
        frame = context.decompressobj()
        while rest and not frame.eof:
            piece, rest = rest[:_PIECE], rest[_PIECE:]
            try:
                yield frame.decompress(piece)
            except zstandard.ZstdError as cause:
                raise TornEncoding(str(cause)) from cause
        if not frame.eof:
            raise TornEncoding("the compressed body is cut off")
        if frame.unused_data:
            rest = memoryview(bytes(frame.unused_data) + bytes(rest))


_DECODERS: dict[str, Callable[[bytes, int], Iterator[bytes]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _deflate,
    "zstd": _unzstd,
}
