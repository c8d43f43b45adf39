"""Where a comparison stands: what is told, is told of that."""

from dataclasses import dataclass

from syncflow_pipelines.openapi.diff.ledger import Ledger, Origin
from syncflow_pipelines.openapi.diff.rules import Direction
from syncflow_pipelines.openapi.diff.schemas import SchemaComparison
from syncflow_pipelines.openapi.model import Json


@dataclass(frozen=True, slots=True)
class Place:
    """Part of an operation."""

    schemas: SchemaComparison
    origin: Origin
    direction: Direction = "request"
    where: str = ""

    @property
    def ledger(self) -> Ledger:
        return self.schemas.ledger

    def tell(self, rule: str, message: str, *, before: Json = None, after: Json = None) -> None:
        """A change of this part."""
        self.ledger.tell(self.origin, rule, self.where, message, before=before, after=after)

    def at(self, *steps: str, direction: Direction | None = None) -> "Place":
        """A part of this part."""
        where = ".".join(filter(None, (self.where, *steps)))
        return Place(self.schemas, self.origin, direction or self.direction, where)

    def compare_schemas(self, old: Json, new: Json) -> None:
        """All changes from one schema to the other."""
        self.schemas.compare(self.origin, self.direction, self.where, old, new)
