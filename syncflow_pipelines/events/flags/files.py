"""The provider of ours: what `flags.yaml`, the environment and `.env` of an installation say, as they stand now."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata

from syncflow_pipelines.config import FLAGS_FILE, Flag, Flags, Settings, flag_variable, load_flags
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.events.flags.standing import Standing
from syncflow_pipelines.events.flags.telling import ToldOnce

WHERE: Final = "where"
"""The key of `flag_metadata` that tells who says how a flag stands."""
NOBODY: Final = "the default"

_FLAGS: Final = {flag.key: flag for flag in Flag}
T = TypeVar("T")


class FilesProvider(AbstractProvider):
    """Boolean flags from the environment, else `.env`, else `flags.yaml`, else on.

    What is said in a way that cannot be read is told once, and what was said before stands. Nothing is remembered
    beyond the time stamps of the file, so that a flag that is switched is seen when it is asked for next.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self._lock = threading.Lock()
        self._seen: object = None
        self._flags = Flags()
        self._switches: dict[Flag, Standing] = {}
        self._told = ToldOnce()

    def get_metadata(self) -> Metadata:
        return Metadata("SyncFlow: flags.yaml and the environment")

    def standing(self, flag: Flag, target: str | None = None) -> Standing:
        """How the flag stands for a service or connector, or for whatever is neither."""
        with self._lock:
            return self._by_variable(flag) or self._by_file(flag, target)

    @property
    def named_provider(self) -> str | None:
        """`module:factory` of the provider that the file names, if it does."""
        with self._lock:
            return self._read().provider

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        if flag_key not in _FLAGS:
            return _unknown(flag_key, default_value)
        target = evaluation_context.targeting_key if evaluation_context else None
        found = self.standing(_FLAGS[flag_key], target)
        reason = Reason.DEFAULT if found.where == NOBODY else Reason.TARGETING_MATCH if target else Reason.STATIC
        return FlagResolutionDetails(found.is_on, reason=reason, flag_metadata={WHERE: found.where})

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return _unknown(flag_key, default_value)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return _unknown(flag_key, default_value)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        return _unknown(flag_key, default_value)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        return _unknown(flag_key, default_value)

    def _by_variable(self, flag: Flag) -> Standing | None:
        said = flag_variable(self.settings.environment, flag)
        if said is None:
            self._told.over(flag.variable)
            self._switches.pop(flag, None)
            return None
        if said.is_on is None:
            self._told.trouble(flag.variable, f"{said.where} is neither true nor false; what it was before holds")
            return self._switches.get(flag)
        self._told.over(flag.variable)
        self._switches[flag] = Standing(flag, said.is_on, said.where)
        return self._switches[flag]

    def _by_file(self, flag: Flag, target: str | None) -> Standing:
        rule = self._read().rules.get(flag)
        if rule is None:
            return Standing(flag, is_on=True, where=NOBODY)
        return Standing(flag, rule.is_on(target), f"{FLAGS_FILE}:{rule.line}")

    def _read(self) -> Flags:
        """What the file says, or said before it became unreadable."""
        path = self.settings.config_dir / FLAGS_FILE
        files = (path, *self.settings.environment.dotenv_files)  # a ${…} in it may be filled from those
        seen = tuple(map(_identity, files))
        if seen == self._seen:
            return self._flags
        try:
            self._flags = load_flags(self.settings)
            self._told.over(str(path))
        except ConfigurationError as error:
            self._told.trouble(str(path), f"{error}\nUntil it is mended, the flags stand as they did before.")
        self._seen = seen
        return self._flags


def _identity(path: Path) -> Any:
    """Another one whenever the file may have become another one."""
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _unknown(flag_key: str, default_value: T) -> FlagResolutionDetails[T]:
    return FlagResolutionDetails(
        default_value,
        error_code=ErrorCode.FLAG_NOT_FOUND,
        error_message=f"SyncFlow has no such flag as {flag_key}; its boolean flags are {', '.join(_FLAGS)}",
    )
