"""What is followed, and the thread that sees how it changes."""

import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path
from typing import Final

from syncflow_pipelines.files.looks import Look, Target, is_looked_into, look_at, stamp_of
from syncflow_pipelines.files.notices import LimitReached, NoNotices, Notices
from syncflow_pipelines.files.plans import Plan, plan_for

LOOK_EVERY_S: Final = 1.0
"""At what nobody tells of; less often where that would take more than a twentieth of the time."""
LOOK_SHARE: Final = 20
PLAN_EVERY_S: Final = 60.0
"""Mounts come, limits are raised and queues overflow without a word."""

_BREATH_S: Final = 0.05
"""Between two plans, where folders come and go all the time."""


class Followed:
    """Targets and what they looked like, handed from the thread that chooses them to the one that sees changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._targets: Mapping[str, Target] = {}
        self._looks: dict[str, Look] | None = None

    def give(self, targets: Mapping[str, Target]) -> None:
        """From now on these. Those that were followed before keep the look that they had."""
        with self._lock:
            kept = {key for key, target in targets.items() if _is_same(target, self._targets.get(key))}
            given = {key: look for key, look in (self._looks or {}).items() if key in kept}
            new = {key: look_at(target) for key, target in targets.items() if key not in kept}
            self._targets, self._looks = dict(targets), {**given, **new}

    def keys(self) -> Set[str]:
        """Of the targets as they were given last: changes of others, seen meanwhile, are nobody's."""
        return self._targets.keys()

    @property
    def is_given(self) -> bool:
        return self._looks is not None

    def take(self, looks: Mapping[str, Look]) -> tuple[Mapping[str, Target], dict[str, Look]]:
        """The targets, each with its look: of those that are new, when they were given; else that of `looks`."""
        with self._lock:
            given, self._looks = self._looks or {}, None
            return self._targets, {key: given[key] if key in given else looks[key] for key in self._targets}


class Follower:
    """Sees changes, and marks the keys of what changed, until it is over."""

    def __init__(
        self,
        followed: Followed,
        mark: Callable[[str], None],
        tell: Callable[[str], None],
        is_over: Callable[[], bool],
    ) -> None:
        self._followed = followed
        self._mark = mark
        self._tell = tell
        self._is_over = is_over
        self._targets: Mapping[str, Target] = {}
        self._looks: dict[str, Look] = {}
        self._told: frozenset[str] = frozenset()
        self._silent: tuple[str, ...] = ()
        self._look_at = self._plan_at = 0.0

    def run(self) -> None:
        """Works until it is over."""
        while not self._is_over():
            if self._followed.is_given:
                self._targets, self._looks = self._followed.take(self._looks)
            self._follow()

    def is_set(self) -> bool:
        """Whether to stop listening. Between two looks at what has come, it is looked at what does not come."""
        now = time.monotonic()
        if now >= self._look_at:
            self._compare(self._silent)
            took_s = time.monotonic() - now
            self._look_at = now + took_s + max(LOOK_EVERY_S, LOOK_SHARE * took_s)
        return self._is_over() or self._followed.is_given or now >= self._plan_at

    def _follow(self) -> None:
        """Watches by one plan, for as long as it is right."""
        plan = plan_for(self._targets)
        self._plan_at = time.monotonic() + PLAN_EVERY_S
        try:
            notices: Notices | NoNotices = Notices(plan.folders)
            remedy = None
        except LimitReached as limit:
            notices, remedy = NoNotices(), str(limit)
        except OSError:
            time.sleep(_BREATH_S)
            return
        with notices:
            self._silent = tuple(self._targets if remedy else plan.silent)
            self._tell_new(_silence(self._targets, plan, remedy))
            # what has come between the plan and the watching is seen here, and what comes from now on is told
            is_right = plan_for(self._targets).folders == plan.folders
            self._compare(self._targets)
            while is_right:
                changed = notices.next(self)
                is_right = changed is not None and not self._took_new_way(plan, changed)
        time.sleep(_BREATH_S)

    def _took_new_way(self, plan: Plan, changed: Iterable[str]) -> bool:
        """Marks what changed; whether other folders may have to be watched now."""
        is_new = False
        for path in changed:
            folder, name = os.path.split(path)
            keys, trees = plan.files.get(path, ()), plan.trees.get(folder, ())
            is_new |= path in plan.ways or path in plan.trees
            if not keys and not trees:
                continue  # busy neighbours cost no more than this
            mode = _mode(path)
            is_link, is_folder = stat.S_ISLNK(mode), stat.S_ISDIR(mode)
            is_new |= bool(keys) and (is_link or is_folder)
            is_new |= bool(trees) and (is_link or (is_folder and is_looked_into(name)))
            for key in keys:
                self._changed(key)
            if not is_link and not is_folder:
                self._changed_in(trees, name)
        return is_new

    def _changed(self, key: str) -> None:
        self._looks[key] = look_at(self._targets[key])
        self._mark(key)

    def _changed_in(self, trees: Iterable[tuple[str, str]], name: str) -> None:
        """A file in a folder that is followed, for those who accept it."""
        for key, folder in trees:
            path = f"{folder}/{name}"
            if not self._targets[key].accepts(Path(path)):
                continue
            self._looks[key].pop(path, None)
            if (stamp := stamp_of(path)) is not None:
                self._looks[key][path] = stamp
            self._mark(key)

    def _compare(self, keys: Iterable[str]) -> None:
        """Marks those that look otherwise than before."""
        for key in keys:
            look = look_at(self._targets[key])
            if look != self._looks[key]:
                self._looks[key] = look
                self._mark(key)

    def _tell_new(self, sentences: frozenset[str]) -> None:
        for sentence in sorted(sentences - self._told):
            self._tell(sentence)
        self._told = sentences


def _is_same(target: Target, before: Target | None) -> bool:
    return before is not None and (target.path, target.is_folder) == (before.path, before.is_folder)


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _silence(targets: Mapping[str, Target], plan: Plan, remedy: str | None) -> frozenset[str]:
    """What is only looked at again and again, and why, in a sentence for each reason."""
    if remedy is not None:
        paths = [str(target.path) for target in targets.values()]
        return frozenset({f"{_some(paths)} looked at every second, as the system watches no more folders; {remedy}"})
    by_reason: dict[str, list[str]] = {}
    for key, why in plan.silent.items():
        by_reason.setdefault(why, []).append(str(targets[key].path))
    return frozenset(
        f"{_some(paths)} looked at every second, as nobody tells of changes there: {why}"
        for why, paths in by_reason.items()
    )


def _some(paths: list[str]) -> str:
    if len(paths) == 1:
        return f"{paths[0]} is"
    return f"{paths[0]} and {len(paths) - 1} more are"
