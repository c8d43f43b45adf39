"""`syncflow connectors`: which sources there are, and whether they answer."""

import json
from dataclasses import dataclass

import click

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ConnectorName
from syncflow_pipelines.cli.output import print_json, print_table
from syncflow_pipelines.config import ConnectorConfig, Settings, choose_connectors
from syncflow_pipelines.errors import SyncflowError

HEALTH_PATH = "/api/v1/health"


@dataclass(frozen=True)
class Answer:
    """What a test of one source came to."""

    ok: bool
    entities: int | None
    told: str


@click.command("connectors")
@click.argument("names", nargs=-1, metavar="[CONNECTOR]...", type=ConnectorName())
@click.option("--test", "test", is_flag=True, help="Ask each source for its health and its catalogue.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a connector.")
@pass_invocation
def command(invocation: Invocation, names: tuple[str, ...], test: bool, as_json: bool) -> int:
    """List the sources of connectors.yaml, and test them.

    \b
      syncflow connectors               what is configured
      syncflow connectors --test        does every source answer, and take our token?
      syncflow connectors erp --test    one of them

    A test changes nothing, neither here nor at the source. It exits 1 if a source fails it.
    """
    configured = invocation.connectors
    chosen = choose_connectors(configured, names) if names or test else configured
    answers = {one.name: ask(one, invocation.settings) for one in chosen} if test else {}
    if as_json:
        for one in chosen:
            print_json(_record(one, answers.get(one.name)))
    elif chosen:
        _print(chosen, answers)
    else:
        invocation.note(f"{invocation.settings.config_dir / 'connectors.yaml'} names no connector yet.")
    return 0 if all(answer.ok for answer in answers.values()) else 1


def ask(connector: ConnectorConfig, settings: Settings) -> Answer:
    """What the source answers to a question after its health, and then after its catalogue."""
    from syncflow_pipelines.sync.schema.discovery import fetch_catalogue
    from syncflow_pipelines.transport import open_source

    try:
        with open_source(connector, settings) as source:
            source.get(HEALTH_PATH, validate=json.loads)
        catalogue = fetch_catalogue(connector, settings)
    except SyncflowError as error:
        return Answer(False, None, str(error))
    faults = sum(finding.severity == "error" for finding in catalogue.findings)
    told = f"answers, but {faults} of its entries cannot be used" if faults else "answers"
    return Answer(True, len(catalogue.entities), told)


def _print(connectors: tuple[ConnectorConfig, ...], answers: dict[str, Answer]) -> None:
    headings = ["connector", "url", "schema", "every s", "enabled"]
    if answers:
        headings += ["entities", "test"]
    rows = []
    for one in connectors:
        answer = answers.get(one.name)
        tested = (answer.entities, answer.told) if answer else ()
        rows.append((one.name, one.base_url, one.target_schema, one.sync_interval_seconds, one.enabled, *tested))
    print_table(headings, rows, wrap=("url", "test"))


def _record(connector: ConnectorConfig, answer: Answer | None) -> dict[str, object]:
    record: dict[str, object] = {
        "connector": connector.name,
        "base_url": connector.base_url,
        "target_schema": connector.target_schema,
        "sync_interval_seconds": connector.sync_interval_seconds,
        "enabled": connector.enabled,
    }
    if answer:
        record |= {"ok": answer.ok, "entities": answer.entities, "told": answer.told}
    return record
