"""CSV as PostgreSQL's COPY reads it: a field `null` is NULL, unless it is quoted."""

import re
from dataclasses import dataclass

_FIELD = r'"(?:[^"]|"")*"|[^",\n]*'
_LINE = re.compile(rf"({_FIELD})(,({_FIELD}))*")


@dataclass(frozen=True, slots=True)
class Line:
    """A line for the staging table."""

    columns: list[str | None]
    digest: str | None
    version: str | None
    kind: bytes


def read_line(line: bytes, kind: bytes) -> Line:
    """The line, without a line break at its end, that stands in a batch."""
    *columns, digest, version = read_fields(line)
    return Line(columns, digest, version, kind)


def read_fields(line: bytes) -> list[str | None]:
    """The fields of one line."""
    text = line.decode()
    assert _LINE.fullmatch(text), text
    return [_value(field) for field in re.findall(rf"(?:^|(?<=,))({_FIELD})(?:,|$)", text)]


def _value(field: str) -> str | None:
    if field.startswith('"'):
        return field[1:-1].replace('""', '"')
    return None if field == "null" else field
