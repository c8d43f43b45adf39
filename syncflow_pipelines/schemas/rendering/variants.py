"""A model → its classes: what may be created, what may be updated, and what comes out.

Create leaves out what the database makes. Update leaves out that and the primary key, which says which row is meant.
Response leaves out secrets. What each field is in each of them is decided here; how it is spelled, by the templates.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from syncflow_pipelines.schemas.model import EnumOf, FieldSpec, FieldType, ListOf, ModelOf, ModelSpec, Scalar
from syncflow_pipelines.schemas.rendering.annotations import Annotation, Arguments, annotate, call
from syncflow_pipelines.schemas.rendering.defaults import Members, UnusableDefault, constant
from syncflow_pipelines.schemas.rendering.literals import comment, docstring, encodable, literal
from syncflow_pipelines.schemas.rendering.naming import Names, words

Variant = Literal["Create", "Update", "Response"]

_REQUIRED: Final[Arguments] = ()
_NULL: Final[Arguments] = (("default", "None"),)
"""What a field is that was left out; where null cannot be stored, `Omittable` keeps it from being sent."""

_VOWEL: Final = re.compile(r"(?!uni|us|ut|eu|one)[aeiou]")
"""How a noun sounds that takes `an`: as an item does, and a user does not."""

_WITH_NULL: Final = frozenset({"Any", "JsonValue"})
"""Types that null is a value of."""


@dataclass(frozen=True, slots=True)
class SchemaField:
    """A field of a class, all of it as Python source."""

    name: str
    annotation: str
    arguments: Arguments = ()
    """Of `Field`; a lone `default` is written as the value itself."""
    comment: str = ""

    @property
    def value(self) -> str:
        """What is assigned to it; empty where nothing is."""
        if len(self.arguments) == 1 and self.arguments[0][0] == "default":
            return self.arguments[0][1]
        return call("Field", self.arguments) if self.arguments else ""


@dataclass(frozen=True, slots=True)
class SchemaClass:
    """A class of a module of schemas, all of it as Python source."""

    name: str
    docstring: str
    fields: tuple[SchemaField, ...]
    bases: str = "BaseModel"
    config: Arguments = ()
    """Of `ConfigDict`."""
    body: str = ""
    """What else is in it, such as validators; its lines are not indented."""
    imports: tuple[str, ...] = ()
    """Import statements that `body` and the fields need beyond what SyncFlow itself writes."""


@dataclass(frozen=True, slots=True)
class Variants:
    """The classes of the models of one source."""

    names: Names
    members: Members

    def create(self, model: ModelSpec) -> SchemaClass:
        """What is sent to make a row."""
        fields = [field for field in model.fields if not (field.generated or field.relation)]
        what = f"Schema for creating a new {self._noun(model)}."
        return self._sent(model, "Create", what, fields)

    def update(self, model: ModelSpec) -> SchemaClass:
        """What is sent to change a row: all of it may be left out, and null is let in only where it can be stored."""
        fields = [field for field in model.fields if not (field.generated or field.relation or field.primary_key)]
        what = f"Schema for updating {_with_article(self._noun(model))}."
        return self._sent(model, "Update", what, fields)

    def response(self, model: ModelSpec) -> SchemaClass:
        """What comes out: every column but the secrets."""
        fields = [field for field in model.fields if not (field.write_only or field.relation)]
        what = f"Schema for {self._noun(model)} response."
        config = (("from_attributes", "True"), *self._config(model, fields, is_stored=True))
        written = self._fields(model, fields, "Response")
        return SchemaClass(self._name(model, "Response"), docstring(what, model.description), written, config=config)

    def with_relations(self, model: ModelSpec) -> SchemaClass | None:
        """Response and the related models, as the Response of each; None where there is none."""
        fields = [field for field in model.fields if field.relation and not field.write_only]
        if not fields:
            return None
        what = f"Schema for {self._noun(model)} response, with what is related."
        written = self._fields(model, fields, "Response")
        config = self._config(model, fields, is_stored=True)
        bases = self._name(model, "Response")
        return SchemaClass(self._name(model, "WithRelations"), docstring(what), written, bases, config)

    def complaints(self, model: ModelSpec) -> list[tuple[FieldSpec, str]]:
        """The fields of which something could not be carried over, each with the reason."""
        found = [(field, field.note) for field in model.fields if field.note]
        for field in model.fields:
            if (missing := self._missing(field.type)) is not None:
                found.append((field, f"{missing} is not in the source, so that anything is let in"))
            elif (reason := self._default(field)[1]) is not None:
                found.append((field, f"{reason}, so that it may be left out"))
        return found

    def _sent(self, model: ModelSpec, variant: Variant, what: str, fields: list[FieldSpec]) -> SchemaClass:
        text = docstring(what, model.description)
        written = self._fields(model, fields, variant)
        config = self._config(model, fields, is_stored=False)
        return SchemaClass(self._name(model, variant), text, written, config=config)

    def _noun(self, model: ModelSpec) -> str:
        return words(self.names.models[model.name])

    def _name(self, model: ModelSpec, variant: str) -> str:
        return f"{self.names.models[model.name]}{variant}"

    def _config(self, model: ModelSpec, fields: list[FieldSpec], *, is_stored: bool) -> Arguments:
        names = self.names.fields[model.name]
        found: list[tuple[str, str]] = []
        if any(names[field.name] != field.name for field in fields):
            found += [("validate_by_name", "True"), ("serialize_by_alias", "True")]
        if any(names[field.name].startswith("model_") for field in fields):
            found.append(("protected_namespaces", "()"))
        scalars = [scalar for field in fields if (scalar := _scalar_of(field.type)) is not None]
        if any(scalar.kind == "float" for scalar in scalars):
            found.append(("ser_json_inf_nan", '"strings"'))
        if not is_stored and any(scalar.pattern is not None for scalar in scalars):
            found.append(("regex_engine", '"python-re"'))
        return tuple(found)

    def _fields(self, model: ModelSpec, fields: list[FieldSpec], variant: Variant) -> tuple[SchemaField, ...]:
        return tuple(self._field(model, field, variant) for field in fields)

    def _field(self, model: ModelSpec, field: FieldSpec, variant: Variant) -> SchemaField:
        name = self.names.fields[model.name][field.name]
        missing = self._missing(field.type)
        kind = field.type if missing is None else Scalar("any")
        annotation = annotate(kind, self.names, is_stored=variant == "Response")
        default = self._default(field)[0] if variant == "Create" else _NULL if variant == "Update" else _REQUIRED
        if annotation.text in _WITH_NULL and variant != "Response" and not field.nullable:
            annotation = Annotation(f"NotNull[{annotation.text}]")
        text, arguments = _typed(annotation, default, field.nullable)
        aliases = () if name == field.name else _aliases(field.name)
        described = (("description", literal(encodable(field.description))),) if field.description else ()
        reason = field.note or (f"{missing} is not in the source" if missing else "")
        return SchemaField(name, text, (*arguments, *aliases, *described), comment(reason))

    def _missing(self, kind: FieldType) -> str | None:
        match kind:
            case ListOf(item=item):
                return self._missing(item)
            case EnumOf(name=name) if name not in self.members:
                return f"the enumeration {name}"
            case ModelOf(name=name) if name not in self.names.models:
                return f"the model {name}"
        return None

    def _default(self, field: FieldSpec) -> tuple[Arguments, str | None]:
        """The arguments that say it, and why a constant could not be carried over."""
        default = field.default
        if default is None:
            return (_NULL if field.nullable else _REQUIRED), None
        if default.how != "constant" or (default.value is None and field.nullable):
            return _NULL, None
        try:
            return _constant_arguments(constant(field.type, default.value, self.members), default.value), None
        except UnusableDefault as error:
            return _NULL, str(error)


def _with_article(noun: str) -> str:
    return f"{'an' if _VOWEL.match(noun) else 'a'} {noun}"


def _constant_arguments(text: str, value: object) -> Arguments:
    if not isinstance(value, list | dict):
        return (("default", text),)
    # made anew for each object
    return (("default_factory", {"[]": "list", "{}": "dict"}.get(text, f"lambda: {text}")),)


def _typed(annotation: Annotation, default: Arguments, is_nullable: bool) -> tuple[str, Arguments]:
    """The type as source, and what goes into `Field` with it."""
    if default == _NULL and not is_nullable:
        return f"Omittable[{annotation.bounded}]", default
    text = f"{annotation.text} | None" if is_nullable and annotation.text != "Any" else annotation.text
    return text, (*default, *annotation.bounds)


def _scalar_of(kind: FieldType) -> Scalar | None:
    match kind:
        case Scalar():
            return kind
        case ListOf(item=item):
            return _scalar_of(item)
    return None


def _aliases(name: str) -> Arguments:
    """Two of them, because type checkers take a lone `alias` for the name of the argument, which it need not be."""
    return (("validation_alias", literal(name)), ("serialization_alias", literal(name)))
