"""Where log lines go: to stderr and to LOG_FILE, never to stdout, which belongs to results."""

import logging

from syncflow_pipelines.config import Settings
from syncflow_pipelines.logs.handlers import log_handlers

TOLD_BY_COMMANDS = ("syncflow_pipelines.sync.engine", "syncflow_pipelines.sync.schema.discovery")


def configure_logging(settings: Settings, verbosity: int) -> None:
    """Log to stderr by `verbosity` (-1 errors, 0 warnings, 1 what happens, 2 everything), to LOG_FILE by LOG_LEVEL.

    LOG_LEVEL=DEBUG asks for everything on stderr too; a higher one leaves out what is below it.
    """
    chosen = logging.getLevelName(settings.log_level.upper())
    console, *others = handlers = log_handlers(settings)
    console.setLevel(_console_level(chosen, verbosity))
    if verbosity <= 0:
        console.addFilter(_is_news)
    for other in others:
        other.setLevel(chosen)
    for handler in handlers:
        handler.addFilter(_is_no_interruption)
    logging.basicConfig(level=min(handler.level for handler in handlers), handlers=handlers, force=True)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether the command does not tell it anyway: what became of each entity, it does."""
    return record.levelno > logging.WARNING or not record.name.startswith(TOLD_BY_COMMANDS)


def _is_no_interruption(record: logging.LogRecord) -> bool:
    """Whether it is about something else than a signal that came into a library's code, which passes it on."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, KeyboardInterrupt)


def _console_level(chosen: int, verbosity: int) -> int:
    if verbosity < 0:
        return logging.ERROR
    if verbosity >= 2 or chosen <= logging.DEBUG:
        return logging.DEBUG
    return logging.INFO if verbosity == 1 else max(chosen, logging.WARNING)
