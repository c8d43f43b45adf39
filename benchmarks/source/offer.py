"""What the source offers: entities that are ranges of rendered rows, and its catalogue."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.dataset import State
from benchmarks.rows import BUSINESS_KEYS, COLUMNS, Flavour

SLUG = "order-lines"


@dataclass(frozen=True, slots=True)
class Offer:
    """One entity: rows `first` to `last` (exclusive) of a state."""

    slug: str
    folder: str
    flavour: Flavour
    first: int
    last: int
    strategy: str = "rowversion"

    @classmethod
    def of(cls, state: State, slug: str = SLUG, first: int = 0, last: int | None = None) -> "Offer":
        """Without a range, all rows of the state."""
        return cls(slug, str(state.folder), state.flavour, first, state.rows if last is None else last)

    def at(self, state: State) -> "Offer":
        """The same rows at another moment."""
        return replace(self, folder=str(state.folder))

    @property
    def rows(self) -> int:
        return self.last - self.first

    @property
    def state(self) -> State:
        """The files that the rows are in."""
        return State(Path(self.folder), self.flavour, self.last)

    def as_json(self) -> dict[str, Any]:
        """What makes the same offer again: `Offer(**…)`."""
        return asdict(self)


def catalogue(offers: list[Offer]) -> list[dict[str, Any]]:
    """The answer to `GET /api/v1/apis`."""
    return [_api(offer) for offer in offers]


def _api(offer: Offer) -> dict[str, Any]:
    return {
        "slug": offer.slug,
        "name": offer.slug.replace("-", " ").capitalize(),
        "description": "Rows for benchmarks",
        "delta_strategy": offer.strategy,
        "business_key_columns": list(BUSINESS_KEYS),
        "columns": [
            {
                "name": column.name,
                "output_alias": column.alias,
                "data_type": column.data_type,
                "is_nullable": column.alias not in BUSINESS_KEYS,
                "is_business_key": column.alias in BUSINESS_KEYS,
            }
            for column in COLUMNS[offer.flavour]
        ],
    }
