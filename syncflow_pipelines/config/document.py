"""A YAML file → values filled from the environment → a pydantic model, or every mistake with its line.

Nothing here knows what a file is about: `read_document(path, environment)`, then `document.validated(Model)`.
A key without a value, or one that the environment fills with nothing, counts as absent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from syncflow_pipelines.config import yaml_tree
from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.config.explanations import Explanation, explanations
from syncflow_pipelines.config.interpolation import Filled, UnfilledText, fill, template
from syncflow_pipelines.config.mistakes import Location, Mistake, path_text, refusal, shown

MAX_BYTES = 2_097_152
PRIVATE_KEYS = frozenset({"auth"})
"""Nothing below these keys is shown, but for `type`: a secret may be written there by mistake."""

Model = TypeVar("Model", bound=BaseModel)
Check = Callable[[Any], Iterable[Explanation]]
"""Finds mistakes that lie between values. It is given all that the file holds, valid or not."""

EACH: Final = object()
"""Any item of a list, or any key of a mapping; see `select`."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that could be read as YAML; whether it makes sense is for a model to say."""

    path: Path
    root: yaml_tree.Node
    data: Any
    """Plain values, filled; `Filled` where text came from the environment."""
    mistakes: tuple[Mistake, ...]
    """Mistakes of the text itself, and references that cannot be filled."""
    broken: frozenset[Location]
    """Where a reference cannot be filled; nothing more is said of those values."""

    def validated(
        self, model: type[Model], *, context: Mapping[str, Any] | None = None, checks: Iterable[Check] = ()
    ) -> Model:
        """The model of the file. Raises `ConfigurationError` with every mistake.

        `context` is what the model's validators see as `info.context`.
        """
        valid: Model | None = None
        found: list[Explanation] = []
        try:
            valid = model.model_validate(self.data, context=context)
        except ValidationError as error:
            # The error holds the values: it must neither be shown nor become a cause.
            found.extend(explanations(error, model))
        found.extend(explanation for check in checks for explanation in check(self.data))
        mistakes = [*self.mistakes, *self._told(found)]
        if valid is None or mistakes:
            raise refusal(str(self.path), mistakes)
        return valid

    def line(self, location: Location) -> int:
        """The line of the value there, or of what would hold it."""
        return _find(self.root, location)[1]

    def _told(self, found: Iterable[Explanation]) -> Iterator[Mistake]:
        for explanation in found:
            if explanation.location not in self.broken:
                yield self.mistake(explanation)

    def mistake(self, explanation: Explanation) -> Mistake:
        """The explanation with its line; where nothing is at its place, that of what is nearest above."""
        location = explanation.location
        node, line = _find(self.root, location)
        found = _describe(node, location, explanation.found)
        return Mistake(self.path.name, line, path_text(location), found, explanation.expected)


def read_document(path: Path, environment: Environment, variables: Mapping[str, str] | None = None) -> Document | None:
    """The document in the file, or None where there is no such file.

    `variables` go before those of the environment. Raises `ConfigurationError` where the file cannot be
    read as YAML at all.
    """
    text = read_text(path)
    if text is None:
        return None
    root, flaws = yaml_tree.parse_yaml(text)
    mistakes = [Mistake(path.name, flaw.line, "", flaw.found, flaw.expected) for flaw in flaws]
    if root is None:
        raise refusal(str(path), mistakes)
    known = {name: variable.value for name, variable in environment.snapshot().items()}
    reader = _Filler(path.name, known | dict(variables or {}))
    data = reader.value(root, ())
    all_mistakes = (*mistakes, *reader.mistakes)
    return Document(path, root, {} if data is None else data, all_mistakes, frozenset(reader.broken))


def select(data: Any, *pattern: object) -> Iterator[tuple[Location, Any]]:
    """The values at a pattern such as `"connectors", EACH, "name"`, each with its location.

    What has another shape is passed over.
    """
    if not pattern:
        yield (), data
        return
    first, rest = pattern[0], pattern[1:]
    for key, value in _parts(data):
        if first is EACH or (key == first and isinstance(data, dict)):
            yield from (((key, *location), found) for location, found in select(value, *rest))


