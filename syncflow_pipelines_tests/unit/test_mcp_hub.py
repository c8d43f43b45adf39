"""Small parts of the hub: names, addresses, tokens, freshness, exact numbers, progress, modules in a folder."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.mcp_hub.access import OneToken
from syncflow_pipelines.mcp_hub.services.folder import mark, modules
from syncflow_pipelines.mcp_hub.services.naming import LONGEST, HubNames
from syncflow_pipelines.mcp_hub.serving import Address
from syncflow_pipelines.mcp_hub.work import Workshop
from syncflow_pipelines.sync.inspection.freshness import freshness
from syncflow_pipelines.sync.inspection.sample import _fraction, _whole
from syncflow_pipelines.sync.model import Entity, EntitySpec, Table

SERVICE = st.from_regex(r"[a-c]{1,2}(_[a-c]){0,2}", fullmatch=True)
TOOL = st.from_regex(r"[a-c](_[a-c]){0,3}", fullmatch=True) | st.text("abc_", min_size=50, max_size=56)
NOW = datetime(2026, 1, 31, tzinfo=UTC)


@given(st.sets(st.tuples(SERVICE, TOOL), max_size=30))
def test_every_tool_has_a_name_of_its_own_whatever_services_are_called(pairs: set[tuple[str, str]]) -> None:
    names = HubNames({service for service, _ in pairs}, reserved={"a_b"})
    given_names = {pair: names.name(*pair) for pair in pairs}
    assert len(set(given_names.values())) == len(pairs)
    assert max(map(len, given_names.values()), default=0) <= LONGEST
    assert "a_b" not in given_names.values()
    assert all(service in names.candidates(name) for (service, _), name in given_names.items())


def test_a_name_does_not_depend_on_the_other_tools_of_a_service() -> None:
    assert HubNames({"users"}).name("users", "find") == "users_find"
    assert HubNames({"users", "orders", "user"}).name("users", "find") == "users_find"


@pytest.mark.parametrize(
    ("text", "host", "port", "local"),
    [
        ("8021", "127.0.0.1", 8021, True),
        (":0", "127.0.0.1", 0, True),
        ("localhost:1", "localhost", 1, True),
        ("[::1]:8021", "::1", 8021, True),
        ("127.0.0.2:8021", "127.0.0.2", 8021, True),
        ("0.0.0.0:8021", "0.0.0.0", 8021, False),
        ("[::]:8021", "::", 8021, False),
        ("localhost.example.com:8021", "localhost.example.com", 8021, False),
    ],
)
def test_an_address_is_read_and_told_to_be_local_or_not(text: str, host: str, port: int, local: bool) -> None:
    address = Address.parse(text)
    assert (address.host, address.port, address.is_local) == (host, port, local)


@pytest.mark.parametrize("text", ["", "x", "host:", "host:x", "host:-1", "host:65536", "host:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address to listen on"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("shown", "is_let_in"), [("right", True), ("wrong", False), ("", False), ("right ", False), ("rïght", False)]
)
def test_only_the_very_token_is_let_in(shown: str, is_let_in: bool) -> None:
    assert (asyncio.run(OneToken("right").verify_token(shown)) is not None) == is_let_in


@pytest.mark.parametrize(
    ("age_s", "told"),
    [(0, "fresh"), (600, "fresh"), (601, "late"), (1500, "late"), (1501, "stale"), (None, "never synced")],
)
def test_an_entity_is_late_after_two_intervals_and_stale_after_five(age_s: int | None, told: str) -> None:
    since = None if age_s is None else NOW - timedelta(seconds=age_s)
    assert freshness(replace(entity(), last_sync_at=since), NOW) == told


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.integers().map(Decimal))
def test_a_number_is_either_the_same_to_every_reader_or_a_text(number: Decimal) -> None:
    text = str(number)
    shown: Any = _whole(text) if text.lstrip("-").isdigit() else _fraction(text)
    assert shown == text if isinstance(shown, str) else Decimal(repr(shown)) == number
    read = json.loads(json.dumps(shown), parse_int=float)
    assert read == text if isinstance(read, str) else Decimal(repr(read)) == number


def test_a_modules_digest_is_of_its_text_and_the_mark_of_the_manifest(tmp_path: Path) -> None:
    assert (modules(tmp_path / "nowhere"), mark(tmp_path / "nowhere")) == ({}, ())
    for name in ("users_mcp.py", "users_resolver.py", "not-a-name_mcp.py", "_mcp.py"):
        (tmp_path / name).write_text("x = 1")
    before = mark(tmp_path)
    assert modules(tmp_path).keys() == {"users"}
    (tmp_path / ".syncflow.json").write_text("{}")
    with_manifest = mark(tmp_path)
    assert with_manifest != before
    (tmp_path / "users_mcp.py").write_text("x = 2")
    assert mark(tmp_path) == with_manifest


def test_work_whose_caller_is_cancelled_is_asked_to_stop() -> None:
    workshop = Workshop("somebody")
    begun, stopped = threading.Event(), threading.Event()

    def job(cancelled: Callable[[], bool], tell: Callable[[float, float, str], None]) -> None:
        begun.set()
        while not cancelled():
            time.sleep(0.01)
        stopped.set()

    async def run() -> None:
        calling = asyncio.create_task(workshop.do(job, silent))
        await asyncio.to_thread(begun.wait)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert await asyncio.to_thread(stopped.wait, 60)

    asyncio.run(run())
    workshop.close()


def test_what_work_raises_is_raised_to_its_caller_and_its_end_is_waited_for() -> None:
    workshop = Workshop("somebody")

    def job(cancelled: Callable[[], bool], tell: Callable[[float, float, str], None]) -> None:
        raise TimeoutError("of the job itself")

    with pytest.raises(TimeoutError, match="of the job itself"):
        asyncio.run(workshop.do(job, silent))
    workshop.close()


async def silent(done: float, total: float, doing: str) -> None:
    return None


def entity() -> Entity:
    spec = EntitySpec("items", "Items", None, "full", ("id",), None, ())
    return Entity(
        uuid4(), "erp", spec, Table("erp", "items"), "full", True, 300, True, None, None, None, None, 0, None, None
    )
