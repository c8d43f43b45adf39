"""Telling of a trouble once, however often it is met."""

import logging
import threading

_LOG = logging.getLogger(__name__)


class ToldOnce:
    """Logs a trouble when it begins or becomes another one, and that it is over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}

    def trouble(self, about: str, text: str) -> None:
        """Tells the trouble, unless it was the last that was told of that thing."""
        with self._lock:
            is_known, self._last[about] = self._last.get(about) == text, text
        if not is_known:
            _LOG.warning("%s", text)

    def over(self, about: str) -> None:
        """Tells that the thing is well again, if there was a trouble."""
        with self._lock:
            was_there = self._last.pop(about, None) is not None
        if was_there:
            _LOG.info("%s can be used again", about)
