"""Providers of OpenFeature as somebody else would write them: for tests, and for flags.yaml files of tests."""

import threading
from collections.abc import Callable

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

Resolve = Callable[[str, str | None], bool]


class Other(InMemoryProvider):
    """Knows the flags that it is given; `before` runs first, and may raise or wait."""

    def __init__(self, before: Callable[[], object] = lambda: None, **flags: bool) -> None:
        variants = {"on": True, "off": False}
        super().__init__(
            {f"syncflow_{name}": InMemoryFlag("on" if is_on else "off", variants) for name, is_on in flags.items()}
        )
        self.before = before
        self.targets: list[str | None] = []

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        self.before()
        self.targets.append(evaluation_context.targeting_key if evaluation_context else None)
        return super().resolve_boolean_details(flag_key, default_value, evaluation_context)


class Hanging(Other):
    """Answers nothing until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked = 0
        super().__init__(self._wait, auto_sync=False)

    def _wait(self) -> None:
        self.asked += 1
        self.released.wait()


def everything_off() -> Other:
    """What `provider: …:everything_off` in a flags.yaml makes."""
    return Other(auto_sync=False, schema_sync=False, entity_sync=False, gateway=False, mcp=False, events=False)


def broken() -> Other:
    """A factory that fails."""
    raise RuntimeError("no connection to the flag service")
