"""Compressed replies: undone in every shape they come in, and never larger than allowed."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.errors import SourceProtocolError, SourceUnreachable
from syncflow_pipelines.transport import NotFound
from syncflow_pipelines.transport.encoding import TooLarge, TornEncoding, UnknownEncoding, decoded
from syncflow_pipelines_tests.server.calling import PatientClock, calling
from syncflow_pipelines_tests.server.raw_server import RawServer, chunked, head, reply

MEGABYTE = 1024 * 1024
PAGE = json.dumps({"rows": [{"data": {"item": f"A{number}"}} for number in range(5000)]}).encode()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def zstd_without_size(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(body)


def skippable_zstd_frame(body: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18\x04\x00\x00\x00note" + zstandard.compress(body)


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "GZIP": (" GZIP ", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "gzip-members": ("gzip", lambda body: gzip.compress(body[:10]) + gzip.compress(b"") + gzip.compress(body[10:])),
    "gzip-padded": ("gzip", lambda body: gzip.compress(body) + b"\0" * 512),
    "deflate": ("deflate", zlib.compress),
    "deflate-raw": ("deflate", raw_deflate),
    "zstd": ("zstd", zstandard.compress),
    "zstd-unsized": ("zstd", zstd_without_size),
    "zstd-frames": ("zstd", lambda body: zstandard.compress(body[:10]) + zstandard.compress(body[10:])),
    "zstd-skippable": ("zstd", skippable_zstd_frame),
    "two-layers": ("gzip, zstd", lambda body: zstandard.compress(gzip.compress(body))),
}
COMPRESSED = {name: encoder for name, encoder in ENCODERS.items() if name != "identity"}


@pytest.mark.parametrize(("name", "encode"), ENCODERS.values(), ids=ENCODERS.keys())
def test_encoded_page_is_decoded(name: str, encode: Callable[[bytes], bytes]) -> None:
    body = encode(PAGE)
    headers = {"Content-Encoding": name}
    chunks = head(headers={**headers, "Transfer-Encoding": "chunked"}) + chunked(body[:100], body[100:])
    with RawServer(reply(body=body, headers=headers), chunks) as server, calling(server) as source:
        assert source.get("/", validate=bytes).body == PAGE
        assert source.get("/", validate=bytes).body == PAGE
        assert source.received_bytes < 2 * len(body) + 1000


@pytest.mark.parametrize(("name", "encode"), COMPRESSED.values(), ids=COMPRESSED.keys())
def test_damaged_page_is_asked_for_again(name: str, encode: Callable[[bytes], bytes]) -> None:
    clock = PatientClock()
    whole = encode(PAGE)
    headers = {"Content-Encoding": name}
    cut = reply(body=whole[: len(whole) // 2], headers=headers)
    turned = reply(body=b"\x1f\x8b" + whole[::-1], headers=headers)
    with (
        RawServer(cut, turned, reply(body=whole, headers=headers)) as server,
        calling(server, clock) as source,
    ):
        assert source.get("/", validate=bytes).body == PAGE
        assert len(server.requests) == 3
    assert clock.slept_s > 0


def test_page_that_stays_damaged_is_unreachable() -> None:
    torn = reply(body=gzip.compress(PAGE)[:-9], headers={"Content-Encoding": "gzip"})
    with RawServer(torn) as server, calling(server) as source, pytest.raises(SourceUnreachable) as caught:
        source.get("/", validate=bytes)
    assert "after 4 attempts: the reply is damaged: it is cut off" in str(caught.value)


@pytest.mark.parametrize("name", ["br", "compress", "gzip, br", "gzip, gzip, gzip, gzip"])
def test_encoding_that_was_not_asked_for_is_not_the_contract(name: str) -> None:
    with RawServer(reply(headers={"Content-Encoding": name})) as server, calling(server) as source:
        with pytest.raises(SourceProtocolError, match="expected one of gzip, zstd, deflate"):
            source.get("/", validate=bytes)
        assert len(server.requests) == 1


def test_refusal_in_an_unknown_encoding_is_still_that_refusal() -> None:
    refusal = reply(404, b"??", {"Content-Encoding": "br"})
    with RawServer(refusal) as server, calling(server) as source, pytest.raises(NotFound, match="it answered 404"):
        source.get("/", validate=bytes)


def test_detail_of_a_compressed_refusal_is_read() -> None:
    body = gzip.compress(b'{"detail": "page_size is too large"}')
    refusal = reply(422, body, {"Content-Encoding": "gzip"})
    with RawServer(refusal) as server, calling(server) as source, pytest.raises(SourceProtocolError, match="page_size"):
        source.get("/", validate=bytes)


def gzip_bomb() -> bytes:
    return gzip.compress(b"\0" * (16 * MEGABYTE)) * 64


def zstd_bomb() -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(b"\0" * (16 * MEGABYTE)) * 64


def layered_bomb() -> bytes:
    return gzip.compress(gzip_bomb())


def single_stream_bomb() -> bytes:
    packer, zeros = zlib.compressobj(), b"\0" * MEGABYTE
    return b"".join(packer.compress(zeros) for _ in range(200)) + packer.flush()


@pytest.mark.parametrize(
    ("name", "bomb"),
    [("gzip", gzip_bomb), ("zstd", zstd_bomb), ("gzip, gzip", layered_bomb), ("deflate", single_stream_bomb)],
)
def test_bomb_is_refused_at_once_and_takes_little_memory(name: str, bomb: Callable[[], bytes]) -> None:
    body = bomb()
    answer = reply(body=body, headers={"Content-Encoding": name})
    with RawServer(answer) as server, calling(server, max_body_bytes=4 * MEGABYTE) as source:
        tracemalloc.start()
        try:
            with pytest.raises(SourceProtocolError, match="larger than 4194304 bytes; ask for smaller pages"):
                source.get("/", validate=bytes)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(server.requests) == 1
    assert peak < 80 * MEGABYTE


@pytest.mark.parametrize(
    "answer",
    [
        head(headers={"Content-Length": str(10**15)}) + b"x" * 1000,
        head(headers={"Content-Length": str(2 * MEGABYTE)}) + b"x" * (2 * MEGABYTE),
        head(headers={"Transfer-Encoding": "chunked"}) + chunked(*[b"x" * 65536] * 40),
        head(headers={"Transfer-Encoding": "chunked"}) + b"ffffffffffff\r\n" + b"x" * (5 * MEGABYTE),
        head(headers={"Connection": "close"}) + b"x" * (5 * MEGABYTE),
        head(headers={"Transfer-Encoding": "chunked"}) + chunked(end=b"0\r\n" + b"X-Trailer: 1\r\n" * 500_000),
    ],
    ids=["promise", "length", "chunks", "one-chunk", "until-close", "trailers"],
)
def test_body_beyond_the_limit_is_not_read_to_its_end(answer: bytes) -> None:
    with RawServer(answer) as server, calling(server, max_body_bytes=MEGABYTE) as source:
        with pytest.raises(SourceProtocolError, match="larger than 1048576 bytes"):
            source.get("/", validate=bytes)
        assert len(server.requests) == 1
        assert source.received_bytes < 4 * MEGABYTE


def test_body_of_exactly_the_limit_is_read() -> None:
    body = b"x" * MEGABYTE
    answers = [reply(body=body), reply(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})]
    with RawServer(*answers) as server, calling(server, max_body_bytes=MEGABYTE) as source:
        assert source.get("/", validate=len).body == MEGABYTE
        assert source.get("/", validate=len).body == MEGABYTE


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_endless_empty_streams_are_not_followed(name: str) -> None:
    empty = gzip.compress(b"") if name == "gzip" else zstandard.compress(b"")
    with pytest.raises(TornEncoding, match="more than 10000 parts"):
        decoded(empty * 20_000, name, MEGABYTE)


@given(body=st.binary(max_size=3000), name=st.sampled_from(sorted(COMPRESSED)))
def test_whatever_was_encoded_is_decoded(body: bytes, name: str) -> None:
    encoding, encode = COMPRESSED[name]
    assert decoded(encode(body), encoding, 3000) == body


@given(body=st.binary(max_size=300), name=st.sampled_from(["gzip", "deflate", "zstd", "gzip, zstd", "br"]))
def test_whatever_is_no_encoding_raises_one_of_three_errors(body: bytes, name: str) -> None:
    with suppress(TooLarge, TornEncoding, UnknownEncoding):
        assert len(decoded(body, name, 1000)) <= 1000
