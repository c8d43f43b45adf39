"""What can be reached in a graph, and which names can all reach each other."""

from collections.abc import Callable, Iterable, Iterator, Mapping


def reachable(names: Iterable[str], targets: Callable[[str], Iterable[str]]) -> set[str]:
    """The names, and all that can be reached from them."""
    found = set(names)
    waiting = list(found)
    while waiting:
        ahead = [name for name in targets(waiting.pop()) if name not in found]
        found.update(ahead)
        waiting.extend(ahead)
    return found


def knots(graph: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """The names of the graph in groups that can all reach each other, every group after those that it reaches.

    Tarjan's algorithm, without recursion. Targets that are no name of the graph are passed over.
    """
    walk = _Walk(graph)
    for name in graph:
        if name not in walk.number:
            yield from walk.from_(name)


class _Walk:
    def __init__(self, graph: Mapping[str, Iterable[str]]) -> None:
        self.graph = graph
        self.number: dict[str, int] = {}
        self.lowest: dict[str, int] = {}
        self.open: list[str] = []
        self.is_open: set[str] = set()

    def from_(self, start: str) -> Iterator[tuple[str, ...]]:
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

    def entered(self, name: str) -> Iterator[str]:
        self.number[name] = self.lowest[name] = len(self.number)
        self.open.append(name)
        self.is_open.add(name)
        return (target for target in self.graph[name] if target in self.graph)

    def lower(self, name: str, number: int) -> None:
        self.lowest[name] = min(self.lowest[name], number)

    def closed(self, name: str) -> tuple[str, ...]:
        at = len(self.open) - 1
        while self.open[at] != name:
            at -= 1
        group = tuple(self.open[at:])
        del self.open[at:]
        self.is_open.difference_update(group)
        return group
