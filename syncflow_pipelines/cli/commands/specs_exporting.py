"""`syncflow specs export` and `specs run`: the spec of a service of one's own, written to a file as it changes."""

import re
import shlex
import sys
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from syncflow_pipelines.cli import interrupts
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ServiceName
from syncflow_pipelines.cli.output import counted, print_json
from syncflow_pipelines.config import choose_services
from syncflow_pipelines.errors import ConfigurationError, SyncCancelled, SyncflowError
from syncflow_pipelines.openapi.exporting.applications import IMPORT_PATH, IMPORT_S, document_of_app
from syncflow_pipelines.openapi.exporting.backend_process import (
    DEFAULT_PORT,
    BackendProcess,
    is_taken,
    port_in,
    shell_command,
)
from syncflow_pipelines.openapi.exporting.backends import (
    INTERVAL_S,
    USUAL_PATHS,
    WAIT_S,
    News,
    exported_once,
    followed,
    open_backend,
)
from syncflow_pipelines.openapi.exporting.documents import DEFAULT_FILE, Exported, export_document
from syncflow_pipelines.openapi.exporting.scaffolds import KINDS, write_scaffold

FilePath = click.Path(path_type=Path, dir_okay=False)
FolderPath = click.Path(path_type=Path, file_okay=False)
Seconds = click.FloatRange(min=0.05)


@click.command("export")
@click.argument("source", required=False)
@click.option("-o", "--output", type=FilePath, default=DEFAULT_FILE, show_default=True, help="The file to write.")
@click.option("--app-dir", type=FolderPath, default=".", show_default=True, help="Where the app's module is.")
@click.option(
    "--python", default=sys.executable, metavar="PROGRAM", help="The app's own Python, as in .venv/bin/python."
)
@click.option("--timeout", "timeout_s", type=Seconds, default=IMPORT_S, show_default=True, metavar="SECONDS",
              help="How long the app may take to be imported.")  # fmt: skip
@click.option("--watch", is_flag=True, help="Go on following a URL, through its restarts, until Ctrl-C.")
@click.option("--interval", "interval_s", type=Seconds, default=INTERVAL_S, show_default=True, metavar="SECONDS",
              help="Between two looks at a URL.")  # fmt: skip
@click.option("--wait-s", type=Seconds, metavar="SECONDS",
              help=f"How long a URL may show no spec.  [{WAIT_S:g}; with --watch as long as it likes]")  # fmt: skip
@click.option("--scaffold", type=click.Choice(list(KINDS)), help="Write small files that export from that framework.")
@click.option("--force", is_flag=True, help="Let --scaffold replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each file.")
@pass_invocation
def export_command(invocation: Invocation, /, source: str | None, as_json: bool, **options: Any) -> int:
    """Write the OpenAPI document of an app or a running backend to a file, whole, and only where it changed.

    \b
      syncflow specs export main:app                                 an app of FastAPI or Starlette
      syncflow specs export main:app --app-dir backend --python backend/.venv/bin/python
      syncflow specs export main:create_app()                        where a function makes the app
      syncflow specs export http://localhost:8000/openapi.json       any backend, once it answers
      syncflow specs export http://localhost:8000/openapi.json --watch
      syncflow specs export --scaffold express backend               files for an app of Express
      syncflow specs export --scaffold django backend/shop           a command for an app of Django

    An app is imported in a process of its own. `syncflow specs run` starts a backend and follows it.
    docs/exporting-specs.md shows each way from its beginning.
    """
    if options["scaffold"]:
        return _scaffold(invocation, Path(source or "."), options["scaffold"], options["force"], as_json)
    if source is None:
        raise click.UsageError("Name an app, as in main:app, or a URL; or use --scaffold.")
    if re.match(r"https?://", source):
        return _export_backend(invocation, source, as_json, options)
    if not IMPORT_PATH.fullmatch(source):
        raise click.UsageError(f"'{source}' is neither an app, as in main:app, nor a URL, as in http://localhost:8000.")
    return _export_app(invocation, source, as_json, options)


def _scaffold(invocation: Invocation, folder: Path, kind: str, force: bool, as_json: bool) -> int:
    for written in write_scaffold(kind, folder, force=force):
        if as_json:
            print_json({"file": written, "status": "written"})
        else:
            click.echo(f"{written}: written")
    invocation.note(KINDS[kind].hint)
    return 0


def _export_app(invocation: Invocation, source: str, as_json: bool, options: dict[str, Any]) -> int:
    folder = options["app_dir"].resolve()
    document = document_of_app(source, folder, python=options["python"], patience_s=options["timeout_s"])
    exported = export_document(options["output"], document)
    _tell(exported, source, as_json)
    if not exported.operations:
        invocation.note(f"{source} has no operation that is documented.")
    return 0


def _export_backend(invocation: Invocation, url: str, as_json: bool, options: dict[str, Any]) -> int:
    backend = open_backend(_candidates(url), options["output"], invocation.settings)
    with closing(backend.client):
        if not options["watch"]:
            _tell(exported_once(backend, wait_s=options["wait_s"] or WAIT_S), url, as_json)
            return 0
        invocation.note(f"Following {url}; Ctrl-C ends it.")
        for news in followed(backend, interval_s=options["interval_s"], wait_s=options["wait_s"]):
            _tell_news(news, url, as_json)
    return 0


