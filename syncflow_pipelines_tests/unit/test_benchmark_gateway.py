"""What the benchmark of the gateway makes of what it found."""

from dataclasses import replace

from benchmarks.figures import Options
from benchmarks.gateway_failures import Died
from benchmarks.gateway_load import Load
from benchmarks.gateway_outcome import NGINX, SIDE, Found, outcome_of
from benchmarks.gateway_streams import Listened, Streamed

GOOD = Load(requests=50_000, seconds=5.0, p50_ms=5.0, p99_ms=12.0, bad=0, broken=0)
DIED = Died(failures=5, open_ms=(0.5,) * 100, probes=3, is_closed=True, asked=2000, unanswered=0, doubled=0)


def found() -> Found:
    loads = {SIDE: [GOOD], NGINX: [replace(GOOD, requests=250_000)], "httpx": [replace(GOOD, requests=5_000)]}
    streamed = {way: Streamed(10**9, 5.0, 8.0, 120.0) for way in ("down", "up")}
    return Found(loads, [100.0, 104.0], streamed, Listened(2000, 20.0, 2000, 0.2), [(GOOD, GOOD)], DIED)


def missed(one: Found) -> list[str]:
    return [verdict.what for verdict in outcome_of(one, Options()).verdicts if not verdict.is_met]


def test_all_targets_are_met_where_all_is_as_wanted() -> None:
    outcome = outcome_of(found(), Options())
    assert missed(found()) == []
    assert len(outcome.verdicts) == 13
    assert any("httpx" in line and "10.00" in line for line in outcome.lines)


def test_every_target_can_be_missed() -> None:
    bad = found()
    bad.loads[SIDE] = [replace(GOOD, requests=5_000, p99_ms=16.0)]
    bad.memory_mib = [100.0, 130.0]
    bad.streamed = {way: replace(one, growth_mib=61.0) for way, one in bad.streamed.items()}
    bad.listened = Listened(2000, 20.0, 1999, 0.2)
    bad.beside = [(GOOD, replace(GOOD, p99_ms=30.0))]
    bad.died = Died(6, (6.0,) * 100, 4, False, 2000, 1, 1)
    assert len(missed(bad)) == 13


def test_a_side_that_was_not_there_has_no_target() -> None:
    alone = found()
    del alone.loads[NGINX], alone.loads["httpx"]
    assert not any("requests a second" in verdict.what for verdict in outcome_of(alone, Options()).verdicts)
    assert outcome_of(Found(died=DIED), Options(rows=10)).verdicts == []
