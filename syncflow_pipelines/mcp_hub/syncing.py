"""Syncs and retries that a client orders, done and told as the command line does them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.mcp_hub import answers
from syncflow_pipelines.mcp_hub.project import Project
from syncflow_pipelines.mcp_hub.reading import has_history, parts, short
from syncflow_pipelines.sync.engine import Progress, SyncRequest, sync_entities
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.model import Strategy, SyncOutcome
from syncflow_pipelines.sync.rejects.retry import RetryRequest, retry_rejects
from syncflow_pipelines.sync.selection import Selected, is_ready, select_entities

TRIGGER = "mcp"
MOST_SHOWN = 100

Tell = Callable[[float, float, str], None]
"""Is told how much is done, of how much, and what is being done."""
Outcomes = Callable[[Sequence[SyncOutcome]], None]


@dataclass(frozen=True, slots=True)
class SyncOrder:
    """What is to be synced, and how."""

    entities: tuple[str, ...] = ()
    connector: str | None = None
    full_refresh: bool = False
    strategy: Strategy | None = None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RetryOrder:
    """Which rejected rows are to be tried again; None: every open one of the entity."""

    entity: str
    rejects: tuple[UUID, ...] | None = None
    wait_s: float = 0.0
    dry_run: bool = False


def sync_ordered(
    project: Project, order: SyncOrder, report: Outcomes, cancelled: Callable[[], bool], tell: Tell
) -> answers.SyncList:
    """Syncs what was ordered, and tells of it. `report` is given the outcomes, too."""
    _refuse_unclear(order)
    requests = [
        SyncRequest(
            connector, entity.spec.slug, order.strategy, order.full_refresh, trigger=TRIGGER, wait_s=order.wait_s
        )
        for connector, entity in _selected(project, order)
    ]
    workers = project.settings.sync_worker_threads
    course = _Course(len(requests), tell)
    outcomes = list(
        sync_entities(
            project.database, project.settings, requests, workers=workers, cancelled=cancelled, progress=course.follow
        )
    )
    report(outcomes)
    return _told(outcomes)


def retry_ordered(project: Project, order: RetryOrder, who: str, report: Outcomes) -> answers.RetryAnswer:
    """Tries what was ordered again, and tells of it."""
    connector, slug = parts(order.entity)
    with project.database.connection() as connection:
        entity = find_entity(connection, connector, slug)
    history = has_history(entity, project.connectors)
    outcome = retry_rejects(
        project.database,
        RetryRequest(connector, slug, who, order.rejects, history, wait_s=order.wait_s, dry_run=order.dry_run),
    )
    if outcome.tried and not order.dry_run:
        report([outcome.sync])
    return answers.RetryAnswer(**{**outcome.as_json(), "error": short(outcome.sync.error)})


def _refuse_unclear(order: SyncOrder) -> None:
    if bool(order.entities) == bool(order.connector):
        raise SyncflowError("say what to sync: either entities, such as erp/items, or a connector")
    if order.full_refresh and order.strategy:
        raise SyncflowError("full_refresh reads everything whatever the strategy; leave strategy out")


def _selected(project: Project, order: SyncOrder) -> Selected:
    with project.database.connection() as connection:
        found = select_entities(
            connection,
            project.connectors,
            named=map(parts, order.entities),
            connectors=[order.connector] if order.connector else (),
        )
    return found if order.entities else [(one, entity) for one, entity in found if is_ready(entity)]


def _told(outcomes: Sequence[SyncOutcome]) -> answers.SyncList:
    ordered = sorted(outcomes, key=lambda outcome: (outcome.status != "failed", outcome.entity))
    failed = sum(outcome.status == "failed" for outcome in ordered)
    shown = [
        answers.SyncAnswer(**{**outcome.as_json(), "error": short(outcome.error), "notes": list(outcome.notes[:10])})
        for outcome in ordered[:MOST_SHOWN]
    ]
    return answers.SyncList(
        succeeded=len(ordered) - failed, failed=failed, not_shown=len(ordered) - len(shown), syncs=shown
    )


class _Course:
    """How far all syncs of an order are, from what the engine's threads tell of each."""

    def __init__(self, count: int, tell: Tell) -> None:
        self._count, self._tell = count, tell
        self._guard = Lock()
        self._ended = 0
        self._under_way: dict[str, float] = {}

    def follow(self, told: Progress) -> None:
        with self._guard:
            if told.phase == "done":
                self._under_way.pop(told.entity, None)
                self._ended += 1
            else:
                self._under_way[told.entity] = _share(told)
            done = self._ended + sum(self._under_way.values())
            self._tell(done, self._count, f"{told.entity}: {told.phase}, {told.rows:,} rows")


def _share(told: Progress) -> float:
    """How much of an entity's sync is done, from 0 to 1; a guess where nobody knows how many rows there are."""
    if told.phase == "writing":
        return 0.95
    total = told.total if told.total and told.total >= told.rows else told.rows + 10_000
    return 0.9 * told.rows / total
