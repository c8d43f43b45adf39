"""How a log line looks: one line in any case, for programs one JSON object."""

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from syncflow_pipelines.logs.fields import bound_fields
from syncflow_pipelines.logs.redaction import LogRedaction, text_of

LONGEST: Final = 16_384
"""Characters of a message or a traceback."""
OWN: Final = "syncflow_pipelines"

_OVERLAP: Final = 4096
"""Of a secret that is cut."""
_WORDS_OF_EVENT: Final = 6
_STANDARD: Final = frozenset(
    {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName", "event", "color_message"}
)


class _Lines(logging.Formatter):
    """What both formats have in common. Whatever a record holds, there is a line for it, and no error."""

    def __init__(self, redaction: LogRedaction) -> None:
        super().__init__()
        self._redaction = redaction

    def _message(self, record: logging.LogRecord) -> str:
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - logging itself would print the arguments as they are
            message = f"{text_of(record.msg)} (its arguments cannot be shown: {type(error).__name__})"
        return self._clean(message)

    def _trace(self, record: logging.LogRecord) -> str | None:
        """The traceback. It is not kept in the record, where other handlers would find it with what it shows."""
        parts = []
        if record.exc_info and record.exc_info[0]:
            parts.append(_shown(record, self.formatException))
        elif record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
        return self._clean("\n".join(parts)) if parts else None

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        own = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        shown = {**bound_fields(), **own}
        return {name: self._redaction.mask_value(name, _plain(value)) for name, value in shown.items()}

    def _clean(self, text: str) -> str:
        # masked before it is cut, so that no half of a secret is left; and long texts are no lines
        masked = self._redaction.mask(text[: LONGEST + _OVERLAP])
        return masked if len(text) <= LONGEST else f"{masked[:LONGEST]}… ({len(text):,} characters)"


class JsonLines(_Lines):
    """One JSON object: `time`, `level`, `event`, `logger`, `message`, the fields, and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": event_of(record),
            "logger": record.name,
            "message": self._message(record),
        }
        line |= {name: value for name, value in self._fields(record).items() if name not in line}
        if trace := self._trace(record):
            line["exception"] = trace
        return json.dumps(line, ensure_ascii=True, default=text_of)


class ConsoleLines(_Lines):
    """The time, the level, the logger, the message, and the fields; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, and those of its traceback."""
        fields = " ".join(f"{name}={_one_line(str(value))}" for name, value in self._fields(record).items())
        time = _time(record).replace("T", " ")
        line = f"{time} {record.levelname:<7} {record.name}: {_one_line(self._message(record))}"
        line = f"{line} [{fields}]" if fields else line
        trace = self._trace(record)
        return "\n".join((line, *(f"    {_one_line(each)}" for each in trace.splitlines()))) if trace else line


def event_of(record: logging.LogRecord) -> str:
    """The name of what happened: the same for every line of one kind, whatever it is about."""
    given = getattr(record, "event", None)
    if isinstance(given, str):
        return given
    if not record.name.startswith(OWN):
        return record.name
    template = re.sub(r"%[-#0-9.]*[a-z]", " ", text_of(record.msg))
    return "_".join(re.findall(r"[a-z]+", template.lower())[:_WORDS_OF_EVENT]) or record.name


def _shown(record: logging.LogRecord, show: Any) -> str:
    try:
        return str(show(record.exc_info))
    except Exception as error:  # noqa: BLE001 - an error whose text raises one
        return f"(its traceback cannot be shown: {type(error).__name__})"


def _plain(value: Any) -> Any:
    """The value as JSON has it, or its text."""
    if isinstance(value, str | bool | int | float | None | Mapping | list | tuple | set | frozenset):
        return value
    return text_of(value)


def _one_line(text: str) -> str:
    """The text with what would end the line, or drive a terminal, spelled out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
