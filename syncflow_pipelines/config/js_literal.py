"""The object that a JavaScript or TypeScript module exports, or that JSON holds, read without running anything.

What is written out is read: objects, lists, texts, numbers, `true`, `false` and `null`, with comments, trailing commas
and TypeScript's `as` and `satisfies`. What only running code would tell is `Unread`, and everything around it is read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from syncflow_pipelines.config.js_tokens import Token, tokens_of
from syncflow_pipelines.config.mistakes import Location
from syncflow_pipelines.config.yaml_tree import MAX_DEPTH, Mapping, Node, Scalar, Sequence, Unreadable, plain_value

_OPEN: Final = ("{", "[", "(")
_CLOSED: Final = ("}", "]", ")")
_ENDS: Final = (",", ";", *_CLOSED)
_WORDS: Final = {"true": "true", "false": "false", "null": "null", "undefined": "null"}
_DECIMAL: Final = re.compile(r"0(?:\.\d*)?(?:[eE][+-]?\d+)?|[1-9]\d*\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?")
_NAMES: Final = re.compile(r"(?:\.\.\.)?[\w$]+(?:\.[\w$]+)*")
_EXPORTED: Final = "an object that is written out: export default {…}, export default defineConfig({…}) or JSON"


@dataclass(frozen=True, slots=True)
class Unread:
    """A value that only running code would tell."""

    line: int
    location: Location
    """Of a spread or a computed key, the object that it is in."""
    code: str
    """The names that it begins with, such as `process.env.PORT`; nothing of what may be a secret."""
    is_entry: bool = False
    """Whether it may be any key of the object."""


@dataclass(frozen=True, slots=True)
class Literal:
    """What could be read."""

    root: Node
    unread: tuple[Unread, ...]


def plain(node: Node) -> Any:
    """The value that a node stands for. Keys without a value, or with one that is `Unread`, are left out."""
    if isinstance(node, Mapping):
        values = {key: plain(part) for key, part in node.entries.items()}
        return {key: value for key, value in values.items() if value is not None}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return plain_value(node.text) if node.is_plain else node.text


def exported_literal(text: str) -> Literal:
    """The object that a module exports. Raises `Unreadable` where there is none, or the text is no such module."""
    parser = _Parser(text, tokens_of(text))
    constants = parser.look_around()
    return parser.exported(constants)


def json_literal(text: str) -> Literal:
    """The value of a JSON text, in which comments and trailing commas are fine. Raises `Unreadable`."""
    parser = _Parser(text, tokens_of(text))
    root = parser.value((), 1)
    if parser.now.kind != "end" or any(not one.location and not one.is_entry for one in parser.unread):
        raise Unreadable(root.line, "something beside one value", "JSON: one object, and nothing else")
    return parser.literal_of(root)


@dataclass(slots=True)
class _Parser:
    text: str
    tokens: list[Token]
    index: int = 0
    unread: list[Unread] = field(default_factory=list)

    @property
    def now(self) -> Token:
        return self.tokens[self.index]

    def follows(self, *marks: str) -> bool:
        """Whether those marks and words come next, one after the other."""
        coming = self.tokens[self.index : self.index + len(marks)]
        return [token.value for token in coming if token.kind in ("mark", "word")] == list(marks)

    def unexpected(self, expected: str) -> Unreadable:
        found = f"the mark {self.now.value!r}" if self.now.kind == "mark" else f"a {self.now.kind}"
        return Unreadable(self.now.line, "the end of the file" if self.now.kind == "end" else found, expected)

    def literal_of(self, root: Node) -> Literal:
        return Literal(root, tuple(self.unread))

    # The module

    def look_around(self) -> dict[str, int]:
        """Goes to what is exported; where the constants of the module have their values."""
        constants: dict[str, int] = {}
        depth, exported = 0, None
        while self.now.kind != "end":
            if depth == 0 and exported is None:
                exported = self.after_export()
            if depth == 0 and self.now.is_word("const"):
                constants.update(self.constant())
            depth += self.now.is_mark(*_OPEN) - self.now.is_mark(*_CLOSED)
            self.index += 1
        if exported is None:
            raise Unreadable(1, "nothing that is exported", _EXPORTED)
        self.index = exported
        return constants

    def after_export(self) -> int | None:
        for words in (("export", "default"), ("export", "="), ("module", ".", "exports", "=")):
            if self.follows(*words):
                return self.index + len(words)
        return None

    def constant(self) -> dict[str, int]:
        """The name, and where its value begins: after the `=` that follows the name or its type."""
        name, place = self.tokens[self.index + 1], self.index + 2
        while name.kind == "word" and place < len(self.tokens) and not self.tokens[place].is_mark(";", *_OPEN):
            if self.tokens[place].is_mark("="):
                return {name.value: place + 1}
            place += 1
        return {}

    def exported(self, constants: dict[str, int]) -> Literal:
        self.enter_definition()
        while (name := self.now.value) in constants and not self.is_used():
            self.index = constants.pop(name)
            self.enter_definition()
        root = self.value((), 1, is_top=True)
        if not isinstance(root, Mapping):
            told = self.unread[0].code if self.unread else "something else"
            raise Unreadable(root.line, f"an export that only running code would tell ({told})", _EXPORTED)
        return self.literal_of(root)

    def enter_definition(self) -> None:
        if self.follows("defineConfig", "("):
            self.index += 2

    def is_used(self) -> bool:
        """Whether the name here is but the beginning of an expression."""
        return self.now.kind != "word" or self.tokens[self.index + 1].is_mark(".", "?.", "(", "[")

    # Values

    def value(self, location: Location, depth: int, *, is_top: bool = False) -> Node:
        """The value that begins here, or what stands for it where it is `Unread`."""
        start, known = self.index, len(self.unread)
        node = self.written(location, depth)
        if node is not None:
            self.pass_types(is_top)
            if self.is_ended(is_top):
                return node
            self.refuse_a_missing_comma()
        del self.unread[known:]
        self.index = start
        self.pass_over(location)
        return Scalar(self.tokens[start].line, "", is_plain=True)

    def written(self, location: Location, depth: int) -> Node | None:
        if depth > MAX_DEPTH:
            raise Unreadable(self.now.line, "values that are nested too deep", f"{MAX_DEPTH} levels or less")
        token = self.now
        parts = {"{": self.mapping, "[": self.sequence, "(": self.in_parentheses}
        if token.kind == "mark" and token.value in parts:
            return parts[token.value](location, depth)
        self.index += 1
        if token.kind == "text":
            return Scalar(token.line, token.value, is_plain=False)
        if token.is_word(*_WORDS):
            return Scalar(token.line, _WORDS[token.value], is_plain=True)
        return self.number(token)

    def number(self, token: Token) -> Node | None:
        sign = ""
        if token.is_mark("-"):
            sign, token = "-", self.now
            self.index += 1
        digits = token.value.replace("_", "")
        if token.kind != "number" or not _DECIMAL.fullmatch(digits):
            return None
        is_whole = not digits.isdigit() and float(digits).is_integer()
        return Scalar(token.line, sign + (f"{float(digits):.0f}" if is_whole else digits), is_plain=True)

    def in_parentheses(self, location: Location, depth: int) -> Node | None:
        self.index += 1
        node = self.written(location, depth + 1)
        if not self.now.is_mark(")"):
            return None
        self.index += 1
        return node

    def sequence(self, location: Location, depth: int) -> Node:
        line = self.now.line
        items: list[Node] = []

        def item() -> None:
            items.append(self.value((*location, len(items)), depth + 1))

        self.parts("]", item)
        return Sequence(line, tuple(items), 1 + len(items))

    def mapping(self, location: Location, depth: int) -> Node:
        line = self.now.line
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}

        def entry() -> None:
            key, following = self.now, self.tokens[min(self.index + 1, len(self.tokens) - 1)]
            if key.kind in ("text", "word", "number") and following.is_mark(":"):
                self.index += 2
                entries[key.value] = self.value((*location, key.value), depth + 1)
                lines[key.value] = key.line
            elif key.kind == "word" and following.is_mark(",", "}", "("):
                self.pass_over((*location, key.value))
            else:
                self.pass_over(location, is_entry=True)

        self.parts("}", entry)
        return Mapping(line, entries, lines, 1 + len(entries))

    def parts(self, end: str, part: Callable[[], None]) -> None:
        """What stands between brackets, with commas in between."""
        self.index += 1
        while not self.now.is_mark(end):
            part()
            if self.now.is_mark(","):
                self.index += 1
            elif not self.now.is_mark(end):
                raise self.unexpected(f"a comma or {end}")
        self.index += 1

    # What is no value

    def is_ended(self, is_top: bool) -> bool:
        """Whether nothing follows that would make something else of what was read."""
        token = self.now
        on_a_new_line = is_top and token.kind == "word" and token.line > self.tokens[self.index - 1].line
        return token.kind == "end" or token.is_mark(*_ENDS) or on_a_new_line

    def refuse_a_missing_comma(self) -> None:
        before, token = self.tokens[self.index - 1], self.now
        if token.line > before.line and token.kind in ("word", "text") and not token.is_word("in", "instanceof"):
            raise self.unexpected("a comma at the end of the line before")

    def pass_types(self, is_top: bool) -> None:
        """Passes over `as const`, `as Type` and `satisfies Type<…>`."""
        while self.now.is_word("as", "satisfies"):
            self.index += 1
            depth = 0
            while self.now.kind != "end" and (depth or not self.is_ended(is_top)):
                depth += self.now.is_mark(*_OPEN, "<") - self.now.is_mark(*_CLOSED, ">")
                self.index += 1

    def pass_over(self, location: Location, *, is_entry: bool = False) -> None:
        """Passes over what only running code would tell, and keeps that it is there."""
        start, depth = self.now, 0
        while depth or not self.now.is_mark(*_ENDS):
            if self.now.kind == "end":
                if not location and not depth:
                    break
                raise Unreadable(start.line, "a value or bracket that does not end", "one that does")
            depth += self.now.is_mark(*_OPEN) - self.now.is_mark(*_CLOSED)
            self.index += 1
        if self.now is start:
            raise self.unexpected("a value")
        names = _NAMES.match(self.text, start.start)
        self.unread.append(Unread(start.line, location, names[0] if names else "code", is_entry))
