"""One spelling for every value of a business key, so that a row is known again however its source writes it.

PostgreSQL takes `1` and `1.0` for one key, and two spellings of one moment; a digest of their texts would not.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, time
from decimal import Decimal
from uuid import UUID

from syncflow_pipelines.sync.model import Column

Spelling = Callable[[str], str]


def one_spelling(column: Column) -> Spelling:
    """The function that spells a good value of the column in one way, still as PostgreSQL reads it.

    Of `real`, `jsonb` and times with a zone, values stay as the source spells them.
    """
    return _BY_TYPE.get(column.pg_type.partition("(")[0], _as_it_is)


def _as_it_is(text: str) -> str:
    return text


def _number(text: str) -> str:
    sign, digits, exponent = Decimal(text).as_tuple()
    written = "".join(map(str, digits)).lstrip("0")
    significant = written.rstrip("0")
    if not significant:
        return "0"
    return f"{'-' * sign}{significant}e{int(exponent) + len(written) - len(significant)}"


def _float(text: str) -> str:
    return repr(float(text) + 0.0)


def _uuid(text: str) -> str:
    return str(UUID(text))


def _timestamp(text: str) -> str:
    with suppress(ValueError):  # 24:00 and leap seconds, which PostgreSQL knows and Python does not
        return datetime.fromisoformat(text).replace(tzinfo=None).isoformat()
    return text


def _timestamp_tz(text: str) -> str:
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(text.upper().replace(" +", "+").replace(" -", "-"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return text


def _time(text: str) -> str:
    with suppress(ValueError):
        return time.fromisoformat(text).isoformat()
    return text


_BY_TYPE: dict[str, Spelling] = {
    "numeric": _number,
    "double precision": _float,
    "uuid": _uuid,
    "timestamp without time zone": _timestamp,
    "timestamp with time zone": _timestamp_tz,
    "time without time zone": _time,
}
