"""What can be reached in a graph, and which names can all reach each other."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

Node = TypeVar("Node", bound=Hashable)


def reachable(names: Iterable[str], targets: Callable[[str], Iterable[str]]) -> set[str]:
    """The names, and all that can be reached from them."""
    found = set(names)
    waiting = list(found)
    while waiting:
        ahead = [name for name in targets(waiting.pop()) if name not in found]
        found.update(ahead)
        waiting.extend(ahead)
    return found


def knots(graph: Mapping[Node, Iterable[Node]]) -> Iterator[tuple[Node, ...]]:
    """The nodes of the graph in groups that can all reach each other, every group after those that it reaches.

    Tarjan's algorithm, without recursion. Targets that are no node of the graph are passed over.
    """
    walk = _Walk(graph)
    for name in graph:
        if name not in walk.number:
            yield from walk.from_(name)


class _Walk(Generic[Node]):
    def __init__(self, graph: Mapping[Node, Iterable[Node]]) -> None:
        self.graph = graph
        self.number: dict[Node, int] = {}
        self.lowest: dict[Node, int] = {}
        self.open: list[Node] = []
        self.is_open: set[Node] = set()

    def from_(self, start: Node) -> Iterator[tuple[Node, ...]]:
        way = [(start, self.entered(start))]
        while way:
            name, ahead = way[-1]
            target = next(ahead, None)
            if target is None:
                way.pop()
                if way:
                    self.lower(way[-1][0], self.lowest[name])
                if self.lowest[name] == self.number[name]:
                    yield self.closed(name)
            elif target not in self.number:
                way.append((target, self.entered(target)))
            elif target in self.is_open:
                self.lower(name, self.number[target])

    def entered(self, name: Node) -> Iterator[Node]:
        self.number[name] = self.lowest[name] = len(self.number)
        self.open.append(name)
        self.is_open.add(name)
        return (target for target in self.graph[name] if target in self.graph)

    def lower(self, name: Node, number: int) -> None:
        self.lowest[name] = min(self.lowest[name], number)

    def closed(self, name: Node) -> tuple[Node, ...]:
        at = len(self.open) - 1
        while self.open[at] != name:
            at -= 1
        group = tuple(self.open[at:])
        del self.open[at:]
        self.is_open.difference_update(group)
        return group
