"""Where the lines of a served process go."""

import logging
from typing import Final

from syncflow_pipelines.config import Settings
from syncflow_pipelines.logs.handlers import log_handlers

_CHATTY: Final = ("aiohttp", "alembic", "asyncio", "uvicorn", "websockets")


def configure_logs(settings: Settings, level: str) -> None:
    """From now on what happens is logged, to stderr and to LOG_FILE, from that level on."""
    logging.basicConfig(level=level.upper(), handlers=log_handlers(settings), force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """uvicorn takes a WebSocket that is refused with an answer for a fault, and any client can have that."""
    return record.msg != "ASGI callable returned without completing handshake."
