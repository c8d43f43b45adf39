"""Names of a source → identifiers of Python: valid, unique, and the same in whatever order the names come.

A name that can stay as it is stays. `model.FieldSpec.name` remains what JSON and the ORM call a field, as its alias.
"""

import keyword
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.schemas.model import EnumOf, EnumSpec, FieldType, ListOf, ModelOf, ModelSpec, SchemaSource

VARIANTS: Final = ("Create", "Update", "Response", "WithRelations")
"""What the names of a model's classes end with."""

MODULE_NAMES: Final = frozenset({
    "Annotated", "Any", "AwareDatetime", "Base64", "BaseModel", "BeforeValidator", "ConfigDict", "CoreSchema",
    "Decimal", "Enum", "Field", "GetCoreSchemaHandler", "IPvAnyInterface", "IPvAnyNetwork", "IntEnum", "JsonValue",
    "NaiveDatetime", "NotNull", "Omittable", "PlainSerializer", "Related", "StrEnum", "TypeVar", "UUID", "ValueError",
    "WithJsonSchema", "b64decode", "b64encode", "bool", "bytes", "classmethod", "dict", "float", "int", "ip_interface",
    "ip_network", "isinstance", "list", "property", "str", "tuple", "type",
})  # fmt: skip
"""What a module of schemas refers to: a field or class of such a name would hide it."""

MODEL_ATTRIBUTES: Final = frozenset({
    "construct", "copy", "dict", "from_orm", "json", "model_computed_fields", "model_config", "model_construct",
    "model_copy", "model_dump", "model_dump_json", "model_extra", "model_fields", "model_fields_set",
    "model_json_schema", "model_parametrized_name", "model_post_init", "model_rebuild", "model_validate",
    "model_validate_json", "model_validate_strings", "parse_file", "parse_obj", "parse_raw", "schema", "schema_json",
    "update_forward_refs", "validate",
})  # fmt: skip
"""What every model of Pydantic has. A list of our own: another release of Pydantic must not rename a field."""

TEXT_ATTRIBUTES: Final = frozenset({
    "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find", "format", "format_map",
    "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric",
    "isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower", "lstrip", "maketrans", "partition",
    "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split",
    "splitlines", "startswith", "strip", "swapcase", "title", "translate", "upper", "zfill",
})  # fmt: skip
INTEGER_ATTRIBUTES: Final = frozenset({
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "from_bytes", "imag", "is_integer",
    "numerator", "real", "to_bytes",
})  # fmt: skip
MEMBER_ATTRIBUTES: Final = frozenset({"mro", "name", "value"})
"""What every member of an enumeration has beside them."""

BUILT_IN_CLASSES: Final = frozenset({
    "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "BaseExceptionGroup", "BlockingIOError",
    "BrokenPipeError", "BufferError", "BytesWarning", "ChildProcessError", "ConnectionAbortedError", "ConnectionError",
    "ConnectionRefusedError", "ConnectionResetError", "DeprecationWarning", "EOFError", "Ellipsis", "EncodingWarning",
    "EnvironmentError", "Exception", "ExceptionGroup", "FileExistsError", "FileNotFoundError", "FloatingPointError",
    "FutureWarning", "GeneratorExit", "IOError", "ImportError", "ImportWarning", "IndentationError", "IndexError",
    "InterruptedError", "IsADirectoryError", "KeyError", "KeyboardInterrupt", "LookupError", "MemoryError",
    "ModuleNotFoundError", "NameError", "NotADirectoryError", "NotImplemented", "NotImplementedError", "OSError",
    "OverflowError", "PendingDeprecationWarning", "PermissionError", "ProcessLookupError", "PythonFinalizationError",
    "RecursionError", "ReferenceError", "ResourceWarning", "RuntimeError", "RuntimeWarning", "StopAsyncIteration",
    "StopIteration", "SyntaxError", "SyntaxWarning", "SystemError", "SystemExit", "TabError", "TimeoutError",
    "TypeError", "UnboundLocalError", "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeError",
    "UnicodeTranslateError", "UnicodeWarning", "UserWarning", "ValueError", "Warning", "ZeroDivisionError",
})  # fmt: skip
"""What is built in and begins with a capital letter. Like the attributes above up to Python 3.14, and lists of our own:
no release of Python may rename what is generated."""

