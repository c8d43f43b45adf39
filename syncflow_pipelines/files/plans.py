"""Which folders have to be watched to see every change of what is followed."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from syncflow_pipelines.files.looks import Target, explore
from syncflow_pipelines.files.mounts import mounted, why_silent
from syncflow_pipelines.files.trails import Trail, read_link, trail_to


@dataclass(frozen=True, slots=True)
class Plan:
    """What to watch for some targets, as the file system is now."""

    folders: frozenset[str]
    """Absolute, no links, and readable."""
    ways: Mapping[str, frozenset[str]]
    """By an entry on the way to something that is followed, the keys of that. Where one changes, the plan does."""
    files: Mapping[str, frozenset[str]]
    """By the path of a followed file, links followed, its keys."""
    trees: Mapping[str, tuple[tuple[str, str], ...]]
    """By a folder that is followed, or below one, the keys, each with the folder's path as its target spells it."""
    silent: Mapping[str, str]
    """By key, why nobody tells of its changes."""


def plan_for(targets: Mapping[str, Target]) -> Plan:
    """The plan. Folders that cannot be read are left out of it; what is in them is silent."""
    draft = _Draft()
    for key, target in targets.items():
        if target.is_folder:
            draft.add_tree(key, target)
        else:
            draft.add_file(key, str(target.path))
    return draft.plan()


class _Draft:
    """Ways are shared by many targets: each is looked at once."""

    def __init__(self) -> None:
        mounts = mounted()
        self._read_link = cache(read_link)
        self._why_silent = cache(lambda path: why_silent(path, mounts))
        self._is_readable = cache(_is_readable)
        self._folders: set[str] = set()
        self._ways: defaultdict[str, set[str]] = defaultdict(set)
        self._files: defaultdict[str, set[str]] = defaultdict(set)
        self._trees: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        self._silent: dict[str, str] = {}

    def add_file(self, key: str, path: str) -> None:
        trail = trail_to(path, self._read_link)
        *ways, last = trail.entries or ("/",)
        (self._files if trail.is_whole else self._ways)[last].add(key)
        for way in ways:
            self._ways[way].add(key)
        self._watch(key, trail)

    def add_tree(self, key: str, target: Target) -> None:
        root = str(target.path)
        trail = trail_to(root, self._read_link)
        for way in trail.entries:
            self._ways[way].add(key)
        self._watch(key, trail)
        found = explore(target)
        real = os.path.realpath(root)
        for folder in found.folders:
            inside = real + folder.removeprefix(root)
            self._trees[inside].append((key, folder))
            if os.path.isdir(inside):
                self._watch_folder(key, inside)
        for link in found.links:
            if link in found.files:
                self.add_file(key, link)

    def plan(self) -> Plan:
        return Plan(
            frozenset(self._folders),
            {way: frozenset(keys) for way, keys in self._ways.items()},
            {path: frozenset(keys) for path, keys in self._files.items()},
            {folder: tuple(said) for folder, said in self._trees.items()},
            self._silent,
        )

    def _watch(self, key: str, trail: Trail) -> None:
        for entry in trail.entries:
            if (why := self._why_silent(entry)) is not None:
                self._silent.setdefault(key, why)
        self._folders.update(filter(self._is_readable, trail.folders))
        self._watch_folder(key, os.path.dirname(trail.entries[-1]) if trail.entries else "/")

    def _watch_folder(self, key: str, folder: str) -> None:
        """For what is in a folder; one that is on the way, and cannot be read, hardly ever changes."""
        if self._is_readable(folder):
            self._folders.add(folder)
        else:
            self._silent.setdefault(key, f"{folder} cannot be read, or its name is no text")


def _is_readable(folder: str) -> bool:
    """Whether it can be watched; watchfiles takes names that are text alone."""
    return os.access(folder, os.R_OK | os.X_OK) and folder == folder.encode(errors="replace").decode()
