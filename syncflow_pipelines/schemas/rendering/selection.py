"""Which models of a source are meant, and which of their schemas."""

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase

from msgspec import structs

from syncflow_pipelines.openapi.digests import references
from syncflow_pipelines.openapi.graphs import reachable
from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.schemas.model import EnumOf, FieldType, ListOf, ModelOf, ModelSpec, SchemaSource
from syncflow_pipelines.schemas.rendering.generator import SchemaGenerator
from syncflow_pipelines.schemas.rendering.variants import SchemaClass


def select_models(form: SchemaSource, include: Collection[str] = (), exclude: Collection[str] = ()) -> SchemaSource:
    """The models whose names match one of `include`, if there are any, and none of `exclude`.

    Relations to others, and enumerations that nothing names any more, are left out.
    """
    if not include and not exclude:
        return form
    names = {model.name for model in form.models if _is_meant(model.name, include, exclude)}
    models = tuple(_within(model, names) for model in form.models if model.name in names)
    enums = {name for model in models for field in model.fields for name in _enums(field.type)}
    return structs.replace(form, models=models, enums=tuple(enum for enum in form.enums if enum.name in enums))


def select_components(
    components: Mapping[str, Json], include: Collection[str] = (), exclude: Collection[str] = ()
) -> Mapping[str, Json]:
    """The components of an OpenAPI document whose names are meant, as above, and all that they refer to."""
    if not include and not exclude:
        return components
    names = [name for name in components if _is_meant(name, include, exclude)]
    meant = reachable(names, lambda name: references(components[name]) & components.keys())
    return {name: schema for name, schema in components.items() if name in meant}


def generator_of(variants: Collection[str]) -> type[SchemaGenerator]:
    """The generator that makes those schemas of each model, and no others."""

    class Chosen(SchemaGenerator):
        def generate_create_schema(self, model: ModelSpec) -> SchemaClass | None:
            return super().generate_create_schema(model) if "create" in variants else None

        def generate_update_schema(self, model: ModelSpec) -> SchemaClass | None:
            return super().generate_update_schema(model) if "update" in variants else None

        def generate_response_schema(self, model: ModelSpec) -> SchemaClass | None:
            return super().generate_response_schema(model) if "response" in variants else None

        def generate_relations_schema(self, model: ModelSpec) -> SchemaClass | None:
            return super().generate_relations_schema(model) if "response" in variants else None

    return Chosen


def _is_meant(name: str, include: Collection[str], exclude: Collection[str]) -> bool:
    is_included = not include or any(fnmatchcase(name, pattern) for pattern in include)
    return is_included and not any(fnmatchcase(name, pattern) for pattern in exclude)


def _within(model: ModelSpec, names: Collection[str]) -> ModelSpec:
    fields = tuple(field for field in model.fields if _related(field.type) in (None, *names))
    return structs.replace(model, fields=fields)


def _related(kind: FieldType) -> str | None:
    match kind:
        case ModelOf(name):
            return name
        case ListOf(item):
            return _related(item)
        case _:
            return None


def _enums(kind: FieldType) -> Iterator[str]:
    match kind:
        case EnumOf(name):
            yield name
        case ListOf(item):
            yield from _enums(item)
        case _:
            pass
