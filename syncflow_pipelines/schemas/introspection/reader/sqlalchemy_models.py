"""Declarative models of SQLAlchemy 2 → the inner form."""

import dataclasses
import re
import sys
import typing
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import inspect as mapping_of
from sqlalchemy.exc import NoReferencedColumnError, NoReferencedTableError, SQLAlchemyError
from sqlalchemy.orm import Mapper, configure_mappers

from .description import Collected, Json, default, list_of, model_of, text
from .failure import ModelsFailure, failure_of, is_below, place_of
from .models import description_of, readable_hints, refuse_namesakes, without_none
from .sqlalchemy_checks import bounds_of_checks
from .sqlalchemy_columns import ColumnReader
from .sqlalchemy_types import TypeReader

VERSION = sqlalchemy.__version__


def read_models(modules: Sequence[Any], roots: Sequence[str]) -> Json:
    """What the modules offer. Raises `ModelsFailure`."""
    mappers = _mappers(modules, roots)
    refuse_namesakes([mapper.class_ for mapper in mappers])
    _refuse_lost_keys(mappers)
    _configure(mappers, roots)
    source = _Source(mappers)
    models = [source.model(mapper) for mapper in mappers] if mappers else _tables(modules, source)
    collected = source.collected
    return {"models": models, "enums": collected.enums, "findings": collected.findings}


def _mappers(modules: Sequence[Any], roots: Sequence[str]) -> list[Mapper[Any]]:
    """By name: those of the modules' classes, and of what their bases know and no other module of the user's has."""
    names = {module.__name__ for module in modules}
    found: dict[type[Any], Mapper[Any]] = {}
    for module in modules:
        for value in list(vars(module).values()):
            if not isinstance(value, type):
                continue
            mapper: Any = mapping_of(value, raiseerr=False)
            if isinstance(mapper, Mapper):
                found[value] = mapper
            registry = getattr(value, "registry", None)
            for other in getattr(registry, "mappers", ()):
                if other.class_.__module__ in names or not is_below(_file_of(other.class_), roots):
                    found[other.class_] = other
    return sorted(found.values(), key=lambda mapper: (mapper.class_.__name__, mapper.class_.__module__))


def _file_of(cls: type[Any]) -> str:
    return str(getattr(sys.modules.get(cls.__module__), "__file__", ""))


def _refuse_lost_keys(mappers: Sequence[Mapper[Any]]) -> None:
    for mapper in mappers:
        for column in mapper.local_table.columns:
            for key in column.foreign_keys:
                try:
                    _ = key.column
                except (NoReferencedTableError, NoReferencedColumnError):
                    field = getattr(column, "key", str(column))
                    raise ModelsFailure(
                        f"{mapper.class_.__name__}.{field} refers to {key.target_fullname}, which no model has",
                        place_of(mapper.class_, field),
                    ) from None


def _configure(mappers: Sequence[Mapper[Any]], roots: Sequence[str]) -> None:
    try:
        configure_mappers()
    except SQLAlchemyError as error:
        failure = failure_of(error, roots)
        named = re.search(r"Mapper\[(\w+)\(", failure.message)
        cls = next((mapper.class_ for mapper in mappers if named and mapper.class_.__name__ == named[1]), None)
        attribute = re.search(r"expression '(\w+)'|relationship (?:\w+\.)?(\w+)|property '?(\w+)'?", failure.message)
        raise ModelsFailure(failure.message, _place(cls, attribute, failure.place)) from None


def _place(cls: type[Any] | None, named: re.Match[str] | None, otherwise: str) -> str:
    """Of the relationship that is named, or else names what is missing."""
    if cls is None:
        return otherwise
    name = next((group for group in named.groups() if group), "") if named else ""
    for attribute, hint in getattr(cls, "__annotations__", {}).items():
        if attribute == name or re.search(rf"\b{re.escape(name)}\b", str(hint)):
            return place_of(cls, attribute)
    return place_of(cls, name)


def _tables(modules: Sequence[Any], source: "_Source") -> list[Json]:
    """Where nothing is mapped to classes: the tables."""
    found: dict[str, Any] = {}
    for module in modules:
        for value in list(vars(module).values()):
            if isinstance(value, sqlalchemy.MetaData):
                found |= {str(table.fullname): table for table in value.tables.values()}
            elif isinstance(value, sqlalchemy.Table):
                found[str(value.fullname)] = value
    return sorted((source.table(found[name]) for name in sorted(found)), key=lambda model: str(model["name"]))


