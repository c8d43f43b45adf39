"""What a demo source says about one of its entities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from syncflow_pipelines.demo.versions import VersionStyle


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column, in the words of the source system."""

    name: str
    data_type: str
    alias: str | None = None
    is_nullable: bool = True
    description: str | None = None

    @property
    def key(self) -> str:
        """Its key in a row's `data`."""
        return self.alias or self.name.lower()


@dataclass(frozen=True, slots=True)
class SourceEntity:
    """One entity. `business_keys` and `rowversion_column` are keys of `data`, as in the contract."""

    slug: str
    name: str
    strategy: Literal["full", "rowversion", "hash"]
    business_keys: tuple[str, ...]
    columns: tuple[SourceColumn, ...]
    description: str | None = None
    versions: VersionStyle | None = None
    """How `row_version` is written; None sends none."""
    rowversion_column: str | None = None

    @property
    def key_columns(self) -> tuple[SourceColumn, ...]:
        """The columns of the business key, in its order. Raises `KeyError` for a key without one."""
        by_key = {column.key: column for column in self.columns}
        return tuple(by_key[key] for key in self.business_keys)

    @property
    def leaves_tombstones(self) -> bool:
        """Whether a deleted row stays behind, marked; the other strategies find out by its absence."""
        return self.strategy == "rowversion"


def catalogue_entry(entity: SourceEntity) -> dict[str, Any]:
    """The entity as `GET /api/v1/apis` shows it."""
    return {
        "slug": entity.slug,
        "name": entity.name,
        "description": entity.description,
        "delta_strategy": entity.strategy,
        "business_key_columns": list(entity.business_keys),
        "rowversion_column": entity.rowversion_column,
        "columns": [_column_entry(column, entity.business_keys) for column in entity.columns],
    }


def _column_entry(column: SourceColumn, business_keys: Sequence[str]) -> dict[str, Any]:
    return {
        "name": column.name,
        "output_alias": column.alias,
        "data_type": column.data_type,
        "is_nullable": column.is_nullable,
        "is_business_key": column.key in business_keys,
        "description": column.description,
    }