def _parts(data: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(data, dict):
        return data.items()
    return enumerate(data) if isinstance(data, list) else ()


class _Filler:
    """Turns nodes into plain values, and collects the references that cannot be filled."""

    def __init__(self, file: str, variables: Mapping[str, str]) -> None:
        self.file = file
        self.variables = variables
        self.mistakes: list[Mistake] = []
        self.broken: set[Location] = set()

    def value(self, node: yaml_tree.Node, location: Location) -> Any:
        if isinstance(node, yaml_tree.Mapping):
            return self.mapping(node, location)
        if isinstance(node, yaml_tree.Sequence):
            return [self.value(item, (*location, index)) for index, item in enumerate(node.items)]
        if "${" not in node.text:
            return yaml_tree.plain_value(node.text) if node.is_plain else node.text
        return self.filled(node, location)

    def mapping(self, node: yaml_tree.Mapping, location: Location) -> dict[str, Any]:
        values = {}
        for key, part in node.entries.items():
            if "${" in key:
                where = path_text(location)
                self.mistakes.append(
                    Mistake(self.file, node.key_lines[key], where, "a ${…} in a key", "keys as they are, without ${…}")
                )
            value = self.value(part, (*location, key))
            if value is not None:
                values[key] = value
        return values

    def filled(self, node: yaml_tree.Scalar, location: Location) -> str | None:
        try:
            text = fill(node.text, self.variables.get)
        except UnfilledText as unfilled:
            self.mistakes.append(Mistake(self.file, node.line, path_text(location), unfilled.found, unfilled.expected))
            self.broken.add(location)
            return Filled("?")
        return None if isinstance(text, Filled) and not text else text


def read_text(path: Path) -> str | None:
    """The text of a file of configuration; None where there is no such file. Raises `ConfigurationError`."""
    try:
        if not path.exists() and not path.is_symlink():
            return None
        if not path.is_file():
            raise refusal(str(path), [Mistake(path.name, 0, "", "something that is no file", "a file")])
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise refusal(str(path), [Mistake(path.name, 0, "", f"an error ({cause})", "a readable file")]) from error
    if len(content) > MAX_BYTES:
        raise refusal(str(path), [Mistake(path.name, 0, "", "a larger file", f"{MAX_BYTES:,} bytes or less")])
    return _decoded(path, content)


def _decoded(path: Path, content: bytes) -> str:
    line = 1
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line += content[: error.start].count(b"\n")
    encoding = "UTF-16 text" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "bytes that are not UTF-8"
    raise refusal(str(path), [Mistake(path.name, line, "", encoding, "UTF-8 text")])


def _find(root: yaml_tree.Node, location: Location) -> tuple[yaml_tree.Node | None, int]:
    """The node at a location (None: it is not there) and the line to point at."""
    node, line = root, root.line
    for part in location:
        if isinstance(node, yaml_tree.Mapping) and part in node.entries:
            line, node = node.key_lines[str(part)], node.entries[str(part)]
        elif isinstance(node, yaml_tree.Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line = node.line
        else:
            return None, line
    return node, line


def _describe(node: yaml_tree.Node | None, location: Location, found: str | None) -> str:
    if node is None or _is_blank(node):
        return found or "nothing"
    if not isinstance(node, yaml_tree.Scalar):
        return found or ("a mapping" if isinstance(node, yaml_tree.Mapping) else "a list")
    if PRIVATE_KEYS.intersection(map(str, location)) and location[-1] != "type":
        return found or "a value that is not shown here"
    if "${" in node.text:
        return f"{shown(template(node.text))} ({found or 'filled from the environment'})"
    if found:
        return found
    is_text = not node.is_plain or isinstance(yaml_tree.plain_value(node.text), str)
    return shown(node.text) if is_text else node.text


def _is_blank(node: yaml_tree.Node) -> bool:
    return isinstance(node, yaml_tree.Scalar) and node.is_plain and yaml_tree.plain_value(node.text) is None


def names_once(part: str, *, folded: bool = False) -> Callable[[Any], Iterator[Explanation]]:
    """A check that no two items of the list `part` have one `name`.

    `folded`: nor names that differ in case or in `-` and `_` alone, which would share a module, a schema or a file.
    """
    unlike = " (upper and lower case, - and _ count as equal)" if folded else ""

    def check(data: Any) -> Iterator[Explanation]:
        first: dict[str, Location] = {}
        for location, name in select(data, part, EACH, "name"):
            if not isinstance(name, str):
                continue
            same = name.lower().replace("-", "_") if folded else name
            if (before := first.setdefault(same, location)) != location:
                yield Explanation(location, f"a name unlike {path_text(before)}{unlike}")

    return check
