"""Parameters that several routes have."""

import re
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Header, Path
from pydantic import AwareDatetime, BeforeValidator, Field

_UNSIGNED: Final = re.compile(r" (?=[0-9]{2}:[0-9]{2}$)")
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]+$"


def _signed(text: Any) -> Any:
    return _UNSIGNED.sub("+", text) if isinstance(text, str) and "T" in text else text


Text = Annotated[str, Field(min_length=1, max_length=200, pattern=_PRINTABLE)]
"""What is looked for; PostgreSQL keeps no NUL in texts."""
Moment = Annotated[AwareDatetime, BeforeValidator(_signed), Field(examples=["2026-01-31T00:00:00Z"])]
"""A time with its zone, as answers have it; the sign of its offset may have been taken for a blank on the way."""
EntityUid = Annotated[UUID, Path(description="The uid of an entity, as `GET /api/v1/entities` lists it.")]
RunUid = Annotated[UUID, Path(description="The uid of a run, as `GET /api/v1/runs` lists it.")]
RejectUid = Annotated[UUID, Path(description="The uid of a rejected row, as `GET /api/v1/rejects` lists it.")]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="The `ETag` of the state that is changed, or `*`: whatever it is."),
]
"""For the description alone: `answers.must_match` reads it."""