_ENUM_ATTRIBUTES: Final = MEMBER_ATTRIBUTES | TEXT_ATTRIBUTES | INTEGER_ATTRIBUTES
_FIRST_TAKEN = 2


@dataclass(frozen=True, slots=True)
class Names:
    """The identifiers of a source, by the names that the source has."""

    models: Mapping[str, str]
    """What the names of a model's classes begin with."""
    enums: Mapping[str, str]
    fields: Mapping[str, Mapping[str, str]]
    """By model."""


def name_all(source: SchemaSource) -> Names:
    """Identifiers for all that the source names."""
    models = _unique((model.name for model in source.models), MODULE_NAMES, "Model", as_class=True)
    taken = {f"{model}{variant}" for model in models.values() for variant in VARIANTS} | MODULE_NAMES
    enums = _unique((enum.name for enum in source.enums), taken, "Choice", as_class=True)
    hidden = {**{f"model:{name}": f"{to}Response" for name, to in models.items()}, **_prefixed("enum:", enums)}
    fields = {model.name: name_fields(model, hidden) for model in source.models}
    return Names(models, enums, fields)


def name_fields(model: ModelSpec, classes: Mapping[str, str]) -> Mapping[str, str]:
    """Identifiers of its fields. `classes` are those that an annotation may refer to, by kind and name."""
    used = {classes[name] for field in model.fields for name in _referred(field.type) if name in classes}
    return _unique((field.name for field in model.fields), MODULE_NAMES | MODEL_ATTRIBUTES | used, "field")


def name_members(enum: EnumSpec) -> tuple[str, ...]:
    """Identifiers of its members, in their order."""
    names = _unique((name for name, _ in enum.members), _ENUM_ATTRIBUTES, "member")
    return tuple(names[name] for name, _ in enum.members)


def words(name: str) -> str:
    """The name as a reader would say it: `OrderItem` → `order item`."""
    spaced = "".join(
        f" {letter}" if letter.isupper() and before.islower() else letter
        for before, letter in zip(f" {name}", name, strict=False)
    )
    return " ".join(spaced.replace("_", " ").split()).lower()


def is_encodable(name: str) -> bool:
    """Whether it can be a key of JSON or a column at all: half of a surrogate pair cannot."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _prefixed(prefix: str, names: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}{name}": identifier for name, identifier in names.items()}


def _referred(kind: FieldType) -> Iterable[str]:
    match kind:
        case ListOf(item=item):
            yield from _referred(item)
        case EnumOf(name=name):
            yield f"enum:{name}"
        case ModelOf(name=name):
            yield f"model:{name}"


def _unique(
    names: Iterable[str], reserved: Collection[str], fallback: str, *, as_class: bool = False
) -> Mapping[str, str]:
    """Names that can stay are given first; the others follow in their own order, numbered where one is taken."""
    offered = {name: _identifier(name, reserved, fallback, as_class) for name in sorted(set(names))}
    given: dict[str, str] = {}
    taken: set[str] = set()
    for name, identifier in sorted(offered.items(), key=lambda item: (item[0] != item[1], item[0])):
        free, number = identifier, _FIRST_TAKEN
        while free in taken or free in reserved:
            free, number = f"{identifier}_{number}", number + 1
        given[name] = free
        taken.add(free)
    return given


def _identifier(name: str, reserved: Collection[str], fallback: str, as_class: bool) -> str:
    normal = unicodedata.normalize("NFKC", name)
    if not normal.isidentifier() or normal.startswith("_"):
        kept = "".join(letter if f"a{letter}".isidentifier() else "_" for letter in normal)
        normal = kept.strip("_") or fallback
    # Python normalises, too: without what stood between them, letters may have become one
    normal = unicodedata.normalize("NFKC", _class_name(normal) if as_class else normal)
    if not normal.isidentifier():
        normal = f"{fallback}_{normal}"
    return f"{normal}_" if keyword.iskeyword(normal) or normal in reserved else normal


def _class_name(name: str) -> str:
    """Of `order_items`, `OrderItems`; a name that begins with a capital letter stays."""
    if name[:1].isupper():
        return name
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
