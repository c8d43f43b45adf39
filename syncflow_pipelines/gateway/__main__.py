"""`python -m syncflow_pipelines.gateway`: the gateway alone."""

import sys
from pathlib import Path

import click

from syncflow_pipelines.config import load_settings
from syncflow_pipelines.config.serving import load_serving
from syncflow_pipelines.errors import ConfigurationError, SyncflowError
from syncflow_pipelines.gateway.serving import serve


@click.command("python -m syncflow_pipelines.gateway", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", type=click.Path(path_type=Path), help="The gateway's file.  [CONFIG_PATH, config/gateway.yaml]"
)
@click.option("--host", help="Where to listen.  [API_HOST, HOST, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), help="0: a free one.  [API_PORT, PORT, 8000]")
@click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error", "critical"), case_sensitive=False),
    help="[LOG_LEVEL, the file's log_level, info]",
)
@click.option("--reload", is_flag=True, default=None, help="Start anew when code changes.  [RELOAD]")
def command(
    config: Path | None, host: str | None, port: int | None, log_level: str | None, reload: bool | None
) -> None:
    """Serve the gateway alone; `syncflow serve` has the admin API beside it, and more options."""
    try:
        settings = load_settings()
        level = log_level.upper() if log_level else None
        options = {"config_path": config, "host": host, "port": port, "log_level": level, "reload": reload}
        serve(settings, load_serving(settings, **options), lambda sentence: click.echo(sentence, err=True))
    except SyncflowError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


if __name__ == "__main__":
    command()
