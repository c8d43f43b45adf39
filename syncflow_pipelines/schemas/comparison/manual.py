"""Generated schemas beside those that somebody wrote: what differs, and what would be lost by changing over."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from syncflow_pipelines.errors import ModelsError
from syncflow_pipelines.schemas.comparison.manual_source import CustomLogic, custom_logic, described
from syncflow_pipelines.schemas.examination.process import Examiner

Json = Any

Aspect = Literal["type", "nullable", "required", "constraints"]

_CAPITAL: Final = re.compile(r"\b(Dict|List|Set|FrozenSet|Tuple)(?=\[)")
_PREFIX: Final = re.compile(r"\b\w+\.")
_ASPECTS: Final[tuple[Aspect, ...]] = ("type", "nullable", "required", "constraints")


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that both have, and one thing that they say differently of it."""

    field: str
    aspect: Aspect
    manual: str
    generated: str


@dataclass(frozen=True, slots=True)
class ClassComparison:
    """A class that both have."""

    name: str
    only_manual: tuple[str, ...] = ()
    """Fields that the generated one lacks."""
    only_generated: tuple[str, ...] = ()
    """Fields that the one written by hand lacks."""
    differing: tuple[Difference, ...] = ()

    @property
    def is_same(self) -> bool:
        return not (self.only_manual or self.only_generated or self.differing)


@dataclass(frozen=True, slots=True)
class ManualComparison:
    """Generated schemas beside those that somebody wrote."""

    manual_path: str
    classes: tuple[ClassComparison, ...]
    """Those that both have, by name."""
    only_manual: tuple[str, ...]
    only_generated: tuple[str, ...]
    custom: tuple[CustomLogic, ...]
    """By line; to be moved into classes derived from the generated ones."""
    read_as_text: str = ""
    """Why the ones written by hand could not be imported, so that their types are compared as they are spelled."""

    @property
    def is_same(self) -> bool:
        """Whether nothing would change."""
        return not (self.only_manual or self.only_generated or any(not each.is_same for each in self.classes))

    def as_json(self) -> Json:
        """For programs."""
        return {**asdict(self), "is_same": self.is_same}

    def as_text(self) -> str:
        """For people, a line each; without an end of line."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        same = sum(each.is_same for each in self.classes)
        yield f"{self.manual_path}: {len(self.classes)} classes are generated, too; {same} of them just so"
        if self.read_as_text:
            yield f"  it could not be imported ({self.read_as_text}), and was read as text"
        if self.only_manual:
            yield f"  not generated: {', '.join(self.only_manual)}"
        if self.only_generated:
            yield f"  generated only: {', '.join(self.only_generated)}"
        for each in self.classes:
            yield from _class_lines(each)
        if self.custom:
            yield "  to be moved into derived classes:"
        for logic in self.custom:
            yield f"    line {logic.line}: {logic.schema}.{logic.name} ({logic.kind})"


def compare_with_manual(
    generated: str, manual_path: Path, examiner: Examiner, *, root: Path | None = None
) -> ManualComparison:
    """The generated module's text beside the file.

    The file is imported in a process of its own, from `root` (the working directory, unless given) or from the folder
    that its package lies in, and read as text where that fails. Raises `ModelsError` where it cannot even be read so.
    """
    tree = _parsed(manual_path)
    by_hand, error = _manual(manual_path, tree, root or Path.cwd(), examiner)
    made = examiner.ask({"job": "describe_text", "text": generated})
    if "classes" not in made:
        raise ModelsError(f"the generated schemas do not import: {made.get('error') or made.get('ended')}")
    ours: Mapping[str, Json] = made["classes"]
    both = sorted(set(ours) & set(by_hand))
    return ManualComparison(
        manual_path=str(manual_path),
        classes=tuple(_compared(name, by_hand[name], ours[name], error != "") for name in both),
        only_manual=tuple(sorted(set(by_hand) - set(ours))),
        only_generated=tuple(sorted(set(ours) - set(by_hand))),
        custom=custom_logic(tree),
        read_as_text=error,
    )


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except OSError as error:
        raise ModelsError(f"{path} cannot be read ({error.strerror}); mend manual_schema_path") from error
    except SyntaxError as error:
        raise ModelsError(
            f"{path}, line {error.lineno or 1}: {error.msg}; mend it, or leave manual_schema_path out"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ModelsError(f"{path} is not Python ({error}); mend it, or leave manual_schema_path out") from error


def _manual(path: Path, tree: ast.Module, root: Path, examiner: Examiner) -> tuple[Mapping[str, Json], str]:
    """Its classes, and why it could not be imported."""
    absolute = path.resolve()
    folders = [folder for folder in (root.resolve(), _package_root(absolute)) if absolute.is_relative_to(folder)]
    found = examiner.ask(
        {"job": "describe_file", "path": str(absolute), "folders": list(dict.fromkeys(map(str, folders)))}
    )
    if "classes" in found:
        return found["classes"], ""
    return described(tree), found.get("error") or found["ended"]


def _package_root(path: Path) -> Path:
    folder = path.parent
    while (folder / "__init__.py").exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _compared(name: str, manual: Json, generated: Json, is_text: bool) -> ClassComparison:
    both = [field for field in manual if field in generated]
    differing = [
        Difference(field, aspect, _told(manual[field][aspect]), _told(generated[field][aspect]))
        for field in both
        for aspect in _ASPECTS
        if not _is_same(manual[field][aspect], generated[field][aspect], is_text and aspect == "type")
    ]
    return ClassComparison(
        name,
        tuple(field for field in manual if field not in generated),
        tuple(field for field in generated if field not in manual),
        tuple(differing),
    )


def _is_same(manual: Json, generated: Json, is_text: bool) -> bool:
    """Whether they say the same. Of a text it cannot be told whether a name is that of the same enumeration."""
    if not is_text:
        return bool(manual == generated)
    spelled = _PREFIX.sub("", _CAPITAL.sub(lambda found: found[0].lower(), manual))
    return spelled == generated or (generated.startswith("enum of") and spelled.isidentifier())


def _told(value: Json) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={bound}" for name, bound in sorted(value.items())) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _class_lines(each: ClassComparison) -> Iterator[str]:
    if each.only_manual:
        yield f"  {each.name}: missing {', '.join(each.only_manual)}"
    if each.only_generated:
        yield f"  {each.name}: extra {', '.join(each.only_generated)}"
    for difference in each.differing:
        if difference.aspect != "nullable":
            spoken = f"{difference.aspect} {difference.manual} by hand, {difference.generated} generated"
            yield f"  {each.name}.{difference.field}: {spoken}"
    for answer, told in (("yes", "null is let in by hand only"), ("no", "null is let in by the generated one only")):
        fields = [each.field for each in each.differing if each.aspect == "nullable" and each.manual == answer]
        if fields:
            yield f"  {each.name}: {told}: {', '.join(fields)}"
