"""What a server can make of our memory and time, measured in a process of its own."""

import gzip
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines_tests.server.raw_server import Peer, RawServer, Request, Step, chunked, head, reply

REPOSITORY = Path(__file__).parents[2]
MOST_MIB = 340
"""That a refusal may add: the 50 MB that a document may have, a few times over."""

CHILD = """
import json, sys
from pathlib import Path
from benchmarks.peak_memory import peak_mib
from syncflow_pipelines.config import ServiceConfig, Services, ServiceSettings, Settings
from syncflow_pipelines.openapi.refreshing import refresh

folder = Path(sys.argv[1])
places = ServiceSettings(folder / "specs", folder / "generated", folder / ".sums.json")
before = peak_mib()
service = ServiceConfig("crm", sys.argv[2], ("/openapi.json",), (), timeout_s=30.0)
[seen] = refresh(Services((service,), places), Settings(config_dir=folder / "config", home=folder / "home"))
after = peak_mib()
print(json.dumps({"status": seen.status, "error": seen.error, "type": seen.error_type, "mib": after - before}))
"""


def endless(_request: Request, peer: Peer) -> None:
    """A chunked body that goes on for as long as anybody reads it."""
    peer.is_open = False
    piece = chunked(b" " * 1_000_000, end=b"")
    with suppress(OSError):
        peer.socket.sendall(head(headers={"Transfer-Encoding": "chunked"}))
        while not peer.stopped.is_set():
            peer.socket.sendall(piece)


def refreshed(folder: Path, answer: Step) -> Any:
    with RawServer(answer) as server:
        child = [sys.executable, "-c", CHILD, str(folder), server.url]
        printed = subprocess.run(child, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=240).stdout
    return json.loads(printed)


TWO_GB = gzip.compress(b" " * 10_000_000) * 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        reply(200, TWO_GB, {"Content-Encoding": "gzip"}),
        reply(200, gzip.compress(TWO_GB), {"Content-Encoding": "gzip, gzip"}),
        head(headers={"Content-Length": str(2 * 1024**3)}),
        endless,
    ],
    ids=["gzip-bomb", "bomb-in-bomb", "two-gigabytes", "endless"],
)
def test_a_body_of_gigabytes_is_refused_in_little_memory(tmp_path: Path, answer: Step) -> None:
    seen = refreshed(tmp_path, answer)
    assert (seen["status"], seen["type"]) == ("failed", "SpecTooLarge")
    assert seen["error"].endswith("/openapi.json has more than 50,000,000 bytes; split it or shorten it")
    assert seen["mib"] < MOST_MIB
