"""What it takes to follow specs: a very large one that changed, the same unchanged, and a hundred small ones.

The large one is GitHub's where the folder of real specs is there (`../shared/specs/github.json`), and else a document
of our own with as many operations and bytes.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Benchmark, Options, Outcome, Verdict, shown, table
from benchmarks.postgres import scratch_folder
from benchmarks.processes import ChildFailed, Measured, child_environment, run_python
from benchmarks.workbench import say

LARGE = Path(__file__).parents[2] / "shared" / "specs" / "github.json"
OPERATIONS = 1_223
SERVICES = 100

CHANGED_LIMIT_S, MEMORY_LIMIT_MIB = 10.0, 600.0
UNCHANGED_LIMIT_S = 0.3
HUNDRED_LIMIT_S = 2.0

_STEPS = ("refresh", "load", "compare", "generate")


class Specs:
    """Documents by the names of their services, as they are served."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    @contextmanager
    def served(self) -> Iterator[str]:
        """The URL, while they are served; without ETags, so that an unchanged document is sent whole each time."""
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = bodies.get(self.path.split("/")[1], b"")
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


def measure_specs(options: Options) -> Outcome:
    """The figures of all rounds. Raises `ChildFailed` where a round does not come to what it has to."""
    rounds: list[Mapping[str, Measured]] = []
    large = _large_document(options)
    say(f"The large spec has {len(large):,} bytes")
    for number in range(1, options.rounds + 1):
        say(f"Round {number} of {options.rounds}")
        with scratch_folder(options.folder) as folder:
            rounds.append({**_large(folder / "large", large), **_hundred(folder / "hundred")})
    return _outcome(rounds, options)


def _large(home: Path, document: bytes) -> dict[str, Measured]:
    specs, names = Specs(), ["large"]
    with specs.served() as url:
        specs.bodies["large"] = _with_one_more(document)
        _follow(home, url, names, {"changed"}, generate=True)
        specs.bodies["large"] = document
        changed = _follow(home, url, names, {"changed"}, generate=True)
        if not changed.report["changes"]:
            raise ChildFailed("the comparison found nothing, although an operation is gone")
        return {"changed": changed, "unchanged": _follow(home, url, names, {"unchanged"}, generate=True)}


def _hundred(home: Path) -> dict[str, Measured]:
    specs = Specs()
    specs.bodies = {f"service{at}": specs_document(12, f"Service {at}") for at in range(SERVICES)}
    with specs.served() as url:
        _follow(home, url, list(specs.bodies), {"changed"}, generate=False)
        return {"hundred": _follow(home, url, list(specs.bodies), {"unchanged"}, generate=False)}


def _follow(home: Path, url: str, names: list[str], wanted: set[str], *, generate: bool) -> Measured:
    request = {"home": str(home), "url": url, "names": names, "generate": generate}
    measured = run_python("benchmarks.specs_child", request, child_environment())
    if set(measured.report["statuses"]) != wanted:
        raise ChildFailed(f"specs were {measured.report['statuses']}, and had to be {sorted(wanted)}")
    return measured


def _with_one_more(document: bytes) -> bytes:
    """The document before it lost an operation."""
    whole = json.loads(document)
    answer = {"description": "gone"}
    whole["paths"]["/syncflow-benchmark"] = {"get": {"operationId": "syncflow/benchmark", "responses": {"200": answer}}}
    return json.dumps(whole).encode()


def _large_document(options: Options) -> bytes:
    if options.is_full and LARGE.exists():
        return LARGE.read_bytes()
    return specs_document(
        options.scaled(OPERATIONS), "A large service", words="what this is for, told at length. " * 200
    )


def specs_document(operations: int, title: str, words: str = "") -> bytes:
    """A document with so many operations; `words` stand wherever something is described."""
    schema = {"type": "object", "properties": {f"p{at}": {"type": "string", "description": words} for at in range(20)}}
    answer = {
        "200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Row"}}}}
    }
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}, "description": words}
    paths = {
        f"/things{at}": {
            "get": {"operationId": f"get_{at}", "description": words, "parameters": [limit], "responses": answer}
        }
        for at in range(operations)
    }
    components = {"schemas": {"Row": schema}}
    whole = {"openapi": "3.0.3", "info": {"title": title, "version": "1"}, "paths": paths, "components": components}
    return json.dumps(whole).encode()


def _outcome(rounds: list[Mapping[str, Measured]], options: Options) -> Outcome:
    rows = [
        [
            case,
            shown(_median(rounds, case, lambda one: one.seconds), " s"),
            shown(_median(rounds, case, lambda one: one.cpu_s), " s"),
            *(
                shown(_median(rounds, case, lambda one, step=step: one.report["seconds"].get(step, 0.0)), " s")
                for step in _STEPS
            ),
            shown(_median(rounds, case, lambda one: one.report["peak_mib"]), " MiB"),
        ]
        for case in rounds[0]
    ]
    verdicts = [
        Verdict(
            "changed, whole process",
            _median(rounds, "changed", lambda one: one.seconds),
            CHANGED_LIMIT_S,
            "at most",
            " s",
        ),
        Verdict(
            "changed, peak",
            _median(rounds, "changed", lambda one: one.report["peak_mib"]),
            MEMORY_LIMIT_MIB,
            "at most",
            " MiB",
        ),
        Verdict("unchanged, all steps", _median(rounds, "unchanged", _inside), UNCHANGED_LIMIT_S, "at most", " s"),
        Verdict(
            f"{SERVICES} services, unchanged", _median(rounds, "hundred", _inside), HUNDRED_LIMIT_S, "at most", " s"
        ),
    ]
    figures = {"rounds": [{case: _figures(one) for case, one in each.items()} for each in rounds]}
    return Outcome(
        figures, table(["", "process", "processor", *_STEPS, "peak"], rows), verdicts if options.is_full else []
    )


def _figures(one: Measured) -> dict[str, Any]:
    return {"seconds": one.seconds, "cpu_s": one.cpu_s, **one.report}


def _inside(one: Measured) -> float:
    """Without the start of the process."""
    return float(sum(one.report["seconds"].values()))


def _median(rounds: list[Mapping[str, Measured]], case: str, figure: Any) -> float:
    return float(median(figure(each[case]) for each in rounds))


SPECS = Benchmark(
    "specs",
    "a very large spec that changed, the same unchanged, and a hundred small ones",
    measure_specs,
    has_rows=False,
)
