"""Whether a flag is on: asked of the provider that stands for SyncFlow."""

import threading
from pathlib import Path
from typing import Final

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider.no_op_provider import NoOpProvider

from syncflow_pipelines.config import FLAGS_FILE, Flag, Settings
from syncflow_pipelines.events.flags.asking import Asker, NamedProvider, Unanswered
from syncflow_pipelines.events.flags.files import NOBODY, WHERE, FilesProvider
from syncflow_pipelines.events.flags.standing import Standing
from syncflow_pipelines.events.flags.telling import ToldOnce

DOMAIN: Final = "syncflow"
"""OpenFeature's name for those who ask: `openfeature.api.set_provider(provider, "syncflow")` answers them."""


def is_enabled(flag: Flag, settings: Settings, target: str | None = None) -> bool:
    """Whether that part is on, as the flags stand now; `target` is the service or connector that it is about, if any.

    Never raises, and answers in a few seconds whatever a provider of somebody else does.
    """
    return standing(flag, settings, target).is_on


def standing(flag: Flag, settings: Settings, target: str | None = None) -> Standing:
    """How the flag stands now, and who says so.

    A provider that `flags.yaml` names is asked first, else the one that OpenFeature has for the domain `syncflow`.
    Where there is none, or it fails, hangs or does not know the flag, the environment and the files decide.
    """
    files = _INSTALLATIONS.provider(settings)
    own = _own(files, flag, target)
    asker = _INSTALLATIONS.asker(files)
    if asker is None:
        return own
    try:
        answer = asker.ask(flag, own.is_on, target)
    except Unanswered as why:
        _TOLD.trouble(_name(files), f"{_name(files)} cannot say how flags stand ({why}); {FLAGS_FILE} and variables do")
        return own
    _TOLD.over(_name(files))
    return own if answer.is_on is None else Standing(flag, answer.is_on, f"the provider {answer.name}")


def _own(files: FilesProvider, flag: Flag, target: str | None) -> Standing:
    client = api.get_client(_domain(files.settings))
    details = client.get_boolean_details(flag.key, True, EvaluationContext(target))
    if details.error_code is not None:  # a hook of somebody else failed, or vetoed
        return files.standing(flag, target)
    return Standing(flag, details.value, str(details.flag_metadata.get(WHERE, NOBODY)))


def _name(files: FilesProvider) -> str:
    named = files.named_provider
    return f"The provider {named} of {FLAGS_FILE}" if named else f"The OpenFeature provider of the domain {DOMAIN}"


def _domain(settings: Settings) -> str:
    return f"{DOMAIN} {settings.config_dir}"


class _Installations:
    """The providers of each installation that this process knows; nearly always there is one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[Path, FilesProvider] = {}
        self._named: dict[tuple[str, Path], Asker] = {}
        self._bound = Asker(lambda: api.get_client(DOMAIN))

    def provider(self, settings: Settings) -> FilesProvider:
        """Ours, bound to a domain of the installation's own."""
        with self._lock:
            known = self._files.get(settings.config_dir)
            if known is None or known.settings.environment != settings.environment:
                known = self._files[settings.config_dir] = FilesProvider(settings)
            if api.get_client(_domain(settings)).provider is not known:  # it is new, or the registry was cleared
                api.set_provider_and_wait(known, _domain(settings))
            return known

    def asker(self, files: FilesProvider) -> Asker | None:
        """Who asks the provider that takes the place of ours, if there is one."""
        named, folder = files.named_provider, files.settings.project_dir
        if named is None:
            is_there = not isinstance(api.get_client(DOMAIN).provider, NoOpProvider)
            return self._bound if is_there else None
        with self._lock:
            if (named, folder) not in self._named:
                self._named[named, folder] = Asker(NamedProvider(named, folder).client)
            return self._named[named, folder]


_INSTALLATIONS: Final = _Installations()
_TOLD: Final = ToldOnce()
