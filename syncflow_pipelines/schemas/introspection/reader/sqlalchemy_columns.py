"""Columns of SQLAlchemy → fields of the inner form."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column

from .description import Json, default, text
from .sqlalchemy_checks import bounded
from .sqlalchemy_types import TypeReader


class ColumnReader:
    """Reads the columns of one source; `models` is, by table, a model's name and its attributes by column."""

    def __init__(self, types: TypeReader, models: dict[Any, tuple[str, dict[Any, str]]]) -> None:
        self.types = types
        self._models = models

    def field(self, model: str, key: str, columns: Sequence[Any], bounds: Json, hint: Any = None) -> Json:
        """An attribute; of several columns, the first is the model's own, and the others those that it inherits."""
        column, where = columns[0], f"{model}.{key}"
        enum_name = f"{model}{''.join(part[:1].upper() + part[1:] for part in key.split('_'))}"
        field_type = bounded(self.types.read(column.type, where, enum_name, hint), bounds)
        if not isinstance(column, Column):
            made = {"name": key, "type": field_type, "nullable": True, "generated": True, "description": ""}
            return made | {"column": "", "note": self.types.note(where)}
        return {
            "name": key,
            "type": field_type,
            "nullable": bool(column.nullable) and not column.primary_key,
            "default": _default(columns),
            "description": text(column.comment or column.doc or ""),
            "primary_key": bool(column.primary_key),
            "generated": any(_is_generated(each) for each in columns if isinstance(each, Column)),
            "references": self._reference(column),
            "column": None if column.name == key else text(column.name),
            "converted": self.types.is_converted(where),
            "note": self.types.note(where),
        }

    def _reference(self, column: Column[Any]) -> str | None:
        for key in sorted(column.foreign_keys, key=lambda key: str(key.target_fullname)):
            found = self._models.get(key.column.table)
            if found is not None:
                model, attributes = found
                return f"{model}.{attributes.get(key.column, key.column.key)}"
        return None


def _is_generated(column: Column[Any]) -> bool:
    """Whether the database or the ORM makes the value, whatever is said."""
    if column.identity is not None or column.computed is not None:
        return True
    if getattr(column.table, "autoincrement_column", None) is column:
        return column.default is None or bool(column.default.is_sequence)
    changes = column.onupdate is not None or column.server_onupdate is not None
    return changes and (bool(column.nullable) or column.default is not None or column.server_default is not None)


def _default(columns: Sequence[Any]) -> Json | None:
    for column in columns:
        found = _own_default(column) if isinstance(column, Column) else None
        if found is not None:
            return found
    return {"how": "constant", "value": None} if columns[0].nullable and not columns[0].primary_key else None


def _own_default(column: Column[Any]) -> Json | None:
    if column.default is not None:
        if column.default.is_scalar:
            return default(getattr(column.default, "arg", None))
        return {"how": "factory" if column.default.is_callable else "server"}
    return {"how": "server"} if column.server_default is not None else None
