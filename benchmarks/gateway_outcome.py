"""What was found of the gateway, for programs and for people, and what was wanted."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any

from benchmarks.figures import Options, Outcome, Verdict, shown, table
from benchmarks.gateway_doors import OURS
from benchmarks.gateway_failures import PROBES, THRESHOLD, Died
from benchmarks.gateway_load import Load
from benchmarks.gateway_streams import Listened, Streamed

SIDE = OURS["uvicorn"]
NGINX = "nginx proxy_pass"
STREAMS = 2_000
TIMES_AS_FAST = {"fastapi-proxy-lib": 15.0, "httpx": 8.0, NGINX: 0.12}
"""At least so many times as many requests a second as that side."""
P99_TO_P50, GROWTH, STREAM_MIB, BESIDE_HANGING, OPEN_MS = 3.0, 1.1, 60.0, 1.5, 5.0


@dataclass(slots=True)
class Found:
    """What was measured; what was not is missing."""

    loads: dict[str, list[Load]] = field(default_factory=lambda: defaultdict(list))
    memory_mib: list[float] = field(default_factory=list)
    """After a tenth of the requests, and after all."""
    streamed: dict[str, Streamed] = field(default_factory=dict)
    listened: Listened | None = None
    beside: list[tuple[Load, Load]] = field(default_factory=list)
    """Before, and while another endpoint hangs."""
    died: Died | None = None

    def of(self, side: str, figure: Callable[[Load], float]) -> float | None:
        """The median of the side's rounds; None where it has none."""
        return median(map(figure, self.loads[side])) if self.loads.get(side) else None

    def rate_ratio(self, side: str) -> float | None:
        """How many times as many requests a second as that side."""
        ours, theirs = self.of(SIDE, lambda one: one.rate), self.of(side, lambda one: one.rate)
        return ours / theirs if ours and theirs else None

    @property
    def p99_beside_hanging(self) -> float:
        return median(during.p99_ms for _, during in self.beside) / median(before.p99_ms for before, _ in self.beside)


def outcome_of(found: Found, options: Options) -> Outcome:
    lines = [*_load_lines(found), *_other_lines(found)]
    return Outcome(_figures(found), lines, list(_verdicts(found)) if options.is_full else [])


def _load_lines(found: Found) -> list[str]:
    rows = []
    for side in found.loads:
        rate, ratio = found.of(side, lambda one: one.rate), found.rate_ratio(side)
        p50, p99 = found.of(side, lambda one: one.p50_ms), found.of(side, lambda one: one.p99_ms)
        rows.append([side, f"{rate:,.0f}", shown(p50, " ms"), shown(p99, " ms"), shown(ratio)])
    return table(["", "requests/s", "p50", "p99", "ours to it"], rows) if rows else []


def _other_lines(found: Found) -> Iterator[str]:
    if found.memory_mib:
        yield "memory after a tenth of the requests and after all: {:.0f} MiB, {:.0f} MiB".format(*found.memory_mib)
    for way, one in found.streamed.items():
        rate = one.bytes / one.seconds / 2**20
        yield f"{one.bytes:,} bytes {way}: {one.growth_mib:.0f} MiB more than at rest, {rate:,.0f} MiB/s"
    if found.listened:
        heard = found.listened
        yield (
            f"{heard.streams:,} streams of events: {heard.growth_mib:.0f} MiB more than at rest, "
            f"{heard.growth_mib / heard.streams * 1024:.0f} KiB each; "
            f"one event reached {heard.reached:,} in {heard.seconds:.2f} s"
        )
    if found.beside:
        yield f"p99 while another endpoint hangs, to before: {found.p99_beside_hanging:.2f}"
    if found.died:
        died = found.died
        yield (
            f"a backend that died: open after {died.failures} failures, p99 while open {_p99(died.open_ms):.1f} ms, "
            f"{died.probes} probes let through, closed by itself: {'yes' if died.is_closed else 'no'}; "
            f"of {died.asked:,} requests {died.unanswered} unanswered, {died.doubled} answered wrongly or twice"
        )


def _verdicts(found: Found) -> Iterator[Verdict]:
    for side, wanted in TIMES_AS_FAST.items():
        if (ratio := found.rate_ratio(side)) is not None:
            yield Verdict(f"requests a second, times those of {side}", ratio, wanted, "at least")
    p50, p99 = found.of(SIDE, lambda one: one.p50_ms), found.of(SIDE, lambda one: one.p99_ms)
    if p50 and p99:
        yield Verdict("p99 to p50", p99 / p50, P99_TO_P50, "at most")
        yield Verdict(
            "memory after all requests to a tenth", found.memory_mib[1] / found.memory_mib[0], GROWTH, "at most"
        )
        yield Verdict(
            "p99 beside an endpoint that hangs, to before", found.p99_beside_hanging, BESIDE_HANGING, "at most"
        )
    for way, one in found.streamed.items():
        yield Verdict(f"a gigabyte {way}, memory beyond rest", one.growth_mib, STREAM_MIB, "at most", " MiB")
    if found.listened:
        yield Verdict("streams of events that one event reached", found.listened.reached, STREAMS, "at least")
    if found.died:
        yield from _of_the_dead(found.died)


def _of_the_dead(died: Died) -> Iterator[Verdict]:
    yield Verdict("failures to open, off the threshold", abs(died.failures - THRESHOLD), 0, "at most")
    yield Verdict("probes, off half_open_max_calls", abs(died.probes - PROBES), 0, "at most")
    yield Verdict("p99 while open", _p99(died.open_ms), OPEN_MS, "at most", " ms")
    yield Verdict("closes by itself", died.is_closed, 1, "at least")
    yield Verdict("requests unanswered, or answered wrongly or twice", died.unanswered + died.doubled, 0, "at most")


def _p99(found: tuple[float, ...]) -> float:
    return quantiles(found, n=100, method="inclusive")[-1] if len(found) > 1 else found[0]


def _figures(found: Found) -> dict[str, Any]:
    return {
        "loads": {side: [asdict(one) | {"rate": one.rate} for one in loads] for side, loads in found.loads.items()},
        "memory_mib": found.memory_mib,
        "streamed": {way: asdict(one) for way, one in found.streamed.items()},
        "listened": asdict(found.listened) if found.listened else None,
        "beside_hanging": [{"before": asdict(before), "during": asdict(during)} for before, during in found.beside],
        "died": _figures_of_the_dead(found.died) if found.died else None,
    }


def _figures_of_the_dead(died: Died) -> dict[str, Any]:
    return asdict(died) | {"open_ms": {"p50": median(died.open_ms), "p99": _p99(died.open_ms)}}
