"""A source that has what a Singer tap has said so far, and tells it by SyncFlow's contract over HTTP."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from syncflow_pipelines.sync.model import Strategy
from syncflow_pipelines_tests.singer.streams import ActivateVersion, Message, Record, Schema

DEFAULT_PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """One row as it was told; a tombstone where `deleted`."""

    arrival: int
    values: Mapping[str, msgspec.Raw]
    version: int | None = None
    deleted: bool = False

    def key(self, names: Iterable[str]) -> tuple[str, ...]:
        """The business key as it is spelled; empty texts for what is missing."""
        return tuple(bytes(self.values.get(name, b"")).decode() for name in names)

    def wire(self, names: Iterable[str], strategy: Strategy) -> dict[str, Any]:
        """The row as a page shows it: every literal as the tap spelled it."""
        return {
            "oracle_keys": {name: self.values[name] for name in names if name in self.values},
            "row_version": str(self.arrival) if strategy == "rowversion" else None,
            "data": {} if self.deleted else self.values,
            "deleted": self.deleted,
        }


@dataclass(slots=True)
class Offer:
    """One stream of the tap."""

    schema: Schema | None = None
    """None while only rows have come."""
    rows: list[Told] = field(default_factory=list)


@dataclass(slots=True)
class SingerSource:
    """An entity for each stream with a schema, a row for each record, in the order of their arrival.

    By row version, arrival is the row version, and rows that go leave tombstones; otherwise rows have no version, and
    those that go are missing. A row that the tap tells twice is served twice.
    """

    strategy: Strategy
    whole_rows_are_keys: bool = False
    """Whether a stream without a key is offered with all of its columns as the key."""
    offers: dict[str, Offer] = field(default_factory=dict)
    arrivals: "count[int]" = field(default_factory=lambda: count(1))

    def hear(self, message: Message) -> None:
        """Takes in what the tap says; a state is nothing to a source."""
        if isinstance(message, Schema):
            self._offer(message.stream).schema = message
        elif isinstance(message, Record):
            self._offer(message.stream).rows.append(Told(next(self.arrivals), message.record, message.version))
        elif isinstance(message, ActivateVersion):
            self._activate(self._offer(message.stream), message)

    def keys(self, stream: str) -> list[str]:
        """The business key that the source names."""
        schema = self.offers[stream].schema
        if schema is None:
            return []
        return schema.keys or (list(schema.properties) if self.whole_rows_are_keys else [])

    def live(self, stream: str) -> list[dict[str, Any]]:
        """The stream's last record of each key, read by Python; a property that was left out is None."""
        offer, keys = self.offers[stream], self.keys(stream)
        names = offer.schema.properties if offer.schema else ()
        last = {told.key(keys): told for told in offer.rows}
        return [
            {name: json.loads(bytes(told.values.get(name, b"null"))) for name in names}
            for told in last.values()
            if not told.deleted
        ]

    def catalogue(self) -> bytes:
        """The answer to `GET /api/v1/apis`."""
        entries = [self._entry(offer.schema) for offer in self.offers.values() if offer.schema]
        return msgspec.json.encode(entries)

    def page(self, stream: str, page: int, page_size: int, above: str | None) -> bytes:
        """The answer to `GET /api/v1/data/{stream}`."""
        keys, rows = self.keys(stream), self.offers[stream].rows
        if above is None:
            rows = sorted(rows, key=lambda told: told.key(keys))
        elif self.strategy == "rowversion":
            rows = [told for told in rows if told.arrival > int(above or 0)]
        shown = rows[(page - 1) * page_size : page * page_size]
        body = {
            "rows": [told.wire(keys, self.strategy) for told in shown],
            "page": page,
            "page_size": page_size,
            "total": len(rows),
            "has_more": page * page_size < len(rows),
        }
        return msgspec.json.encode(body)

    def _offer(self, stream: str) -> Offer:
        return self.offers.setdefault(stream, Offer())

    def _activate(self, offer: Offer, message: ActivateVersion) -> None:
        keys = self.keys(message.stream)
        kept = [told for told in offer.rows if told.version is not None and told.version >= message.version]
        gone = {told.key(keys): told for told in offer.rows} if self.strategy == "rowversion" else {}
        for told in kept:
            gone.pop(told.key(keys), None)
        tombstones = [Told(next(self.arrivals), told.values, deleted=True) for told in gone.values()]
        offer.rows = [*kept, *tombstones]

    def _entry(self, schema: Schema) -> dict[str, Any]:
        required = schema.schema.get("required", ())
        return {
            "slug": schema.stream,
            "name": schema.stream,
            "delta_strategy": self.strategy,
            "business_key_columns": self.keys(schema.stream),
            "columns": [
                {
                    "name": name,
                    "output_alias": name,
                    "data_type": data_type(column),
                    "is_nullable": name not in required,
                }
                for name, column in schema.properties.items()
            ],
        }


def data_type(column: Mapping[str, Any]) -> str:
    """JSON Schema's own name of the type, which the contract knows; a choice of several is a string."""
    choices = column.get("anyOf", [column])
    named = {choice.get("format", kind) for choice in choices for kind in _kinds(choice) if kind != "null"}
    return str(named.pop()) if len(named) == 1 else "string"


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", "string")
    return [kinds] if isinstance(kinds, str) else list(kinds)


def build_app(source: SingerSource) -> Starlette:
    """The source as an ASGI application."""

    async def list_apis(_: Request) -> Response:
        return Response(source.catalogue(), media_type="application/json")

    async def list_rows(request: Request) -> Response:
        slug, query = request.path_params["slug"], request.query_params
        if slug not in source.offers:
            return Response('{"detail": "There is no such entity."}', 404)
        page, size = int(query.get("page", 1)), int(query.get("page_size", DEFAULT_PAGE_SIZE))
        body = source.page(slug, page, size, query.get("rowversion_gt"))
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/api/v1/apis", list_apis), Route("/api/v1/data/{slug:path}", list_rows)])