def _candidates(url: str) -> list[str]:
    """The URL, or the usual places where it names but a server."""
    is_server = re.fullmatch(r"https?://[^/?#]+/?", url)
    return [f"{url.rstrip('/')}{path}" for path in USUAL_PATHS] if is_server else [url]


def _tell_news(news: News, source: str, as_json: bool) -> None:
    if news.exported is not None:
        _tell(news.exported, source, as_json)
    elif as_json:
        print_json({"source": source, "status": "failed", "error": news.trouble})
    else:
        click.echo(f"Error: {news.trouble}", err=True)


def _tell(exported: Exported, source: str, as_json: bool) -> None:
    status = "written" if exported.changed else "unchanged"
    if as_json:
        told = {"file": exported.path, "operations": exported.operations, "bytes": exported.size}
        print_json({"source": source, "status": status, **told})
    else:
        operations = counted(exported.operations, "operation", "operations")
        click.echo(f"{exported.path}: {status}, {operations}, {exported.size:,} bytes")


class _WithCommand(click.Command):
    """What stands behind `--` is the command of a backend, and is left as it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        ctx.meta[_COMMAND] = args[end + 1 :]
        return super().parse_args(ctx, args[:end])


_COMMAND = "syncflow.command"


@click.command("run", cls=_WithCommand)
@click.argument("name", required=False, metavar="[SERVICE]", type=ServiceName())
@click.option("--url", help="Where the backend shows its spec.  [found by its port, at the usual paths]")
@click.option("-o", "--output", type=FilePath, help=f"The file to write.  [the service's, else {DEFAULT_FILE}]")
@click.option("--interval", "interval_s", type=Seconds, default=INTERVAL_S, show_default=True, metavar="SECONDS",
              help="Between two looks at the spec.")  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object for each export; the backend's output to stderr."
)
@click.pass_context
@pass_invocation
def run_command(
    invocation: Invocation,
    ctx: click.Context,
    /,
    name: str | None,
    url: str | None,
    output: Path | None,
    interval_s: float,
    as_json: bool,
) -> int:
    """Start a backend, and write its OpenAPI document to a file for as long as it runs.

    \b
      syncflow specs run -- uvicorn main:app --reload
      syncflow specs run -o spec/openapi.json -- npm run dev
      syncflow specs run --url http://localhost:9000/docs.json -- ./start.sh
      syncflow specs run backend                       by its start_command, or startCommand in oats.config.ts
      syncflow specs run backend -- make serve         by another command

    The port is that of the service, else the one that the command names (--port, -p, PORT=, host:port), else PORT, else
    8000. Signals are passed on to the backend, and its exit code is the one of this command. Nothing of its process
    group is left.
    """
    command = ctx.meta[_COMMAND]
    started = _service_start(invocation, name) if name else _Start(urls=_guessed_urls(invocation, command))
    if command:
        started = replace(started, command=command, folder=None)
    if not started.command:
        raise click.UsageError(
            f"{name} has no start_command; name one behind --." if name
            else "Name the command of the backend behind --, as in: specs run -- uvicorn main:app"
        )  # fmt: skip
    if url is None and is_taken(started.urls[0]):
        raise SyncflowError(
            f"something answers at {started.urls[0]} already; end it, or name the backend's spec by --url"
        )
    process = BackendProcess(started.command, started.folder, output=2 if as_json else None)
    urls = _candidates(url) if url else started.urls
    return _run(invocation, process, urls, output or started.output, interval_s, as_json)


@dataclass(frozen=True, slots=True)
class _Start:
    """What is known of a backend that is to be started."""

    urls: Sequence[str]
    command: Sequence[str] = ()
    folder: Path | None = None
    output: Path = Path(DEFAULT_FILE)


def _service_start(invocation: Invocation, name: str) -> _Start:
    (service,) = choose_services(invocation.services, [name])
    shown = [candidate for candidate in service.candidates if isinstance(candidate, str)]
    urls = shown or _candidates(service.base_url)
    output = next(iter(service.spec_files), service.path / DEFAULT_FILE)
    start = service.start_command
    if start is None:
        return _Start(urls, output=output)
    return _Start(urls, shell_command(start.command, start.environment), start.folder, output)


def _guessed_urls(invocation: Invocation, command: Sequence[str]) -> Sequence[str]:
    return _candidates(f"http://127.0.0.1:{_port(invocation, shlex.join(command))}")


def _port(invocation: Invocation, command: str) -> int:
    said = invocation.settings.environment.find("PORT")
    return port_in(command) or (port_in(f"PORT={said.value}") if said else None) or DEFAULT_PORT


def _run(
    invocation: Invocation, process: BackendProcess, urls: Sequence[str], output: Path, interval_s: float, as_json: bool
) -> int:
    """The exit code of the backend, which is followed in a thread beside it."""
    ended = threading.Event()
    backend = open_backend(urls, output.resolve(), invocation.settings, cancelled=ended.is_set)

    def follow() -> None:
        with suppress(SyncCancelled):
            try:
                for news in followed(backend, interval_s=interval_s, sleep=ended.wait):
                    _tell_news(news, urls[0], as_json)
            except ConfigurationError as error:
                _tell_news(News(trouble=str(error)), urls[0], as_json)

    thread = threading.Thread(target=follow, daemon=True)
    with closing(backend.client), interrupts.pass_on_signals(process.pass_on):
        process.start()
        thread.start()
        try:
            return process.wait()
        finally:
            process.end()
            ended.set()
            thread.join()
