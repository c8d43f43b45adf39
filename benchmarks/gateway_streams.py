"""What long answers and many of them cost in memory: a gigabyte each way, and streams of events that say nothing."""

import asyncio
import http.client
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.gateway_doors import Door, resident_mib
from benchmarks.processes import ChildFailed

_PIECE = bytes(256 * 1024)
_LOOK_S = 0.01
_AT_ONCE = 100
_LIMIT_S = 120.0


@dataclass(slots=True)
class Peak:
    """Of the resident set of a door, from when somebody began to look."""

    at_rest_mib: float
    highest_mib: float

    @property
    def growth_mib(self) -> float:
        return self.highest_mib - self.at_rest_mib


@dataclass(frozen=True, slots=True)
class Streamed:
    """So many bytes, one way."""

    bytes: int
    seconds: float
    growth_mib: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Listened:
    """Streams of events, all open at once."""

    streams: int
    growth_mib: float
    """Once all are open."""
    reached: int
    """By one event."""
    seconds: float
    """From the event to the last of them."""


@contextmanager
def watched(door: Door) -> Iterator[Peak]:
    """Looks at the memory every 10 ms while the block runs."""
    family, ended = door.family(), threading.Event()
    peak = Peak(resident_mib(family), 0.0)

    def look() -> None:
        while not ended.wait(_LOOK_S):
            peak.highest_mib = max(peak.highest_mib, resident_mib(family))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield peak
    finally:
        ended.set()
        looking.join()
        peak.highest_mib = max(peak.highest_mib, resident_mib(family))


def download(door: Door, path: str, size: int) -> Streamed:
    """Raises `ChildFailed` where not all of it comes."""
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=_LIMIT_S)
    began, came = time.perf_counter(), 0
    with watched(door) as peak:
        connection.request("GET", f"{path}/down?bytes={size}")
        answer = connection.getresponse()
        while piece := answer.read(len(_PIECE)):
            came += len(piece)
    connection.close()
    return _streamed(size, came, began, peak)


def upload(door: Door, path: str, size: int) -> Streamed:
    """Raises `ChildFailed` where the backend did not get all of it."""
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=_LIMIT_S)
    began = time.perf_counter()
    with watched(door) as peak:
        connection.request("POST", f"{path}/up", body=_pieces(size), headers={"Content-Length": str(size)})
        said = connection.getresponse().read().decode()
    connection.close()
    came = int("".join(filter(str.isdigit, said)) or 0)
    return _streamed(size, came, began, peak)


def listen(door: Door, path: str, backend: Door, streams: int) -> Listened:
    """Opens them all, and has the backend say one word to all. Raises `ChildFailed` where one does not open."""
    return asyncio.run(asyncio.wait_for(_listen(door, path, backend, streams), _LIMIT_S))


def _streamed(size: int, came: int, began: float, peak: Peak) -> Streamed:
    if came != size:
        raise ChildFailed(f"of {size} bytes {came} came through")
    return Streamed(size, time.perf_counter() - began, peak.growth_mib, peak.highest_mib)


def _pieces(size: int) -> Iterator[bytes]:
    while size:
        piece = _PIECE[:size]
        yield piece
        size -= len(piece)


async def _listen(door: Door, path: str, backend: Door, streams: int) -> Listened:
    before, places = door.memory_mib(), asyncio.Semaphore(_AT_ONCE)
    opened = await asyncio.gather(*(_open(door.port, path, places) for _ in range(streams)))
    growth = door.memory_mib() - before
    began = time.perf_counter()
    await asyncio.to_thread(_tell, backend)
    heard = await asyncio.gather(*(_hears(reader) for reader, _ in opened))
    seconds = time.perf_counter() - began
    for _, writer in opened:
        writer.close()
    return Listened(streams, growth, sum(heard), seconds)


async def _open(port: int, path: str, places: asyncio.Semaphore) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with places:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        try:
            await reader.readuntil(b"data: open\n\n")
        except asyncio.IncompleteReadError as error:
            raise ChildFailed(f"a stream of events was refused: {error.partial[:200]!r}") from error
        return reader, writer


async def _hears(reader: asyncio.StreamReader) -> bool:
    try:
        await reader.readuntil(b"data: now\n\n")
    except asyncio.IncompleteReadError:
        return False
    return True


def _tell(backend: Door) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{backend.port}/tell", data=b"now", timeout=_LIMIT_S) as answer:
        answer.read()
