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
