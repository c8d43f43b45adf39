"""A source whose rows are bytes that a test writes, good JSON or not, and the database that it is synced to."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from psycopg import sql

from syncflow_pipelines.config import ConnectorConfig, EntityOverride, NoAuth, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines.sync.model import Strategy, SyncOutcome
from syncflow_pipelines.sync.rejects.record import RejectedRow, list_rejects
from syncflow_pipelines.sync.schema.discovery import discover


@dataclass
class RawEntity:
    """An entity with the key `n` and other columns, and its rows: `n` → the members of `data` behind it, as JSON.

    Where that does not begin with a name it is the whole row.
    """

    columns: Mapping[str, str]
    """Name → the source's type."""
    strategy: Strategy = "full"
    rows: dict[int, bytes] = field(default_factory=dict)
    page_size: int = 1000
    versions: dict[int, int] = field(default_factory=dict)
    key_type: str = "NUMBER(9)"
    required: frozenset[str] = frozenset()
    """Columns that are declared not nullable, beside the key."""

    def put(self, rows: Mapping[int, bytes]) -> None:
        """Makes these the rows; each that differs gets a row version of its own."""
        for number, members in rows.items():
            if self.rows.get(number) != members:
                self.versions[number] = max(self.versions.values(), default=0) + 1
        self.rows = dict(rows)

    def page(self, page: int, size: int, above: str | None) -> bytes:
        """The answer to a request for rows."""
        rows = [self._row(number) for number in self._numbers(above)]
        found = rows[(page - 1) * size : page * size]
        more = b"true" if len(rows) > page * size else b"false"
        return b'{"rows":[%b],"has_more":%b,"total":%d}' % (b",".join(found), more, len(rows))

    def _numbers(self, above: str | None) -> list[int]:
        if above is None:
            return list(self.rows)
        newer = [number for number in self.rows if self.versions[number] > int(above or 0)]
        return sorted(newer, key=self.versions.__getitem__)

    def _row(self, number: int) -> bytes:
        if self.rows[number][:1] not in b'"':
            return self.rows[number]
        version = b'"%d"' % self.versions[number] if self.strategy == "rowversion" else b"null"
        data = b",".join(filter(None, (b'"n":%d' % number, self.rows[number])))
        return b'{"data":{%b},"oracle_keys":{"N":%d},"row_version":%b}' % (data, number, version)

    def described(self, slug: str) -> dict[str, Any]:
        """The entity as the catalogue shows it."""
        columns = {"n": self.key_type, **self.columns}
        required = {"n", *self.required}
        return {
            "slug": slug,
            "name": slug,
            "description": None,
            "delta_strategy": self.strategy,
            "business_key_columns": ["n"],
            "rowversion_column": None,
            "columns": [
                {"name": name.upper(), "output_alias": name, "data_type": data_type,
                 "is_nullable": name not in required, "is_business_key": name == "n"}
                for name, data_type in columns.items()
            ],
        }  # fmt: skip


@dataclass
class RawWorld:
    """One connector named `raw`, and its entities by slug."""

    connector: ConnectorConfig
    settings: Settings
    database: Database
    entities: dict[str, RawEntity] = field(default_factory=dict)

    def discover(self) -> None:
        assert not discover(self.database, self.connector, self.settings).refused

    def sync(self, slug: str, **request: Any) -> SyncOutcome:
        override = EntityOverride(page_size=self.entities[slug].page_size, max_reject_ratio=1.0, rowversion_overlap=0)
        self.connector.entities[slug] = override  # type: ignore[index]
        return sync_entity(self.database, self.settings, SyncRequest(self.connector, slug, **request))

    def texts(self, slug: str, name: str = "v") -> dict[int, str | None]:
        """What the column holds in the live rows, as PostgreSQL writes it."""
        query = sql.SQL("SELECT n, {}::text FROM {} WHERE NOT _bridge_deleted").format(
            sql.Identifier(name), sql.Identifier("raw", slug)
        )
        with self.database.connection() as connection:
            return dict(connection.execute(query).fetchall())

    def rejects(self, slug: str) -> list[RejectedRow]:
        """The entity's open rejects."""
        with self.database.connection() as connection:
            return list(list_rejects(connection, entity=f"raw/{slug}", limit=10_000))


@contextmanager
def raw_world(settings: Settings, database: Database) -> Iterator[RawWorld]:
    """A served source without entities."""
    entities: dict[str, RawEntity] = {}
    with _served(entities) as url:
        connector = ConnectorConfig(name="raw", base_url=url, auth=NoAuth(), timeout_s=30, entities={})
        yield RawWorld(connector, settings, database, entities)


@contextmanager
def _served(entities: Mapping[str, RawEntity]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = _answer(entities, self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(entities: Mapping[str, RawEntity], path: str) -> bytes:
    address = urlsplit(path)
    if address.path == "/api/v1/apis":
        return json.dumps([entity.described(slug) for slug, entity in entities.items()]).encode()
    asked: Mapping[str, Sequence[str]] = parse_qs(address.query, keep_blank_values=True)
    above = asked["rowversion_gt"][0] if "rowversion_gt" in asked else None
    entity = entities[address.path.rsplit("/", 1)[1]]
    return entity.page(int(asked["page"][0]), int(asked["page_size"][0]), above)
