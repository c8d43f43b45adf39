"""After any sequence of changes of the catalogue and of rows, the table equals the source, and people's objects stand.

The model of what may happen: columns come, go, return and grow, words change, the entity goes and returns, its
strategy changes, somebody drops a column by hand, and rows change all the while. Columns never return as another kind
of value here: that is refused until somebody decides, as other tests show.
"""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from psycopg import sql

from syncflow_pipelines.demo.entity import SourceColumn, SourceEntity
from syncflow_pipelines_tests.postgres.changing_world import in_use
from syncflow_pipelines_tests.postgres.world import World, row

NAMES = ("label", "qty", "Odd name", "ctid")
GROWTH = ("VARCHAR2(20)", "VARCHAR2(30)", "CLOB")
KEYS = st.integers(0, 6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(NAMES)),
        st.tuples(st.just("drop"), st.sampled_from(NAMES)),
        st.tuples(st.just("grow"), st.sampled_from(NAMES)),
        st.tuples(st.just("drop by hand"), st.sampled_from(NAMES)),
        st.tuples(st.just("describe"), st.sampled_from(NAMES)),
        st.tuples(st.just("strategy"), st.sampled_from(["rowversion", "hash", "full"])),
        st.tuples(st.just("leave and return"), st.booleans()),
        st.tuples(st.just("put"), KEYS),
        st.tuples(st.just("delete"), KEYS),
        st.tuples(st.just("discover"), st.none()),
        st.tuples(st.just("sync"), st.none()),
    ),
    min_size=1,
    max_size=12,
)
DROP = sql.SQL("ALTER TABLE {} DROP COLUMN IF EXISTS {}")
USERS = sql.SQL("""
ALTER TABLE {table} ADD mine text DEFAULT 'mine';
CREATE VIEW {view} AS SELECT site, number FROM {table};
CREATE INDEX ON {table} (mine);
COMMENT ON COLUMN {table}.site IS 'a comment of mine';
ALTER TABLE {table} ADD CONSTRAINT mine_stays CHECK (number >= 0)
""")
STANDING = """
SELECT (SELECT count(*) FROM pg_indexes WHERE schemaname = 'erp' AND tablename = %s AND indexdef LIKE '%%(mine)'),
  (SELECT count(*) FROM pg_views WHERE schemaname = 'erp' AND viewname = %s),
  (SELECT count(*) FROM pg_constraint
   WHERE conname = 'mine_stays' AND conrelid = format('erp.%%I', %s::text)::regclass),
  col_description(format('erp.%%I', %s::text)::regclass, 1), format('erp.%%I', %s::text)::regclass::oid
"""


@dataclass
class Life:
    """One entity's life in the world, and how often its rows were changed."""

    world: World
    slug: str
    spec: SourceEntity
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    turn: int = 0

    def do(self, step: str, what: Any) -> None:
        getattr(self, step.replace(" ", "_"))(what)

    def add(self, name: str) -> None:
        if name not in self.offered():
            column = SourceColumn(f"C_{name}", GROWTH[self.sizes[name]], alias=name)
            self.offer(replace(self.spec, columns=(*self.spec.columns, column)))

    def drop(self, name: str) -> None:
        self.offer(replace(self.spec, columns=tuple(c for c in self.spec.columns if c.key != name)))

    def grow(self, name: str) -> None:
        self.sizes[name] = min(self.sizes[name] + 1, 2)
        self.alter(name, data_type=GROWTH[self.sizes[name]])

    def describe(self, name: str) -> None:
        self.turn += 1
        self.alter(name, description=f"words {self.turn}")

    def alter(self, name: str, **change: Any) -> None:
        columns = (replace(c, **change) if c.key == name else c for c in self.spec.columns)
        self.offer(replace(self.spec, columns=tuple(columns)))

    def strategy(self, strategy: Any) -> None:
        self.offer(replace(self.spec, strategy=strategy))

    def drop_by_hand(self, name: str) -> None:
        entity = self.world.entity(self.slug)
        made = [column.identifier for column in entity.spec.columns if column.alias == name]
        table = sql.Identifier(entity.table.schema, entity.table.name)
        with self.world.database.connection() as connection:
            for one in made:
                connection.execute(DROP.format(table, sql.Identifier(one)))

    def leave_and_return(self, noticed: bool) -> None:
        held = [dict(found.data) for found in self.world.store.live_rows(self.slug)]
        self.world.store.drop_entity(self.slug)
        if noticed:
            self.world.discover(accept_gone=True)
        self.world.store.create_entity(self.spec, clock=0 if noticed else 10_000 * (self.turn + 1))
        self.turn += 1
        # What goes without a trace nobody finds by row versions, unless the entity was known to be gone.
        self.world.store.insert(self.slug, held[1:] if noticed else held)

    def put(self, number: int) -> None:
        self.turn += 1
        values = {name: f"{name} {self.turn}"[:20] for name in NAMES}
        self.world.store.put(self.slug, [{**row(number), **values}])

    def delete(self, number: int) -> None:
        if ("A", number) in self.world.expected(self.slug):
            self.world.store.delete(self.slug, [("A", number)], leave_tombstone=True)

    def discover(self, _: Any = None) -> None:
        report = self.world.discover(accept_gone=True)
        assert (report.refused, report.findings) == ({}, ())

    def sync(self, _: Any = None) -> None:
        outcome = self.world.sync(self.slug)
        assert outcome.error is None

    def offered(self) -> set[str]:
        return {column.key for column in self.spec.columns}

    def offer(self, spec: SourceEntity) -> None:
        self.spec = spec
        self.world.store.alter_entity(spec)


@pytest.mark.slow
@settings(
    max_examples=40,
    # Shrinking, with a discovery and a sync a step, would take longer than it is worth.
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(steps=STEPS, strategy=st.sampled_from(["rowversion", "hash", "full"]))
def test_the_table_equals_the_source_and_peoples_objects_stand(world: World, steps: list[Any], strategy: str) -> None:
    slug = f"e{uuid4().hex[:10]}"
    life = Life(world, slug, world.offer(slug, strategy, versions="counter"))
    for name in NAMES[:2]:
        life.drop(name)
        life.add(name)
    for number in range(3):
        life.put(number)
    life.discover()
    life.sync()
    standing = put_users_objects(world, slug)
    for step, what in steps:
        note(f"{step} {what}")
        life.do(step, what)
    life.discover()
    life.sync()
    live, held = in_use(world, slug)
    assert live == held
    assert world.query(STANDING, slug, f"view_{slug}", slug, slug, slug) == standing
    assert set(world.query(f"SELECT mine FROM erp.{slug}")) <= {("mine",)}
    assert world.discover(accept_gone=True).changes == ()
    world.store.drop_entity(slug)


def put_users_objects(world: World, slug: str) -> list[tuple[Any, ...]]:
    """Puts them on the entity's table; how they stand."""
    names = {"table": sql.Identifier("erp", slug), "view": sql.Identifier("erp", f"view_{slug}")}
    with world.database.connection() as connection:
        connection.execute(USERS.format(**names))
    standing = world.query(STANDING, slug, f"view_{slug}", slug, slug, slug)
    assert standing[0][:4] == (1, 1, 1, "a comment of mine")
    return standing
