"""YAML text → a tree that knows its lines.

Read from the parser's events rather than by a loader: nothing is constructed, tags are refused, and
depth and size are limited while the text is read. Plain scalars follow the core schema of YAML 1.2,
so that `no` is text and `true` is not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from syncflow_pipelines.config.mistakes import shown

MAX_DEPTH = 32
MAX_VALUES = 200_000
"""Values of a document, an alias counting as much as what it stands for."""

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts."""

    line: int
    text: str
    is_plain: bool
    """Written without quotes: it may stand for a number, a switch or nothing."""
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    items: tuple["Node", ...]
    weight: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys, which are always text, and their values."""

    line: int
    entries: dict[str, "Node"]
    key_lines: dict[str, int]
    weight: int


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with the text itself."""

    line: int
    found: str
    expected: str


class Unreadable(ValueError):
    """The text cannot be read past this flaw."""

    def __init__(self, line: int, found: str, expected: str) -> None:
        super().__init__(line, found, expected)
        self.flaw = Flaw(line, found, expected)


def parse_yaml(text: str) -> tuple[Node | None, tuple[Flaw, ...]]:
    """The tree of a YAML text, or None where it cannot be read, and all flaws that were found.

    An empty text is an empty plain scalar. Of a key that is there twice the first value is kept.
    """
    flaws = tuple(
        Flaw(line, f"the character U+{ord(match[0]):04X}", "printable text")
        for line, content in enumerate(re.split(r"\r\n|\r|\n", text), 1)
        if (match := _UNPRINTABLE.search(content))
    )
    if flaws:
        return None, flaws
    builder = _Builder(text)
    try:
        return builder.document(), tuple(builder.flaws)
    except Unreadable as unreadable:
        return None, (*builder.flaws, unreadable.flaw)


def plain_value(text: str) -> str | int | float | bool | None:
    """What text without quotes stands for: nothing, a switch, a number or just itself.

    A number with leading zeros, underscores or more than 19 digits is text.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


@dataclass(slots=True)
class _Builder:
    text: str
    flaws: list[Flaw] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    count: int = 0

    def document(self) -> Node:
        events = self.events()
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise Unreadable(_line(event), "a second document (---)", "one document in a file")
                root = self.node(next(events), events, 1)
        return root or Scalar(1, "", True)

    def events(self) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(self.text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            flaw = _syntax_flaw(error, self.text)
        else:
            return
        raise Unreadable(flaw.line, flaw.found, flaw.expected)

    def node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        assert isinstance(event, yaml.NodeEvent)
        self.anchors.pop(event.anchor or "", None)
        self.refuse_tag(event)
        if depth > MAX_DEPTH:
            raise Unreadable(_line(event), "values that are nested too deep", f"{MAX_DEPTH} levels or less")
        node = self.value(event, events, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def value(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        self.weigh(1, _line(event))
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(_line(event), event.value, event.style is None or event.style == "")
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(event, events, depth)
        return self.mapping(event, events, depth)

    def sequence(self, start: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Sequence:
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self.node(event, events, depth + 1))
        return Sequence(_line(start), tuple(items), 1 + sum(item.weight for item in items))

    def mapping(self, start: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Mapping:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self.key(self.node(event, events, depth + 1))
            node = self.node(next(events), events, depth + 1)
            if key is None:
                continue
            if key in entries:
                self.flaws.append(
                    Flaw(_line(event), f"the key {shown(key)} again (first on line {lines[key]})", "every key once")
                )
                continue
            entries[key], lines[key] = node, _line(event)
        return Mapping(_line(start), entries, lines, 1 + sum(1 + node.weight for node in entries.values()))

    def key(self, node: Node) -> str | None:
        if isinstance(node, Scalar) and node.text != "<<":
            return node.text
        found = "a merge key (<<)" if isinstance(node, Scalar) else "a list or a mapping as a key"
        self.flaws.append(Flaw(node.line, found, "text as a key"))
        return None

    def alias(self, event: yaml.AliasEvent) -> Node:
        node = self.anchors.get(event.anchor or "")
        if node is None:
            raise Unreadable(
                _line(event), "an alias (text that begins with *) of nothing above it", "quotes, if it is text"
            )
        self.weigh(node.weight, _line(event))
        return node

    def weigh(self, weight: int, line: int) -> None:
        self.count += weight
        if self.count > MAX_VALUES:
            raise Unreadable(line, "too many values, aliases counted in full", f"{MAX_VALUES:,} or less")

    def refuse_tag(self, event: yaml.NodeEvent) -> None:
        # The tag is not told: it may be a secret that begins with an exclamation mark.
        if getattr(event, "tag", None) is not None:
            self.flaws.append(Flaw(_line(event), "a tag (text that begins with !)", "no tag; quotes, if it is text"))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _syntax_flaw(error: yaml.MarkedYAMLError, text: str) -> Flaw:
    lines = text.splitlines() or [""]
    mark = error.problem_mark or error.context_mark
    line = min((mark.line if mark else 0) + 1, len(lines))
    written = lines[line - 1]
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return Flaw(line, "a tab in the indentation", "spaces")
    if "flow" in (error.context or "") and "${" in written:
        return Flaw(line, "a ${…} without quotes between braces or brackets", 'quotes around it: "${NAME}"')
    problem = " ".join(filter(None, (error.problem, error.context)))
    return Flaw(line, f"a mistake in the YAML ({problem})", "YAML")
