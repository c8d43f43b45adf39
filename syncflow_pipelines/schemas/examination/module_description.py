"""The classes of a module and what their fields let in, read in a process of its own: the module's code runs."""

import sys
from collections.abc import Callable
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, JsonValue, NaiveDatetime
from pydantic.fields import FieldInfo

from syncflow_pipelines.schemas.examination.module_validation import classes_of, import_code

Json = Any

_MODULE: Final = "schemas_under_examination"
_REASON_LENGTH: Final = 500
_CONSTRAINTS: Final = ("min_length", "max_length", "ge", "gt", "le", "lt", "multiple_of", "max_digits",
                       "decimal_places", "pattern")  # fmt: skip
_SAME: Final[dict[Any, str]] = {AwareDatetime: "datetime", NaiveDatetime: "datetime", JsonValue: "Any"}


def describe_text(text: str) -> Json:
    """`classes`, or why the module cannot be imported: `error`."""
    return _described(lambda: import_code(compile(text, f"{_MODULE}.py", "exec", dont_inherit=True), _MODULE))


def describe_file(path: str, folders: list[str]) -> Json:
    """The same of a file, which is imported as a module of the first folder that it lies in."""
    sys.path[:0] = folders
    return _described(lambda: import_module(_module_name(Path(path), [Path(folder) for folder in folders])))


def _described(imported: Callable[[], ModuleType]) -> Json:
    try:
        module = imported()
        return {"classes": {each.__name__: _fields(each) for each in classes_of(module)}}
    except BaseException as error:  # noqa: BLE001 - the module's code may raise anything
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:_REASON_LENGTH]}


def _module_name(path: Path, folders: list[Path]) -> str:
    for folder in folders:
        if path.is_relative_to(folder):
            return ".".join(path.relative_to(folder).with_suffix("").parts)
    raise ModuleNotFoundError(f"{path} lies in none of {', '.join(map(str, folders))}")


def _fields(schema: type[BaseModel]) -> Json:
    schema.model_rebuild()
    return {name: _field(field) for name, field in schema.model_fields.items()}


def _field(field: FieldInfo) -> Json:
    facts = _Facts()
    text = facts.read(field.annotation, field.metadata)
    return {
        "type": text,
        "nullable": facts.is_nullable and not facts.refuses_null,
        "required": field.is_required(),
        "constraints": facts.constraints,
        "alias": field.validation_alias if isinstance(field.validation_alias, str) else None,
    }


class _Facts:
    """What an annotation says beside its type."""

    def __init__(self) -> None:
        self.constraints: dict[str, str] = {}
        self.is_nullable = False
        self.refuses_null = False

    def read(self, annotation: Any, metadata: Any = ()) -> str:
        """The type as text, whichever way it is written."""
        for each in metadata:
            self._note(each)
        if get_origin(annotation) is Annotated:
            inner, *more = get_args(annotation)
            return self.read(inner, more)
        if get_origin(annotation) in (Union, UnionType):
            members = [member for member in get_args(annotation) if member is not NoneType]
            self.is_nullable = self.is_nullable or len(members) < len(get_args(annotation))
            return " | ".join(self.read(member) for member in members)
        return shown(annotation)

    def _note(self, metadata: Any) -> None:
        # what generated modules say it with
        self.refuses_null = self.refuses_null or type(metadata).__name__ == "_LeftOut"
        for each in metadata.metadata if isinstance(metadata, FieldInfo) else (metadata,):
            for name in _CONSTRAINTS:
                if (value := getattr(each, name, None)) is not None:
                    self.constraints[name] = str(getattr(value, "pattern", value))


def shown(annotation: Any) -> str:
    """A type as text. Enumerations are the same where their values are."""
    if annotation in (Any, None, NoneType):
        return "None" if annotation is not Any else "Any"
    for special, text in _SAME.items():
        if annotation is special:
            return text
    if get_origin(annotation) is Annotated:
        return shown(get_args(annotation)[0])
    if get_origin(annotation) is not None:
        return _generic(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"enum of {', '.join(repr(member.value) for member in annotation)}"
    return getattr(annotation, "__name__", None) or str(annotation)


def _generic(annotation: Any) -> str:
    origin = get_origin(annotation)
    arguments = [shown(argument) if argument is not ... else "..." for argument in get_args(annotation)]
    if origin in (Union, UnionType):
        return " | ".join(arguments)
    name = getattr(origin, "__name__", str(origin))
    if name == "Literal":
        return f"enum of {', '.join(map(repr, get_args(annotation)))}"
    return f"{name}[{', '.join(arguments)}]"
