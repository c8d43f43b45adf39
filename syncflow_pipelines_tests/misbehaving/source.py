"""A source over HTTP that misbehaves on demand.

It offers entities of a key `k` and a value `v`, whose rows are kept in memory and may change between any two
requests. A plan says which request gets which fault; without one every answer is right.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from syncflow_pipelines_tests.misbehaving.faults import Fault
from syncflow_pipelines_tests.server.raw_server import Peer, RawServer, Request, Step, json_reply, reply
from syncflow_pipelines_tests.unit.moving_source import Source

DATA = "/api/v1/data/"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a page."""

    slug: str
    page: int
    size: int
    above: str | None
    """`rowversion_gt`; None where the rows were asked for in key order."""
    nth: int
    """The how-manieth request for a page of this entity it is, from 1; repetitions count."""


Plan = Callable[[Asked], Fault | None]


@dataclass(slots=True)
class Offer:
    """One entity: what the catalogue says of it, and its rows."""

    api: dict[str, Any]
    rows: Source
    asked: int = 0


@dataclass
class MisbehavingSource:
    """Serves its entities while `serving` is entered."""

    offers: dict[str, Offer] = field(default_factory=dict)
    plan: Plan = lambda asked: None
    arrives: Callable[[Asked], None] = lambda asked: None
    """Called as a request arrives, in its own thread; while it waits, so does the request."""
    sent: Callable[[Asked, dict[str, Any]], None] = lambda asked, page: None
    """Called with every true page just before it is sent."""
    log: list[Asked] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, slug: str, rows: Source, strategy: str = "rowversion") -> Offer:
        """Offers an entity; it is known to nobody before the next discovery."""
        columns = [
            {"name": "K", "data_type": "INTEGER", "is_nullable": False, "is_business_key": True},
            {"name": "V", "data_type": "TEXT"},
        ]
        api = {"slug": slug, "name": slug, "delta_strategy": strategy, "business_key_columns": ["k"]}
        self.offers[slug] = Offer({**api, "columns": columns}, rows)
        return self.offers[slug]

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The URL, while the source is served."""
        with RawServer(self._respond) as server:
            yield server.url

    def pages(self, slug: str) -> list[tuple[int, str | None]]:
        """Page and `rowversion_gt` of every request for the entity so far."""
        return [(asked.page, asked.above) for asked in self.log if asked.slug == slug]

    def _respond(self, request: Request, peer: Peer) -> None:
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            step = self._step(request)
        finally:
            with self._lock:  # before the last byte goes out, since the caller may then send the next request
                self.under_way -= 1
        if callable(step):
            step(request, peer)
        else:
            peer.send(step)

    def _step(self, request: Request) -> Step:
        parts = urlsplit(request.target)
        if parts.path == "/api/v1/apis":
            return json_reply([offer.api for offer in self.offers.values()])
        slug = unquote(parts.path.removeprefix(DATA))
        offer = self.offers.get(slug)
        if offer is None or not parts.path.startswith(DATA):
            return reply(404, b'{"detail": "no such entity"}')
        asked = self._note(slug, offer, parse_qs(parts.query, keep_blank_values=True))
        self.arrives(asked)
        fault = self.plan(asked)
        with self._lock:
            body = _page(offer.rows, asked)
            self.sent(asked, json.loads(body))
        return reply(200, body, {"Content-Type": "application/json"}) if fault is None else fault(body)

    def _note(self, slug: str, offer: Offer, query: dict[str, list[str]]) -> Asked:
        above = query.get("rowversion_gt", [None])[0]
        with self._lock:
            offer.asked += 1
            asked = Asked(slug, int(query["page"][0]), int(query["page_size"][0]), above, offer.asked)
            self.log.append(asked)
        return asked


def _page(rows: Source, asked: Asked) -> bytes:
    rows.happens()
    return rows.answer(asked.page, min(asked.size, rows.cap), asked.above)
