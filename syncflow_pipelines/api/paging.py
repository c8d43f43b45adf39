"""Long lists in parts: by how many to leave out, or from where the last part ended."""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import Request
from pydantic import Field

from syncflow_pipelines.api.problems import refused
from syncflow_pipelines.api.queries import Query
from syncflow_pipelines.gateway.control.problems import Refused
from syncflow_pipelines.sync.inspection.listing import Part

T = TypeVar("T")

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_OFFSET: Final = 1_000_000
_BIGINT: Final = re.compile(r"[0-9]{1,18}")

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most.", examples=[20])]
Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET, description="How many to leave out at the beginning.")]
Cursor = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=200,
        pattern="^[A-Za-z0-9_-]+$",
        description="Where to go on: the `next_cursor` of the part before, as it is.",
    ),
]


class OffsetQuery(Query):
    """Which part of a list that is counted."""

    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0


class CursorQuery(Query):
    """Which part of a list that grows while it is read."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None


Position = tuple[datetime, UUID]
"""Where a list that begins with the newest stands: the time and the uid of the last one."""


def position_of(cursor: str | None) -> Position | None:
    """The position that a cursor means. Refuses one that this API never gave."""
    return None if cursor is None else _parts(cursor, UUID)


def numbered_position_of(cursor: str | None) -> tuple[datetime, int] | None:
    """The same of a list whose lines have numbers instead of uids."""
    return None if cursor is None else _parts(cursor, _number)


def part_document(part: Part) -> dict[str, object]:
    """A part of a list that grows, as every such list is answered."""
    items = [orjson.Fragment(item) for item in part.items]
    return {"items": items, "next_cursor": cursor_of(part.next_place)}


def cursor_of(place: str | None) -> str | None:
    """The cursor that means this place in a list: a time, a `|`, and what tells lines of one time apart."""
    return None if place is None else base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def _parts(cursor: str, read: Callable[[str], T]) -> tuple[datetime, T]:
    try:
        time, rest = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split("|")
        position = datetime.fromisoformat(time), read(rest)
    except ValueError as error:
        raise _unknown_cursor() from error
    if position[0].tzinfo is None:
        raise _unknown_cursor()
    return position


def _number(text: str) -> int:
    """The number, where PostgreSQL could have given it."""
    if not _BIGINT.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _unknown_cursor() -> Refused:
    mistake = {"loc": ["query", "cursor"], "msg": "This is no cursor that an answer gave"}
    return refused(422, "mend query.cursor: take `next_cursor` of an answer as it is", errors=[mistake])


def offset_links(request: Request, query: OffsetQuery, total: int) -> dict[str, str]:
    """The header `Link` to the parts around this one: first, prev, next and last."""
    limit, offset = query.limit, query.offset
    last = max((total - 1) // limit, 0) * limit
    offsets = {"first": 0, "prev": max(offset - limit, 0), "next": offset + limit, "last": last}
    if offset == 0:
        del offsets["prev"]
    if offset + limit >= total:
        del offsets["next"]
    return _links(request, {name: {"offset": value} for name, value in offsets.items()})


def cursor_links(request: Request, place: str | None) -> dict[str, str]:
    """The header `Link` to the first part and to the next one, which begins after the place."""
    targets: dict[str, dict[str, Any]] = {"first": {"cursor": None}}
    if place is not None:
        targets["next"] = {"cursor": cursor_of(place)}
    return _links(request, targets)


def _links(request: Request, targets: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Relative to the server, whose name a proxy may have changed."""
    asked, shown = request.query_params.multi_items(), []
    for name, changes in targets.items():
        kept = [(key, value) for key, value in asked if key not in changes]
        query = urlencode(kept + [(key, value) for key, value in changes.items() if value is not None])
        shown.append(f'<{request.url.path}{f"?{query}" if query else ""}>; rel="{name}"')
    return {"Link": ", ".join(shown)}
