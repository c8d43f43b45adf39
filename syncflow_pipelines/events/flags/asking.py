"""Asking a provider that others wrote, which may fail, or never answer."""

import importlib
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails
from openfeature.provider import FeatureProvider

from syncflow_pipelines.config import Flag

PATIENCE_S: Final = 2.0
"""How long an answer is waited for."""
AGAIN_AFTER_S: Final = 30.0
"""A provider that could not be made is tried again after so long."""
TARGET: Final = "syncflow"
"""Whom the question is about where it is about no service or connector: many providers want a key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said."""

    is_on: bool | None
    """None: it does not know the flag."""
    name: str
    """Of the provider."""


class Unanswered(Exception):
    """The provider failed, or does not answer; the text says why."""


class Asker:
    """Puts questions to one provider, each in a thread of its own, and waits for so long and no longer."""

    def __init__(self, client: Callable[[], OpenFeatureClient]) -> None:
        self._client = client
        self._hanging: list[threading.Thread] = []

    def ask(self, flag: Flag, default: bool, target: str | None, patience_s: float = PATIENCE_S) -> Answer:
        """The provider's answer. Raises `Unanswered`, at once while an earlier question still has no answer."""
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if self._hanging:
            raise Unanswered(f"it has not answered for {patience_s:g} s")
        answers: queue.SimpleQueue[Answer | Unanswered] = queue.SimpleQueue()

        def answer() -> None:
            try:
                answers.put(self._answer(flag, default, target))
            except Unanswered as error:
                answers.put(error)
            except Exception as error:  # noqa: BLE001 - whatever somebody else's provider does, SyncFlow goes on
                answers.put(Unanswered(f"{type(error).__name__}: {error}"))

        thread = threading.Thread(target=answer, name=f"syncflow-flag-{flag}", daemon=True)
        thread.start()
        with suppress(queue.Empty):
            found = answers.get(timeout=patience_s)
            if isinstance(found, Unanswered):
                raise found
            return found
        self._hanging.append(thread)
        raise Unanswered(f"it has not answered for {patience_s:g} s")

    def _answer(self, flag: Flag, default: bool, target: str | None) -> Answer:
        client = self._client()
        name = client.provider.get_metadata().name
        details = client.get_boolean_details(flag.key, default, EvaluationContext(target or TARGET))
        if details.error_code == ErrorCode.FLAG_NOT_FOUND:
            return Answer(None, name)
        _refuse(details)
        return Answer(details.value, name)


class NamedProvider:
    """The provider that `module:factory` makes, bound to a domain of its own when it is asked first."""

    def __init__(self, reference: str, folder: Path) -> None:
        self._reference = reference
        self._folder = folder
        self._lock = threading.Lock()
        self._bound: FeatureProvider | None = None
        self._failed_at: float | None = None

    def client(self) -> OpenFeatureClient:
        """A client that asks it. Raises whatever the module, the factory or the provider raises."""
        domain = f"syncflow {self._reference}"
        with self._lock:
            # somebody may have cleared the registry of OpenFeature
            if self._bound is None or api.get_client(domain).provider is not self._bound:
                self._bound = self._bind(domain)
        return api.get_client(domain)

    def _bind(self, domain: str) -> FeatureProvider:
        if self._failed_at is not None and time.monotonic() < self._failed_at + AGAIN_AFTER_S:
            raise Unanswered("it could not be made")
        try:
            provider = self._factory()()
            api.set_provider_and_wait(provider, domain)
        except BaseException:
            self._failed_at = time.monotonic()
            raise
        return provider

    def _factory(self) -> Callable[[], FeatureProvider]:
        module, _, attribute = self._reference.partition(":")
        if str(self._folder) not in sys.path:  # as it is where Python itself is started in the project
            sys.path.append(str(self._folder))
        found: object = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
        if not callable(found):
            raise TypeError(f"{self._reference} cannot be called")
        return found


def _refuse(details: FlagEvaluationDetails[bool]) -> None:
    if details.error_code is not None:
        raise Unanswered(f"{details.error_code}: {details.error_message}")
