"""Is a module of schemas sound? Looked at in a process of its own, which this module then breaks for others.

It has to be Python, to import, and to offer what it says; every class has to have a JSON Schema and to take a sample.
"""

import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from syncflow_pipelines.schemas.examination.samples import NoSample, Samples, mended

Json = Any

_MODULE: Final = "schemas_under_examination"
_REASON_LENGTH: Final = 500
_FAILURES: Final = (PydanticUserError, NameError, TypeError, ValueError, RecursionError)
"""What making a JSON Schema raises."""


def validate_text(text: str, exports: Sequence[str] | None, must_take_samples: bool) -> Json:
    """`problems`, each with its stage, place and reason, and the numbers of `classes` and `samples`."""
    try:
        code = compile(text, f"{_MODULE}.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _outcome([_problem("syntax", _line_of(error), error)])
    try:
        module = import_code(code, _MODULE)
    except BaseException as error:  # noqa: BLE001 - the module's code may raise anything
        return _outcome([_problem("imports", _line_of(error), error)])
    problems = list(_wrong_exports(module, exports))
    classes = classes_of(module)
    schemas, without = _json_schemas(classes)
    problems += without
    samples, refused = _try_samples(schemas)
    return _outcome(problems + (refused if must_take_samples else []), len(classes), samples)


def import_code(code: Any, name: str) -> ModuleType:
    """The module. Raises whatever it raises."""
    module = ModuleType(name)
    sys.modules[name] = module
    exec(code, module.__dict__)  # noqa: S102 - that is what this process is for
    return module


def classes_of(module: ModuleType) -> list[type[BaseModel]]:
    """The models of Pydantic that it defines itself, in its order."""
    found = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, BaseModel))
    return list(dict.fromkeys(each for each in found if each.__module__ == module.__name__))


def _outcome(problems: list[Json], classes: int = 0, samples: int = 0) -> Json:
    return {"problems": problems, "classes": classes, "samples": samples}


def _problem(stage: str, where: str, error: BaseException | str) -> Json:
    reason = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return {"stage": stage, "where": where, "reason": " ".join(reason.split())[:_REASON_LENGTH]}


def _line_of(error: BaseException) -> str:
    """Where in the module it was raised."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"line {error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == f"{_MODULE}.py":
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f"line {lines[-1]}" if lines else ""


def _wrong_exports(module: ModuleType, exports: Sequence[str] | None) -> Iterator[Json]:
    offered = list(getattr(module, "__all__", ()))
    for name in offered:
        if not hasattr(module, name):
            yield _problem("structure", name, "it is in __all__ and nowhere else")
    if exports is not None and offered != list(exports):
        yield _problem("structure", "__all__", "it is not what was to be generated")


def _json_schemas(classes: list[type[BaseModel]]) -> tuple[dict[type[BaseModel], Json], list[Json]]:
    """The JSON Schemas that can be made, and the classes of which none can be.

    All are made at once, since each would bring all that it holds; and one by one when that fails, to learn which is to
    blame.
    """
    try:
        return _made_at_once(classes), []
    except _FAILURES:
        pass
    found, problems = {}, []
    for each in classes:
        try:
            each.model_rebuild()
            found[each] = each.model_json_schema()
        except _FAILURES as error:
            problems.append(_problem("structure", each.__name__, error))
    return found, problems


class _Definitions(GenerateJsonSchema):
    """Many JSON Schemas as definitions of each other: not sorted, without titles and short names, since nobody reads
    them.
    """

    mode: JsonSchemaMode = "validation"
    """The other one would give no samples. Asked for at every step, where it is slow to look for."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def encode_default(self, dft: Any) -> Json:
        return None if dft is None else super().encode_default(dft)  # most defaults are, and it is slow

    def has_all(self) -> bool:
        """Whether there is a definition of all that is referred to: of what has no JSON Schema there is none."""
        names = {name.removeprefix("#/$defs/") for name in _references(self.definitions)}
        return names <= self.definitions.keys()


def _made_at_once(classes: list[type[BaseModel]]) -> dict[type[BaseModel], Json]:
    for each in classes:
        each.model_rebuild()
    generator = _Definitions()
    found = {each: generator.generate_inner(each.__pydantic_core_schema__) for each in classes}
    if not generator.has_all():
        raise TypeError("something that a class holds has no JSON Schema")
    return {each: {**schema, "$defs": generator.definitions} for each, schema in found.items()}


def _references(schema: Json) -> Iterator[str]:
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if isinstance(each.get("$ref"), str):
                yield each["$ref"]
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _try_samples(schemas: dict[type[BaseModel], Json]) -> tuple[int, list[Json]]:
    """How many classes took a sample, and those that did not."""
    taken, refused = 0, []
    for each, schema in schemas.items():
        try:
            _take(each, Samples(schema.get("$defs", {})).of(schema, is_outermost=True))
        except NoSample:
            continue
        except ValidationError as error:
            refused.append(_problem("structure", each.__name__, f"it refuses a sample: {_told(error)}"))
        except Exception as error:  # noqa: BLE001 - a validator of the project's own may raise anything
            refused.append(_problem("structure", each.__name__, error))
        else:
            taken += 1
    return taken, refused


def _take(schema: type[BaseModel], sample: Json) -> None:
    try:
        schema.model_validate(sample)
    except ValidationError as error:
        schema.model_validate(mended(sample, error))


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
