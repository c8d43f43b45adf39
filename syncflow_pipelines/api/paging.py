"""Long lists in parts: by how many to leave out, or from where the last part ended."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from syncflow_pipelines.api.problems import refused

T = TypeVar("T")

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_OFFSET: Final = 1_000_000

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


class Query(BaseModel):
    """Parameters of a request; one that is not among them is refused."""

    model_config = ConfigDict(extra="forbid")


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
    if cursor is None:
        return None
    time, uid = parts_of(cursor, 2)
    try:
        position = datetime.fromisoformat(time), UUID(uid)
    except ValueError as error:
        raise unknown_cursor() from error
    if position[0].tzinfo is None:
        raise unknown_cursor()
    return position


def cursor_of(*parts: object) -> str:
    """A cursor that means these parts; none of them may hold a blank."""
    text = " ".join(part.isoformat() if isinstance(part, datetime) else str(part) for part in parts)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def parts_of(cursor: str, count: int) -> list[str]:
    """The parts that the cursor was made of. Refuses one that this API never gave."""
    try:
        parts = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
    except (binascii.Error, ValueError) as error:
        raise unknown_cursor() from error
    if len(parts) != count:
        raise unknown_cursor()
    return parts


def unknown_cursor() -> Exception:
    mistake = {"loc": ["query", "cursor"], "msg": "This is no cursor that an answer gave"}
    return refused(422, "mend query.cursor: take `next_cursor` of an answer as it is", errors=[mistake])


def cut(found: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """The part that was asked for, of which one more was read, and whether more follows."""
    return found[:limit], len(found) > limit


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


def cursor_links(request: Request, next_cursor: str | None) -> dict[str, str]:
    """The header `Link` to the first part and to the next one."""
    targets: dict[str, dict[str, Any]] = {"first": {"cursor": None}}
    if next_cursor is not None:
        targets["next"] = {"cursor": next_cursor}
    return _links(request, targets)


def _links(request: Request, targets: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Relative to the server, whose name a proxy may have changed."""
    asked, shown = request.query_params.multi_items(), []
    for name, changes in targets.items():
        kept = [(key, value) for key, value in asked if key not in changes]
        query = urlencode(kept + [(key, value) for key, value in changes.items() if value is not None])
        shown.append(f'<{request.url.path}{f"?{query}" if query else ""}>; rel="{name}"')
    return {"Link": ", ".join(shown)}
