"""Where log lines go: to stderr, and to LOG_FILE."""

import logging
import sys

from syncflow_pipelines.config import Settings
from syncflow_pipelines.logs.formats import OWN, ConsoleLines, JsonLines
from syncflow_pipelines.logs.redaction import LogRedaction, secrets_of


def log_handlers(settings: Settings) -> list[logging.Handler]:
    """One for stderr, and one for LOG_FILE if there is one, both in the format of LOG_FORMAT and without secrets."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if settings.log_file is not None:
        settings.log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(settings.log_file, encoding="utf-8", errors="backslashreplace"))
    for handler in handlers:
        handler.setFormatter(line_format(settings))
    return handlers


def line_format(settings: Settings) -> logging.Formatter:
    """The format of the settings, which leaves out what their environment says in secret."""
    variables = {name: variable.value for name, variable in settings.environment.snapshot().items()}
    redaction = LogRedaction(secrets_of({**variables, "the database in use": settings.database_url or ""}))
    return JsonLines(redaction) if settings.log_format == "json" else ConsoleLines(redaction)


def log_own_lines(settings: Settings) -> None:
    """Has SyncFlow's own lines logged in a process that somebody else started, such as Dagster; once.

    Nothing happens where the process has handlers of its own: they get those lines anyway.
    """
    own = logging.getLogger(OWN)
    if own.handlers or logging.getLogger().handlers:
        return
    own.setLevel(settings.log_level)
    for handler in log_handlers(settings):
        own.addHandler(handler)
