"""Where the lines of a served process go: to stderr, and to LOG_FILE."""

import logging

from syncflow_pipelines.config import Settings
from syncflow_pipelines.logs.handlers import log_handlers


def configure_logs(settings: Settings, level: str) -> None:
    """From now on what happens is logged, from that level on."""
    logging.basicConfig(level=level.upper(), handlers=log_handlers(settings), force=True)
    for chatty in ("aiohttp", "alembic", "asyncio", "uvicorn", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
