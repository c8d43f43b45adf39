"""`syncflow serve`: the gateway and the admin API."""

from pathlib import Path

import click

from syncflow_pipelines.cli.groups import write_commands
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.output import print_json
from syncflow_pipelines.config import Environment
from syncflow_pipelines.config.api_tokens import VARIABLE, Role, load_api_tokens, new_api_token
from syncflow_pipelines.config.serving import LONGEST_GRACE_S, MOST_WORKERS, load_serving
from syncflow_pipelines.errors import ConfigurationError

WITH_ADMIN_API = "syncflow_pipelines.api.application:application"
LEVELS = ("debug", "info", "warning", "error", "critical")


class ServeGroup(click.Group):
    """A command that does something by itself, too."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_commands(self, ctx, formatter)


@click.group("serve", cls=ServeGroup, invoke_without_command=True)
@click.option("--config", "config_path", type=click.Path(path_type=Path), metavar="FILE",
              help="The gateway's file.  [CONFIG_PATH, else gateway.yaml in the folder of configuration]")  # fmt: skip
@click.option("--host", metavar="HOST", help="Where to listen.  [API_HOST, else HOST, else 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), help="0: a free one.  [API_PORT, else PORT, else 8000]")
@click.option("--log-level", type=click.Choice(LEVELS, case_sensitive=False),
              help="[LOG_LEVEL, else the file's log_level, else info]")  # fmt: skip
@click.option("--reload", is_flag=True, default=None, help="Start anew when SyncFlow's code changes.  [RELOAD]")
@click.option("--workers", type=click.IntRange(1, MOST_WORKERS),
              help="Processes that share the port.  [SYNCFLOW_SERVE_WORKERS, else 1]")  # fmt: skip
@click.option("--server", type=click.Choice(("uvicorn", "granian")),
              help="Which server serves.  [SYNCFLOW_SERVE_SERVER, else uvicorn]")  # fmt: skip
@click.option("--grace-period", "grace_period_s", type=click.FloatRange(0, LONGEST_GRACE_S), metavar="SECONDS",
              help="How long requests may take to end after a signal.  "
                   "[SYNCFLOW_SERVE_GRACE_PERIOD, else the file's, else 30]")  # fmt: skip
@click.option("--drain-delay", "drain_delay_s", type=click.FloatRange(0, LONGEST_GRACE_S), metavar="SECONDS",
              help="How long to accept requests still, while /health/ready says 503, before that.  "
                   "[SYNCFLOW_SERVE_DRAIN_DELAY, else 0]")  # fmt: skip
@click.pass_context
def command(
    context: click.Context, config_path: Path | None, host: str | None, port: int | None, log_level: str | None,
    reload: bool | None, workers: int | None, server: str | None, grace_period_s: float | None,
    drain_delay_s: float | None,
) -> int:  # fmt: skip
    """Serve the gateway and the admin API until Ctrl-C.

    Requests to /orchestrator/NAME/PATH are passed on to the endpoint of that name, as gateway.yaml and the registry
    say; /status shows how the endpoints do, and /docs what else can be asked. The admin API is at /api/v1, and what
    Prometheus reads at /metrics. SIGHUP reads gateway.yaml and the tokens anew, and changes nothing where there is a
    mistake. SIGTERM and Ctrl-C end it once the requests in flight have ended.

    \b
      syncflow serve                            on http://127.0.0.1:8000, for this machine alone
      syncflow serve token ops --role admin     make a token, without which no other host may be bound
      syncflow serve --host 0.0.0.0 --workers 2
    """
    if context.invoked_subcommand is not None:
        return 0
    invocation = context.ensure_object(Invocation)
    from syncflow_pipelines.gateway.serving import serve

    level = log_level.upper() if log_level else None
    serving = load_serving(
        invocation.settings, config_path=config_path, host=host, port=port, log_level=level, reload=reload,
        workers=workers, server=server, grace_period_s=grace_period_s, drain_delay_s=drain_delay_s,
    )  # fmt: skip
    serve(invocation.settings, serving, invocation.note, WITH_ADMIN_API)
    return 0


@command.command("token")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.READ.value, show_default=True,
              help="read: may GET. admin: everything.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_invocation
def token(invocation: Invocation, name: str, role: str, as_json: bool) -> int:
    """Make a token, and what SYNCFLOW_API_TOKENS has to say for it to be accepted.

    The token is shown this once, on stdout; only its hash is kept. Add the part to the variable, separated by a blank
    from those that are there, in the environment or in .env, and have a running gateway read it: SIGHUP.

    \b
      $ syncflow serve token ops --role admin
      syncflow_zu2…
      Add to SYNCFLOW_API_TOKENS:  ops:admin:sha256:0d5f…
    """
    secret, made = new_api_token(name, Role(role))
    _refuse_unusable(invocation, name, str(made))
    if as_json:
        print_json({"token": secret, "variable": VARIABLE, "part": str(made)})
    else:
        click.echo(secret)
        click.echo(f"Add to {VARIABLE}:  {made}", err=True)
    return 0


def _refuse_unusable(invocation: Invocation, name: str, part: str) -> None:
    known = load_api_tokens(invocation.settings.environment)
    if any(one.name == name for one in known.tokens):
        raise click.UsageError(f"{VARIABLE} names a token '{name}' already; choose another name, or take that one out.")
    try:
        load_api_tokens(Environment({VARIABLE: part}))
    except ConfigurationError:
        refusal = f"'{name}' is no name for a token: letters, digits, _, . and -, first a letter."
        raise click.UsageError(refusal) from None
