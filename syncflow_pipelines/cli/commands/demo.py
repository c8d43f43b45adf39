"""`syncflow demo`: the whole job once, and its source."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.outcomes import named_error
from syncflow_pipelines.cli.output import Cell, counted, print_json, print_table
from syncflow_pipelines.cli.typed import typed
from syncflow_pipelines.sync.runs import SyncRun

if TYPE_CHECKING:
    from syncflow_pipelines.demo.gateway import GatewayReport
    from syncflow_pipelines.demo.main_job import DemoReport
    from syncflow_pipelines.demo.mutate import EntityMutation
    from syncflow_pipelines.demo.schemas import SchemasReport
    from syncflow_pipelines.demo.services.job import ServicesReport
    from syncflow_pipelines.demo.services.revisions import Evolution

ROWS = 200_000
COUNTS = ("fetched", "inserted", "updated", "unchanged", "deleted", "rejected", "seconds")
LONGEST_ASIDE = 70
"""A longer command has what it is for on the next line."""


@click.group("demo", cls=DefaultGroup, default="run")
def command() -> None:
    """Run the whole job once on a demo source and services, and check the result.

    \b
      syncflow demo                     discover, sync, change rows at the source, sync again, compare
      syncflow demo source              only the source, until Ctrl-C
      syncflow demo source --mutate     change rows at the source, running or not
      syncflow demo services            only the two OpenAPI services, until Ctrl-C
      syncflow demo services --evolve   change what they offer, running or not
    """


@command.command("run")
@click.option("--rows", type=click.IntRange(100, 5_000_000), default=ROWS, show_default=True,
              help="How many rows the demo source gets, if it is not there yet.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object an entity and round, and one for the verdict.")
@pass_invocation
def run(invocation: Invocation, rows: int, as_json: bool) -> int:
    """Discover the demo source, sync it, change rows there, sync again, and compare.

    PostgreSQL and the source are started and stopped with it; the state stays in .syncflow, so that
    Dagster shows the assets and their history afterwards. Exits 1 if a table does not equal the source.
    """
    from syncflow_pipelines.demo.main_job import run_main_job

    report = run_main_job(invocation.settings, invocation.note, rows)
    if as_json:
        _print_json(report)
    else:
        _print(report)
    for mistake in _mistakes(report):
        click.echo(f"Error: {mistake}", err=True)
    return 0 if report.is_right else 1


@command.command("source")
@click.option("--port", type=click.IntRange(0, 65535), default=8007, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Instead of the global --home.")  # fmt: skip
@click.option("--rows", type=click.IntRange(100, 5_000_000), default=ROWS, show_default=True,
              help="How many rows the source gets, if it is not there yet.")  # fmt: skip
@click.option("--mutate", is_flag=True, help="Change rows instead, and tell what was done.")
@click.option("--fraction", type=click.FloatRange(0, 0.25, min_open=True), default=0.01, show_default=True,
              help="With --mutate: the part of the rows to insert, to update and to delete.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="With --mutate: one JSON object an entity.")
@pass_invocation
def source(
    invocation: Invocation, port: int, host: str, home: Path | None, rows: int, mutate: bool, fraction: float,
    as_json: bool,
) -> int:  # fmt: skip
    """Serve the demo source until Ctrl-C, or change its rows.

    \b
      syncflow demo source                      serve it on http://127.0.0.1:8007
      syncflow demo source --mutate             change 1 % of the rows, also while it runs
      curl -H "Authorization: Bearer $(cat .syncflow/demo/erp.token)" http://127.0.0.1:8007/api/v1/apis
    """
    from syncflow_pipelines.demo.erp import ensure_erp

    folder = home.resolve() if home else invocation.settings.home
    ensure_erp(folder, rows)
    if mutate:
        return _mutate(folder, fraction, as_json)
    from syncflow_pipelines.demo.server import serve_source

    invocation.note("The demo source runs until Ctrl-C.")
    with suppress(KeyboardInterrupt):  # which is how it is meant to end
        serve_source(folder, host, port)
    return 0


@command.command("services")
@click.option("--port", type=click.IntRange(0, 65535), default=8008, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Instead of the global --home.")  # fmt: skip
@click.option("--evolve", "change", flag_value="evolve", help="Instead: the warehouse gains an operation.")
@click.option("--break", "change", flag_value="break",
              help="Instead: the parcels lose an operation and want a field, on which callers break.")  # fmt: skip
@click.option("--reset", "change", flag_value="reset", help="Instead: both are as they were in the beginning.")
@click.option("--json", "as_json", is_flag=True, help="With a change: one JSON object a service.")
@pass_invocation
def services(invocation: Invocation, port: int, host: str, home: Path | None, change: str | None, as_json: bool) -> int:
    """Serve two OpenAPI services until Ctrl-C, or change what they offer.

    The warehouse publishes OpenAPI 3.1 and asks for a token; the parcels publish a Swagger 2.0 document
    in YAML, and ask for nothing.

    \b
      syncflow demo services                    serve them on http://127.0.0.1:8008
      syncflow demo services --evolve           GET /sites/{site}/capacity appears, also while they run
      syncflow demo services --break            a change of the parcels that breaks those who call them
      curl http://127.0.0.1:8008/parcels/swagger.yaml
    """
    folder = home.resolve() if home else invocation.settings.home
    if change:
        return _evolve(folder, change, as_json)
    from syncflow_pipelines.demo.services.server import serve_services

    invocation.note("The demo services run until Ctrl-C.")
    with suppress(KeyboardInterrupt):  # which is how it is meant to end
        serve_services(folder, host, port)
    return 0


def _evolve(home: Path, change: str, as_json: bool) -> int:
    from syncflow_pipelines.demo.services.revisions import CHANGES, evolve

    for evolution in [evolve(home, *step) for step in CHANGES[change]]:
        if as_json:
            print_json(asdict(evolution))
        else:
            click.echo(f"{evolution.service}: {_told_of(evolution)}")
    return 0


def _told_of(evolution: "Evolution") -> str:
    from syncflow_pipelines.demo.services.revisions import FIRST

    if evolution.is_new or evolution.revision == FIRST:
        return evolution.told
    return f"changed so already; first take it back to the beginning: {typed('syncflow')} demo services --reset"


def _mutate(home: Path, fraction: float, as_json: bool) -> int:
    from syncflow_pipelines.demo.mutate import mutate

    changes = mutate(home, fraction)
    if as_json:
        for change in changes:
            print_json(_change_record(change))
    else:
        headings = ("entity", "inserted", "updated", "deleted")
        print_table(headings, [(change.entity, *_sizes(change)) for change in changes])
    return 0


def _print(report: "DemoReport") -> None:
    headings = ("entity", "strategy", *COUNTS)
    print_table(headings, [_run_row(run) for run in report.first], title="\nFirst sync")
    changed = ("entity", "at the source", *COUNTS, "live rows", "equal")
    print_table(changed, list(_second_rows(report)), title="\nAfter changes at the source, second sync")
    if report.services is not None:
        _print_services(report.services)
    if report.gateway is not None:
        _print_gateway(report.gateway)
    if report.schemas is not None:
        _print_schemas(report.schemas)
    click.echo(f"\nPublished: {', '.join(f'{number} {kind}' for kind, number in report.events.items())}")
    click.echo(f"\n{_verdict(report)}\n")
    if report.is_right:
        click.echo(_what_next())


def _print_services(report: "ServicesReport") -> None:
    from syncflow_pipelines.openapi.diff import as_text

    headings = ("service", "written as", "operations", "tools", "tools/list bytes", "about tokens", "file bytes")
    rows = [tuple(asdict(figures).values()) for figures in report.figures]
    print_table(headings, rows, title="\nMCP servers and resolvers from OpenAPI documents")
    changes = "\n".join(line for line in as_text(report.diff).splitlines() if line)
    click.echo(f"\nWhat changed in {', '.join(report.changed) or 'none'}: {changes}")
    answers = [(answer.asked, answer.text) for answer in report.answers]
    print_table(("asked of what was generated", "answer"), answers, title="\nWhat it answers, before and after")


def _print_gateway(report: "GatewayReport") -> None:
    alive, dying, dead = report.passages
    health = f"healthy in {report.check.latency_ms:.1f} ms" if report.check.is_good else report.check.error
    click.echo(f"\nThrough the gateway: {alive.asked} {alive.status}, its breaker {alive.breaker}, its check {health}")
    failed = f"{dying.asked} {dying.status} {dying.times} times, its breaker {dying.breaker}"
    click.echo(f"{failed}; then {dead.status}: {dead.told}")


def _print_schemas(report: "SchemasReport") -> None:
    headings = ("source", "made of", "classes", "bytes", "rows read", "module")
    rows = [tuple(asdict(figures).values()) for figures in report.figures]
    print_table(headings, rows, title="\nPydantic schemas, and synced rows that were read with them", wrap=("module",))


def _what_next() -> str:
    syncflow, dagster = typed("syncflow"), typed("dagster")
    one_asset = "asset materialize -m syncflow_pipelines.definitions --select 'key:\"erp/items\"'"
    advice = {
        f"{syncflow} dev": "Dagster's UI, with the demo source and services: all of it runs on its own",
        f"{syncflow} entities": "what there is now",
        f"{syncflow} entities show erp/items --rows 5": "what is in a table",
        f"{syncflow} runs erp/orders": "what the syncs of an entity did",
        f"{syncflow} specs": "how the OpenAPI documents of the services stand",
        f"{syncflow} schemas": "how the Pydantic schemas stand",
        f"{syncflow} events tail --follow": "what happens, as it happens",
        f"{syncflow} mcp --list": "the tools for MCP clients, those of the services among them",
        f"{syncflow} serve": "the gateway and the admin API, with a page at http://127.0.0.1:8000/status",
        f"{syncflow} alerts check": "what is wrong now; config/alerts.yaml says who is told",
        f"{syncflow} demo source": "only the source, in a terminal of its own",
        f"{dagster} dev": "the same UI; its syncs fail without the source",
        f"{dagster} {one_asset}": "one sync by Dagster, with the source in another terminal",
        "config/connectors.yaml": "name your own source there",
        "config/auto_sync_services.yaml": "your own services there",
        "config/schema_sync.yaml": "your own models there",
        "config/gateway.yaml": "and your own APIs there",
    }
    width = max(len(command) for command in advice if len(command) <= LONGEST_ASIDE)
    lines = ["What to try next:"]
    for command, purpose in advice.items():
        aside = f"  {command:<{width}}" if len(command) <= width else f"  {command}\n  {'':<{width}}"
        lines.append(f"{aside}  {purpose}")
    return "\n".join(lines)


def _mistakes(report: "DemoReport") -> list[str]:
    return [*(named_error(run.entity, run.error_message) for run in report.failed), *report.mistakes]


def _second_rows(report: "DemoReport") -> Iterator[tuple[Cell, ...]]:
    live = {count.entity: count for count in report.counts}
    for run in report.second:
        count = live[run.entity]
        equal = Text("yes", style="green") if count.in_table == count.at_source else Text("NO", style="bold red")
        yield (run.entity, _told(report.changes[run.entity]), *_run_row(run)[2:], count.in_table, equal)


def _run_row(run: SyncRun) -> tuple[Cell, ...]:
    failed = Text("failed", style="bold red")
    counts = (run.fetched, run.inserted, run.updated, run.unchanged, run.deleted, run.rejected)
    return (run.entity, run.strategy if run.status == "success" else failed, *counts, run.seconds)


def _verdict(report: "DemoReport") -> str:
    rows = sum(count.in_table for count in report.counts)
    if not report.is_right:
        return (
            f"Not everything is right: {counted(len(_mistakes(report)), 'mistake', 'mistakes')}, told below."
            f" It took {report.seconds:.0f} s."
        )
    return (
        f"All {len(report.counts)} tables equal the source: {rows:,} live rows, and every insert, update and delete"
        f" was found. It took {report.seconds:.0f} s."
    )


def _told(change: "EntityMutation") -> str:
    inserted, updated, deleted = _sizes(change)
    return f"+{inserted} ~{updated} -{deleted}"


def _sizes(change: "EntityMutation") -> tuple[int, int, int]:
    return len(change.inserted), len(change.updated), len(change.deleted)


def _print_json(report: "DemoReport") -> None:
    for number, runs in enumerate((report.first, report.second), start=1):
        for run in runs:
            told = {name: getattr(run, name) for name in ("entity", "strategy", "status", *COUNTS)}
            print_json({"round": number, **told})
    print_json(
        {
            "equal": report.is_right,
            "mistakes": _mistakes(report),
            "live_rows": {count.entity: count.in_table for count in report.counts},
            "changes": [_change_record(change) for change in report.changes.values()],
            "services": _services_record(report.services) if report.services else None,
            "schemas": [asdict(figures) for figures in report.schemas.figures] if report.schemas else None,
            "events": report.events,
            "seconds": round(report.seconds, 1),
        }
    )


def _services_record(report: "ServicesReport") -> dict[str, object]:
    return {
        "figures": [asdict(figures) for figures in report.figures],
        "changed": report.changed,
        "generated": report.generated,
        "diff": report.diff.summary(),
        "answers": [asdict(answer) for answer in report.answers],
        "followed_s": report.followed_s,
    }


def _change_record(change: "EntityMutation") -> dict[str, object]:
    inserted, updated, deleted = _sizes(change)
    return {"entity": change.entity, "inserted": inserted, "updated": updated, "deleted": deleted}
