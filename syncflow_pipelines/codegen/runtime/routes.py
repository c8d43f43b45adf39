"""A path as it came → the operations that answer it: a tree of the segments of all paths of a spec.

Segments are compared one by one, after the path was split: an escaped slash belongs to its segment, and stays escaped
where it goes. A plain segment is preferred to one with a placeholder, as OpenAPI says.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

Json = Any

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_EXPANSION = re.compile(r"\{[?&#][^{}]*\}")
"""RFC 6570's expressions for a query or a fragment; both are no part of the path."""
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}|.", re.DOTALL)
_SLASHES = re.compile(rb"[/\\]")
_MAX_SEGMENTS = 256


@dataclass(frozen=True, slots=True)
class Route:
    """An operation, and what a request has to look like to be meant for it."""

    id: str
    method: str
    """In upper case."""
    path: str
    """The key in `paths`."""
    definition: Mapping[str, Json] = field(compare=False)
    base_url: str = field(default="", compare=False)
    """What comes before its path."""
    query: tuple[tuple[str, str | None], ...] = ()
    """What the key says of the query; None where it leaves the value open."""

    def accepts(self, query: bytes) -> bool:
        """Whether the query has what the key asks for."""
        if not self.query:
            return True
        given = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=None)
        return all(any(name == key and wanted in (None, value) for key, value in given) for name, wanted in self.query)


@dataclass(frozen=True, slots=True)
class Match:
    """The routes that a request may be meant for, the likeliest first."""

    routes: tuple[Route, ...]
    arguments: Mapping[str, bytes]
    """By placeholder, as they came: still escaped."""


@dataclass(slots=True)
class _Node:
    literals: dict[bytes, "_Node"] = field(default_factory=dict)
    patterns: list[tuple["_Pattern", "_Node"]] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    rests: list[Route] = field(default_factory=list)
    """Routes whose last placeholder takes all segments from here on."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A segment with placeholders: `{id}`, `{name}.{ending}`, `{id}:cancel`."""

    literals: tuple[bytes, ...]
    """Before, between and after the placeholders."""

    @property
    def weight(self) -> int:
        """Patterns that say more are tried first."""
        return -sum(map(len, self.literals))

    def arguments(self, segment: bytes) -> list[bytes] | None:
        """What the placeholders stand for, none of it empty; None where the segment is another one."""
        if self.literals == (b"", b""):
            return [segment] if segment else None
        escapes = _ESCAPE.findall(segment)
        spans = self._spans(unquote_to_bytes(segment))
        return None if spans is None else [b"".join(escapes[start:end]) for start, end in spans]

    def _spans(self, text: bytes) -> list[tuple[int, int]] | None:
        first, *between, last = self.literals
        start, end = len(first), len(text) - len(last)
        if not (text.startswith(first) and text.endswith(last) and start < end):
            return None
        spans = []
        for literal in reversed(between):  # from behind: `{name}.{ending}` of `a.b.c` ends in `c`
            found = text.rfind(literal, start + 1, end - 1)
            if found < 0:
                return None
            spans.append((found + len(literal), end))
            end = found
        return [(start, end), *reversed(spans)] if start < end else None


class RouteTable:
    """All routes of a service."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._root = _Node()
        self._names: dict[str, tuple[str, ...]] = {}
        for route in sorted(routes, key=lambda route: (len(route.path), route.path, route.method)):
            self._add(route)
        self._sort(self._root)

    def find(self, method: str, path: bytes, query: bytes) -> Match | frozenset[str]:
        """The routes for a request; or, where none has its method, the methods that the path has, if any."""
        segments = path.split(b"/")[1:] if path.startswith(b"/") else []
        allowed: set[str] = set()
        if not segments or len(segments) > _MAX_SEGMENTS:
            return frozenset()
        for routes, values in _walk(self._root, segments, 0, ()):
            fitting = [route for route in routes if route.accepts(query)]
            allowed |= {route.method for route in fitting}
            chosen = [route for route in fitting if route.method == method] or [
                route for route in fitting if method == "HEAD" and route.method == "GET"
            ]
            if chosen:
                chosen.sort(key=lambda route: -len(route.query))
                return Match(tuple(chosen), dict(zip(self._names[chosen[0].path], values, strict=False)))
        return frozenset(allowed | ({"HEAD"} if "GET" in allowed else set()))

    def _add(self, route: Route) -> None:
        template = real_path(route.path)
        self._names[route.path] = tuple(_PLACEHOLDER.findall(template))
        *segments, last = template.split("/")[1:] or [""]
        node = self._root
        for segment in segments:
            node = _child(node, segment)
        if _PLACEHOLDER.fullmatch(last) and _takes_the_rest(route, _PLACEHOLDER.findall(last)[0]):
            node.rests.append(route)
        _child(node, last).routes.append(route)

    def _sort(self, node: _Node) -> None:
        pending = [node]
        while pending:
            each = pending.pop()
            each.patterns.sort(key=lambda pair: pair[0].weight)
            pending += [*each.literals.values(), *(child for _, child in each.patterns)]


def real_path(key: str) -> str:
    """The path that a key of `paths` is about, without what some specs append to tell keys apart."""
    path = re.split(r"[?#]", _EXPANSION.sub("", key), maxsplit=1)[0]
    return path if path.startswith("/") else f"/{path}"


def fixed_query(key: str) -> tuple[tuple[str, str | None], ...]:
    """Names and values that the key asks for in the query."""
    _, _, query = _EXPANSION.sub("", key).partition("#")[0].partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    return tuple((name, None if not value or "{" in value else value) for name, value in pairs)


def leads_elsewhere(path: bytes) -> bool:
    """Whether a segment, escapes undone, has a `.` or `..` for a part, which servers take for a way up."""
    decoded = unquote_to_bytes(path)
    if b"." not in decoded:
        return False
    # some take a `;` for the end of a segment's name
    return any(part.partition(b";")[0] in (b".", b"..") for part in _SLASHES.split(decoded))


def _child(node: _Node, segment: str) -> _Node:
    literals = tuple(unquote_to_bytes(part) for part in _PLACEHOLDER.split(segment)[::2])
    if len(literals) == 1:
        return node.literals.setdefault(literals[0], _Node())
    for pattern, child in node.patterns:
        if pattern.literals == literals:
            return child
    node.patterns.append((_Pattern(literals), child := _Node()))
    return child


def _walk(
    node: _Node, segments: Sequence[bytes], at: int, values: tuple[bytes, ...]
) -> Iterator[tuple[Sequence[Route], tuple[bytes, ...]]]:
    """The ends in the tree that the segments lead to, the likeliest first."""
    if at == len(segments):
        yield node.routes, values
        return
    segment = segments[at]
    literal = node.literals.get(unquote_to_bytes(segment))
    if literal is not None:
        yield from _walk(literal, segments, at + 1, values)
    for pattern, child in node.patterns:
        found = pattern.arguments(segment)
        if found is not None:
            yield from _walk(child, segments, at + 1, (*values, *found))
    if node.rests and segment:
        yield node.rests, (*values, b"/".join(segments[at:]))


def _takes_the_rest(route: Route, name: str) -> bool:
    """Whether the parameter may hold slashes as they are: OpenAPI 3.2's `allowReserved`, GitHub's own word for it."""
    return name.startswith("+") or any(
        parameter.get("x-multi-segment") is True or parameter.get("allowReserved") is True
        for parameter in route.definition.get("parameters") or ()
        if isinstance(parameter, Mapping) and parameter.get("in") == "path" and parameter.get("name") == name
    )