class _Source:
    """The models of one source, as far as they can be told from each other's."""

    def __init__(self, mappers: Sequence[Mapper[Any]]) -> None:
        self.collected = Collected()
        self._names = {mapper.class_: mapper.class_.__name__ for mapper in mappers}
        self._columns = ColumnReader(TypeReader(self.collected), self._model_of_table(mappers))

    def model(self, mapper: Mapper[Any]) -> Json:
        """A mapped class: its columns, computed attributes and relations."""
        cls = mapper.class_
        fields = [*self._column_fields(mapper), *self._hybrids(mapper), *self._relations(mapper)]
        return {
            "name": cls.__name__,
            "fields": fields,
            "description": description_of(cls, getattr(mapper.local_table, "comment", None)),
            "table": _table_name(mapper.local_table),
            "origin": f"{cls.__module__}.{cls.__qualname__}",
        }

    def table(self, table: Any) -> Json:
        """A table that no class is mapped to."""
        name = "".join(part[:1].upper() + part[1:] for part in str(table.fullname).replace(".", "_").split("_"))
        checks = bounds_of_checks(table)
        return {
            "name": name,
            "fields": [
                self._columns.field(name, column.key, (column,), checks.get(column.name, {}))
                for column in table.columns
            ],
            "description": text(table.comment or ""),
            "table": str(table.fullname),
            "origin": str(table.fullname),
        }

    def _column_fields(self, mapper: Mapper[Any]) -> Iterable[Json]:
        name, hints, checks = mapper.class_.__name__, _hints(mapper.class_), self._checks(mapper)
        made = _made_by_dataclass(mapper.class_)
        for prop in mapper.column_attrs:
            told = mapper.polymorphic_on is not None and mapper.polymorphic_identity is not None
            is_told = told and any(column is mapper.polymorphic_on for column in prop.columns)
            hint = type(mapper.polymorphic_identity) if is_told else hints.get(prop.key)
            bounds = checks.get(getattr(prop.columns[0], "name", ""), {})
            field = self._columns.field(name, prop.key, prop.columns, bounds, hint)
            yield field | {
                "default": field.get("default") or made.get(prop.key),
                "description": field["description"] or text(prop.doc or ""),
                "generated": field["generated"] or is_told,
                "column": field["column"] if _is_own(mapper, prop) else "",
            }

    def _checks(self, mapper: Mapper[Any]) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for table in mapper.tables:
            found |= bounds_of_checks(table)
        return found

    def _hybrids(self, mapper: Mapper[Any]) -> Iterable[Json]:
        """Properties that are computed where they are read: in what is answered only, if they say their type."""
        descriptors: dict[str, Any] = dict(mapper.all_orm_descriptors.items())
        for key, descriptor in sorted(descriptors.items()):
            if type(descriptor).__name__ != "hybrid_property":
                continue
            where = f"{mapper.class_.__name__}.{key}"
            hint, nullable = without_none(_returned(descriptor.fget))
            field_type = self._columns.types.annotated(hint, where)
            if field_type is None:
                self.collected.note(where, "it is a hybrid property whose return type is not known, and left out")
                continue
            yield {
                "name": key,
                "type": field_type,
                "nullable": nullable,
                "generated": True,
                "description": text(descriptor.fget.__doc__ or ""),
                "column": "",
            }

    def _relations(self, mapper: Mapper[Any]) -> Iterable[Json]:
        for relation in sorted(mapper.relationships, key=lambda relation: str(relation.key)):
            where, target = f"{mapper.class_.__name__}.{relation.key}", self._names.get(relation.mapper.class_)
            if target is None:
                self.collected.note(
                    where, f"it leads to {relation.mapper.class_.__name__}, which is not among the models"
                )
                continue
            if relation.lazy in ("write_only", "dynamic") or _is_mapping(relation.collection_class):
                self.collected.note(where, "it is no list of models when it is read, and left out")
                continue
            one = model_of(target)
            yield {
                "name": relation.key,
                "type": list_of(one) if relation.uselist else one,
                "nullable": not relation.uselist and _may_lack(relation),
                "relation": True,
                "description": text(relation.doc or ""),
            }

    def _model_of_table(self, mappers: Sequence[Mapper[Any]]) -> dict[Any, tuple[str, dict[Any, str]]]:
        """By table, its model (of several, the one that the others inherit from), and attributes by column."""
        found: dict[Any, tuple[str, dict[Any, str]]] = {}
        for mapper in sorted(mappers, key=lambda mapper: len(mapper.class_.__mro__)):
            attributes = {column: prop.key for prop in mapper.column_attrs for column in prop.columns}
            found.setdefault(mapper.local_table, (mapper.class_.__name__, attributes))
        return found


def _is_own(mapper: Mapper[Any], prop: Any) -> bool:
    """Whether the column is in the model's own table, rather than in one that it inherits."""
    return any(getattr(column, "table", None) is mapper.local_table for column in prop.columns)


def _may_lack(relation: Any) -> bool:
    """Whether the related model may be missing: unless the columns that lead there are never null."""
    return relation.direction.name != "MANYTOONE" or any(column.nullable for column in relation.local_columns)


def _is_mapping(collection: Any) -> bool:
    made = collection() if callable(collection) else collection
    return isinstance(made, dict)


def _hints(cls: type[Any]) -> dict[str, Any]:
    """What the annotations say, without `Mapped` and None."""
    inner = {name: typing.get_args(hint) for name, hint in readable_hints(cls)}
    return {name: without_none(args[0])[0] for name, args in inner.items() if len(args) == 1}


def _made_by_dataclass(cls: type[Any]) -> dict[str, Json]:
    """Defaults that the class itself makes for each object, unknown to its columns."""
    found = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return {
        each.name: default(each.default_factory) for each in found if each.default_factory is not dataclasses.MISSING
    }


def _returned(function: Any) -> Any:
    try:
        return typing.get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - as above
        return None


def _table_name(table: Any) -> str | None:
    return str(table.fullname) if hasattr(table, "fullname") else None
