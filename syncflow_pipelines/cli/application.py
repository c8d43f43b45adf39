"""The root of the command line: global options, and what becomes of an error."""

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from syncflow_pipelines import __version__
from syncflow_pipelines.cli.groups import LazyGroup
from syncflow_pipelines.cli.interrupts import code_of_interruption, is_interruption
from syncflow_pipelines.cli.invocation import Invocation
from syncflow_pipelines.cli.parent import end_with_parent
from syncflow_pipelines.errors import ConfigurationError, SyncflowError

FAILED = 1
USAGE = 2
FLAGS = frozenset({"-v", "-vv", "--verbose", "-q", "--quiet", "--debug"})
"""Global flags, which may stand behind the command too."""

SUMMARIES = {
    "demo": "Run the whole job once on a demo source and services, and check the result.",
    "dev": "Run the Dagster UI, the daemon, the demo source and services until Ctrl-C.",
    "connectors": "List the sources of connectors.yaml and of the admin API, and test them.",
    "discover": "Ask the sources what they offer; make and follow the tables.",
    "entities": "List what was discovered, or show one entity.",
    "sync": "Sync entities now, each by its strategy.",
    "runs": "List past syncs, show one, or end one.",
    "changes": "List what syncs changed in the rows of an entity with `history: true`.",
    "rejects": "List rows that could not be stored; try them again, or drop them.",
    "serve": "Serve the gateway and the admin API until Ctrl-C.",
    "mcp": "Serve the tables, and every generated MCP server, to MCP clients.",
    "specs": "Fetch the OpenAPI documents of services, and see what changed.",
    "generate": "Generate MCP servers and resolvers from the specs that were fetched.",
    "schemas": "Generate Pydantic schemas from models, entities and OpenAPI components.",
    "events": "List what happened, follow it, and see who was told of it.",
    "alerts": "List what is wrong, and tell people of it.",
    "config": "Check the configuration, and show which parts are switched on.",
    "db": "Start, stop, migrate and find the database.",
}


@click.group(
    "syncflow",
    cls=LazyGroup,
    package="syncflow_pipelines.cli.commands",
    summaries=SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--config-dir", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Folder of the YAML files.  [SYNCFLOW_CONFIG_DIR, else ./config]")  # fmt: skip
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Folder of all state.  [SYNCFLOW_HOME, else ./.syncflow]")  # fmt: skip
@click.option("-v", "--verbose", count=True, help="Log to stderr what happens; -vv logs everything.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no notes on stderr, only errors.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--companion", is_flag=True, hidden=True, help="End when standard input does.")
@click.version_option(__version__, "-V", "--version", prog_name="syncflow")
@click.pass_obj
def application(
    invocation: Invocation,
    config_dir: Path | None,
    home: Path | None,
    verbose: int,
    quiet: bool,
    debug: bool,
    companion: bool,
) -> None:
    """Keep PostgreSQL tables and code in step with the APIs that they come from.

    \b
    A first look, with nothing to set up:
      syncflow demo                     everything once, in under three minutes
      syncflow dev                      the same world, with the Dagster UI

    \b
    Your own source, once config/connectors.yaml names it:
      syncflow config check             is the file right?
      syncflow connectors --test        does the source answer?
      syncflow discover                 what does it offer?
      syncflow sync --all               fetch it
      syncflow runs                     what happened?

    \b
    Your own services, once config/auto_sync_services.yaml names them:
      syncflow specs fetch              what do they offer?
      syncflow generate                 make MCP servers and resolvers of it
      syncflow mcp --list               which tools are there?

    \b
    Your own schemas, once config/schema_sync.yaml names what they are made from:
      syncflow schemas sync --dry-run   what would they be?
      syncflow schemas sync             generate them

    \b
    One door to your APIs, once config/gateway.yaml names them, and an admin API beside it:
      syncflow serve                    on http://127.0.0.1:8000, with a page at /status
      syncflow alerts check             what is wrong?

    Tables go to stdout and everything else to stderr; --json prints one object a line.
    Exit codes: 0 done, 1 something failed, 2 usage or configuration; 130 and 143 ended by a signal.
    """
    invocation.verbosity = -1 if quiet else verbose
    invocation.debug = debug
    if companion:
        end_with_parent()
    # Children (the demo source, Dagster) find the same folders, because they read the environment.
    for variable, folder in (("SYNCFLOW_CONFIG_DIR", config_dir), ("SYNCFLOW_HOME", home)):
        if folder is not None:
            os.environ[variable] = str(folder.resolve())  # noqa: TID251 - written, not read


def run(arguments: Sequence[str]) -> int:
    """The exit code of `syncflow *arguments`; errors are told on stderr, never raised."""
    invocation = Invocation()
    try:
        result = application.main(_flags_first(arguments), "syncflow", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return code_of_interruption()
    except BrokenPipeError:
        _forget_stdout()
        return FAILED
    except Exception as error:  # noqa: BLE001 - the entry point: a person gets a sentence, --debug the rest
        return code_of_interruption() if is_interruption(error) else _told(invocation, error)
    return result if isinstance(result, int) else 0


def _told(invocation: Invocation, error: Exception) -> int:
    if isinstance(error, SyncflowError):
        return _tell(invocation, str(error), USAGE if isinstance(error, ConfigurationError) else FAILED)
    return _tell(invocation, _unexpected(error, invocation.debug), FAILED)


def _flags_first(arguments: Sequence[str]) -> list[str]:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flags = [word for word in arguments[:end] if word in FLAGS]
    return [*flags, *(word for word in arguments[:end] if word not in FLAGS), *arguments[end:]]


def _tell(invocation: Invocation, sentence: str, code: int) -> int:
    if invocation.debug:
        traceback.print_exc(file=sys.stderr)
    click.echo(f"Error: {sentence}", err=True)
    return code


def _unexpected(error: Exception, debug: bool) -> str:
    first_line = (str(error).splitlines() or [""])[0]
    told = f"{type(error).__name__}: {first_line}".rstrip(": ")
    return told if debug else f"{told} (unexpected; --debug shows where)"


def _forget_stdout() -> None:
    # Whoever read our output has gone; without this the interpreter complains when it flushes at exit.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
