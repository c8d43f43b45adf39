"""The environment and the `.env` files: the only place that reads `os.environ`."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import parse_stream

from syncflow_pipelines.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that configuration is read from: the process's own, then each `.env` in order.

    Nothing is remembered: a variable is looked up, and a `.env` read, whenever it is asked for, so
    that a token that was replaced is seen by a process that runs for months. Values of a `.env`
    are taken as they are written: nothing in them is expanded.
    """

    variables: Mapping[str, str] | None = field(default=None, repr=False)
    """Stands in for the process's own variables; None means the process's own."""
    dotenv_files: tuple[Path, ...] = ()
    """Absolute; files that do not exist are passed over. The first to name a variable wins."""

    def get(self, name: str) -> str | None:
        """The variable's value, or None where it is set nowhere.

        Raises `ConfigurationError` where a `.env` that had to be read is not one.
        """
        found = self.find(name)
        return None if found is None else found[0]

    def find(self, name: str) -> tuple[str, Path | None] | None:
        """The variable's value and the `.env` it comes from (None: the environment itself)."""
        value = self._process().get(name)
        if value is not None:
            return value, None
        for path in self.dotenv_files:
            value = read_dotenv(path).get(name)
            if value is not None:
                return value, path
        return None

    def _process(self) -> Mapping[str, str]:
        return os.environ if self.variables is None else self.variables


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of a `.env`; none where there is no such file.

    Raises `ConfigurationError` with every line that is not `NAME=value`; lines are never quoted,
    since they may hold secrets.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; make it readable or remove it") from error
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise ConfigurationError(f"{path} is not UTF-8 text; save it as UTF-8")
    bindings = [binding for binding in parse_stream(io.StringIO(text)) if binding.key is not None or binding.error]
    mistakes = tuple(
        f"{path}:{binding.original.line}: found a line that cannot be read, expected NAME=value"
        for binding in bindings
        if binding.error or binding.value is None
    )
    if mistakes:
        raise ConfigurationError(f"{path} cannot be used", mistakes)
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}
