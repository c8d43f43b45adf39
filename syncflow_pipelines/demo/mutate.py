"""A day's business in the demo ERP: some rows are added, changed and deleted, in one transaction."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from syncflow_pipelines.demo.changes import SourceChange
from syncflow_pipelines.demo.erp import open_erp
from syncflow_pipelines.demo.erp_rows import ERP, ErpEntity, Row

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class EntityMutation:
    """What was done to one entity: the business keys of the rows, each in one of the three only."""

    entity: str
    """Slug."""
    inserted: tuple[Key, ...]
    updated: tuple[Key, ...]
    deleted: tuple[Key, ...]
    row_version: str | None
    """The entity's greatest row version since, or None where it has none."""


def mutate(home: Path, fraction: float = 0.01, seed: int | None = None) -> tuple[EntityMutation, ...]:
    """Add, change and delete `fraction` of every entity's live rows each, one row of each kind at least.

    One transaction, also while a server of the same home runs. The same history of calls on equally
    built homes does the same; `seed` replaces what the number of earlier calls decides.
    Raises `ConfigurationError` where the ERP was never built.
    """
    if not 0 < fraction <= 0.25:
        raise ValueError(f"fraction is {fraction}: it must be above 0 and at most 0.25")
    with open_erp(home) as store, store.change() as change:
        number = int(change.note("erp.mutations") or 0) + 1
        change.set_note("erp.mutations", str(number))
        origin = f"{change.note('erp.seed')}/{number if seed is None else f'seed {seed}'}"
        return tuple(_mutate(change, entity, fraction, Random(f"{origin}/{entity.spec.slug}")) for entity in ERP)


def _mutate(change: SourceChange, entity: ErpEntity, fraction: float, rng: Random) -> EntityMutation:
    slug = entity.spec.slug
    count = max(1, round(change.live_count(slug) * fraction))
    chosen = change.sample_keys(slug, 2 * count, rng)
    updated, deleted = tuple(chosen[:count]), tuple(chosen[count:])
    fresh = list(_new_rows(change, entity, count, rng))
    change.update(slug, (_changed(change, entity, key, rng) for key in updated))
    change.delete(slug, deleted)
    change.insert(slug, fresh)
    inserted = tuple(tuple(row[name] for name in entity.spec.business_keys) for row in fresh)
    return EntityMutation(slug, inserted, updated, deleted, change.last_version(slug))


def _new_rows(change: SourceChange, entity: ErpEntity, count: int, rng: Random) -> Iterator[Row]:
    """Rows with keys that the ERP never had."""
    name = f"erp.next.{entity.spec.slug}"
    first = int(change.note(name) or 0)
    change.set_note(name, str(first + count))
    return (entity.row(rng, number) for number in range(first, first + count))


def _changed(change: SourceChange, entity: ErpEntity, key: Key, rng: Random) -> Row:
    values = entity.changed(rng, rng.getrandbits(16), change.live_row(entity.spec.slug, key).data)
    return {**dict(zip(entity.spec.business_keys, key, strict=True)), **values}
