"""Models of Tortoise ORM 1 → the inner form, without any connection."""

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import tortoise
from tortoise import Tortoise
from tortoise.exceptions import ConfigurationError
from tortoise.fields.relational import (
    BackwardFKRelation,
    BackwardOneToOneRelation,
    ForeignKeyFieldInstance,
    ManyToManyFieldInstance,
    OneToOneFieldInstance,
    RelationalField,
)
from tortoise.models import Model

from .description import Collected, Json, list_of, model_of, text
from .failure import ModelsFailure, place_of
from .models import description_of, readable_hints, refuse_namesakes, without_none
from .tortoise_fields import FieldReader

VERSION = tortoise.__version__
_LABEL = "models"


def read_models(modules: Sequence[Any], roots: Sequence[str]) -> Json:  # noqa: ARG001 - as every reader's
    """What the modules offer. Raises `ModelsFailure`."""
    models = _models(modules)
    refuse_namesakes(models)
    _relate(models)
    collected = Collected()
    reader = FieldReader(collected)
    described = [_model(model, models, reader, collected) for model in models]
    return {"models": described, "enums": collected.enums, "findings": collected.findings}


def _models(modules: Sequence[Any]) -> list[type[Model]]:
    """Those that Tortoise would find: whatever the modules offer that is not abstract."""
    values = (value for module in modules for value in _offered(module))
    found = {value for value in values if isinstance(value, type) and issubclass(value, Model)}
    return sorted(
        (model for model in found if not model._meta.abstract and model is not Model),
        key=lambda model: (model.__name__, model.__module__),
    )


def _offered(module: Any) -> list[Any]:
    chosen = getattr(module, "__models__", None)
    return list(chosen) if isinstance(chosen, list | tuple) and chosen else list(vars(module).values())


def _relate(models: Sequence[type[Model]]) -> None:
    """Lets Tortoise connect the models, under the names of apps by which they refer to each other."""
    labels = _labels(models)
    Tortoise._get_context()
    for label in sorted(labels):
        module = ModuleType(f"models of {label}")
        module.__models__ = labels[label]  # type: ignore[attr-defined]
        for model in labels[label]:
            model._meta.app = None
        Tortoise.init_app(label, [module], _init_relations=False)
    try:
        Tortoise._init_relations()
    except ConfigurationError as error:
        begun = [model for model in models if model._meta._inited]
        raise ModelsFailure(f"{type(error).__name__}: {text(error)}", place_of(begun[-1]) if begun else "") from None


def _labels(models: Sequence[type[Model]]) -> dict[str, list[type[Model]]]:
    """By app, its models: those that say so, and for each app that is referred to, those that say nothing."""
    names = {model.__name__: model for model in models}
    labels: dict[str, list[type[Model]]] = {_LABEL: [model for model in models if model._meta.app in (None, _LABEL)]}
    for model in models:
        if model._meta.app is not None:
            labels.setdefault(model._meta.app, []).append(model)
    labels = {label: list(dict.fromkeys(found)) for label, found in labels.items()}
    for model in models:
        for field, label, name in _references(model):
            target = names.get(name)
            if target is None or target._meta.app not in (None, label):
                raise ModelsFailure(
                    f"{model.__name__}.{field} refers to {label}.{name}, and there is no such model",
                    place_of(model, field),
                )
            members = labels.setdefault(label, [])
            if target not in members:
                members.append(target)
    return {label: found for label, found in labels.items() if found}


def _references(model: type[Model]) -> Iterable[tuple[str, str, str]]:
    """Fields that name a model, with its app and its name."""
    for name, field in model._meta.fields_map.items():
        target = getattr(field, "model_name", None)
        if isinstance(target, str):
            label, _, other = target.partition(".")
            yield name, label, other


def _model(model: type[Model], models: Sequence[type[Model]], reader: FieldReader, collected: Collected) -> Json:
    meta = model._meta
    excluded = set(getattr(getattr(model, "PydanticMeta", None), "exclude", ()))
    hints = {name: without_none(hint)[0] for name, hint in readable_hints(model)}
    fields = [
        field for name in _order(model) for field in _fields(model, name, models, reader, collected, hints.get(name))
    ]
    return {
        "name": model.__name__,
        "fields": [field for field in fields if field["name"] not in excluded],
        "description": description_of(model, meta.table_description),
        "table": f"{meta.schema}.{meta.db_table}" if meta.schema else meta.db_table,
        "origin": f"{model.__module__}.{model.__qualname__}",
    }


def _order(model: type[Model]) -> list[str]:
    """As they are written; what other models add comes last, by name."""
    added = (BackwardFKRelation, BackwardOneToOneRelation)
    fields = model._meta.fields_map
    later = [
        name
        for name, field in fields.items()
        if isinstance(field, added) or (isinstance(field, ManyToManyFieldInstance) and field._generated)
    ]
    return [name for name in fields if name not in later] + sorted(later)


def _fields(
    model: type[Model],
    name: str,
    models: Sequence[type[Model]],
    reader: FieldReader,
    collected: Collected,
    hint: Any,
) -> Iterable[Json]:
    field = model._meta.fields_map[name]
    where = f"{model.__name__}.{name}"
    if isinstance(field, ForeignKeyFieldInstance):
        yield _key(model, field, reader)
    if isinstance(field, RelationalField):
        if field.related_model in models:
            yield _relation(name, field)
        else:
            collected.note(where, f"it leads to {field.related_model.__name__}, which is not among the models")
    elif field.reference is None:  # the others are the columns of foreign keys
        yield reader.column(name, field, where, hint)


def _key(model: type[Model], field: Any, reader: FieldReader) -> Json:
    """The column of a foreign key, in the place of the relation."""
    name = str(field.source_field)
    column = model._meta.fields_map[name]
    said = reader.column(name, column, f"{model.__name__}.{name}")
    target = field.to_field_instance.model_field_name
    return said | {
        "references": f"{field.related_model.__name__}.{target}",
        "description": text(field.description or ""),
        "primary_key": bool(column.pk),
        "generated": False,
    }


def _relation(name: str, field: Any) -> Json:
    one = model_of(field.related_model.__name__)
    is_one = isinstance(field, OneToOneFieldInstance | BackwardOneToOneRelation) or not isinstance(
        field, BackwardFKRelation | ManyToManyFieldInstance
    )
    return {
        "name": name,
        "type": one if is_one else list_of(one),
        "nullable": bool(field.null) and is_one,
        "relation": True,
        "description": text(field.description or ""),
    }
