"""JavaScript or TypeScript text → its tokens, with their lines; enough to read literals and to pass over all else."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final, Literal

from syncflow_pipelines.config.yaml_tree import MAX_DEPTH, Unreadable

MAX_TOKENS: Final = 200_000

Kind = Literal["text", "number", "word", "mark", "code", "end"]
"""`code` is a value that only running it tells: a template with `${}`, a regular expression."""

_GAP: Final = re.compile(r"(?:\s+|//[^\n\r\u2028\u2029]*|/\*.*?\*/)+", re.DOTALL)
_WORD: Final = re.compile(r"(?:[^\W\d]|\$)(?:\w|\$)*")
_NUMBER: Final = re.compile(r"0[xXbBoO][0-9A-Fa-f_]+n?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?n?")
_MARK: Final = re.compile(r"\.\.\.|=>|\?\.|.", re.DOTALL)
_REGEX: Final = re.compile(r"/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/\w*")
_PLAIN: Final = {"'": re.compile(r"[^'\\\n\r]*"), '"': re.compile(r'[^"\\\n\r]*')}
_TEMPLATE: Final = re.compile(r"[^`\\$]*")
_ESCAPE: Final = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|\r\n|.)", re.DOTALL)
_LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_BEFORE_A_REGEX: Final = frozenset({"return", "typeof", "default", "case", "in", "of", "void", "delete"})


@dataclass(frozen=True, slots=True)
class Token:
    """One token."""

    kind: Kind
    value: str
    """Of a text what it stands for; of all others as they are written."""
    line: int
    start: int
    stop: int
    """Where it is in the text, in characters."""

    def is_mark(self, *marks: str) -> bool:
        return self.kind == "mark" and self.value in marks

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.value in words


def tokens_of(text: str) -> list[Token]:
    """The tokens of the text, the last one being its end. Raises `Unreadable`."""
    reader = _Reader(text)
    while (token := reader.token()).kind != "end":
        reader.tokens.append(token)
        if len(reader.tokens) > MAX_TOKENS:
            raise Unreadable(token.line, "too much code", f"{MAX_TOKENS:,} words and marks or less")
    return [*reader.tokens, token]


@dataclass(slots=True)
class _Reader:
    text: str
    place: int = 0
    tokens: list[Token] = field(default_factory=list)
    lines: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = [match.end() for match in re.finditer(r"\r\n|[\n\r\u2028\u2029]", self.text)]

    def line(self, place: int) -> int:
        return bisect_right(self.lines, place) + 1

    def token(self) -> Token:
        start = self.pass_gap()
        if start == len(self.text):
            return Token("end", "", self.line(start), start, start)
        kind, value, self.place = self.next(start)
        return Token(kind, value, self.line(start), start, self.place)

    def pass_gap(self) -> int:
        """The place of what comes after white space and comments."""
        if gap := _GAP.match(self.text, self.place):
            self.place = gap.end()
        if self.text.startswith("/*", self.place):
            raise Unreadable(self.line(self.place), "a comment that does not end", "*/ at its end")
        return self.place

    def next(self, start: int) -> tuple[Kind, str, int]:
        """Kind, value and end of the token that begins there."""
        char = self.text[start]
        if char in _PLAIN:
            return self.string(start, _PLAIN[char], char)
        if char == "`":
            return self.template(start, 1)
        if char == "/" and self.may_be_regex() and (regex := _REGEX.match(self.text, start)):
            return "code", regex[0], regex.end()
        if word := _WORD.match(self.text, start):
            return "word", word[0], word.end()
        if number := _NUMBER.match(self.text, start):
            return "number", number[0], number.end()
        mark = _MARK.match(self.text, start)
        assert mark is not None, "a mark may be any character"
        return "mark", mark[0], mark.end()

    def may_be_regex(self) -> bool:
        """Whether a slash begins a regular expression here; it divides where a value stands before it."""
        if not self.tokens:
            return True
        before = self.tokens[-1]
        return (
            before.value in _BEFORE_A_REGEX
            if before.kind == "word"
            else before.is_mark(*"(,=:[!&|?{;+-*<>~^%") or (before.is_mark("=>", "..."))
        )

    def string(self, start: int, plain: re.Pattern[str], quote: str) -> tuple[Kind, str, int]:
        place, pieces = start + 1, []
        while True:
            piece = plain.match(self.text, place)
            assert piece is not None, "it matches nothing, too"
            pieces.append(piece[0])
            place = piece.end()
            if self.text.startswith(quote, place):
                return "text", _joined(pieces), place + 1
            escape = _ESCAPE.match(self.text, place)
            if escape is None:
                raise Unreadable(self.line(start), "a text that does not end on its line", f"{quote} at its end")
            pieces.append(_unescaped(escape[0]))
            place = escape.end()

    def template(self, start: int, depth: int) -> tuple[Kind, str, int]:
        place, pieces, kind = start + 1, [], "text"
        while True:
            piece = _TEMPLATE.match(self.text, place)
            assert piece is not None, "it matches nothing, too"
            pieces.append(piece[0].replace("\r\n", "\n"))
            place = piece.end()
            if self.text.startswith("`", place):
                written = self.text[start : place + 1]
                return ("text", _joined(pieces), place + 1) if kind == "text" else ("code", written, place + 1)
            if self.text.startswith("${", place):
                kind, place = "code", self.end_of_code(place + 2, depth + 1)
            elif escape := _ESCAPE.match(self.text, place):
                pieces.append(_unescaped(escape[0]))
                place = escape.end()
            elif place < len(self.text):
                pieces.append(self.text[place])
                place += 1
            else:
                raise Unreadable(self.line(start), "a text that does not end", "` at its end")

    def end_of_code(self, place: int, depth: int) -> int:
        """Where the code in a template has ended, its brace included."""
        start, open_braces = place, 1
        if depth > MAX_DEPTH:
            raise Unreadable(self.line(place), "templates that are nested too deep", f"{MAX_DEPTH} levels or less")
        while open_braces:
            self.place = place
            place = self.pass_gap()
            if place == len(self.text):
                raise Unreadable(self.line(start), "code in a template that does not end", "} at its end")
            char = self.text[place]
            if char in _PLAIN or char == "`":
                quoted = self.template(place, depth) if char == "`" else self.string(place, _PLAIN[char], char)
                place = quoted[2]
            else:
                open_braces += {"{": 1, "}": -1}.get(char, 0)
                place += 1
        return place


def _unescaped(escape: str) -> str:
    """What an escape sequence stands for; a line break after a backslash for nothing."""
    after = escape[1:]
    if after[0] in "xu" and len(after) > 1:
        code = int(after[1:].strip("{}"), 16)
        return chr(code) if code <= 0x10FFFF else "\N{REPLACEMENT CHARACTER}"
    if after in ("\n", "\r", "\r\n", "\u2028", "\u2029"):
        return ""
    return _LETTERS.get(after, after)


def _joined(pieces: list[str]) -> str:
    """The pieces together, two halves of a pair being one character; a half alone is replaced."""
    return "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
