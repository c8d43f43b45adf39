"""The environment and the `.env` files: the only place that reads `os.environ`."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from syncflow_pipelines.config.mistakes import Mistake

MAX_DOTENV_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that is set."""

    value: str = field(repr=False)
    file: Path | None = None
    """The `.env` that sets it; None means the environment itself."""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Dotenv:
    """What a `.env` says."""

    path: Path
    exists: bool = False
    variables: Mapping[str, Variable] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()
    """Lines that are not `NAME=value`; they are never quoted, since they may hold secrets."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that configuration is read from: the process's own, then those of each `.env`, in order.

    Nothing is remembered: a variable is looked up, and a `.env` read, whenever it is asked for, so
    that a token that was replaced is seen by a process that runs for months. Lines of a `.env` that
    cannot be read are passed over here; `load_settings` refuses them.
    """

    variables: Mapping[str, str] | None = field(default=None, repr=False)
    """Stands in for the process's own variables; None means the process's own."""
    dotenv_files: tuple[Path, ...] = ()
    """Absolute; files that do not exist are passed over. The first to name a variable wins."""

    def get(self, name: str) -> str | None:
        """The variable's value, or None where it is set nowhere."""
        variable = self.find(name)
        return None if variable is None else variable.value

    def find(self, name: str) -> Variable | None:
        """The variable and where it is set, or None where it is set nowhere."""
        value = self._process().get(name)
        if value is not None:
            return Variable(value)
        for dotenv in self.dotenvs():
            if name in dotenv.variables:
                return dotenv.variables[name]
        return None

    def snapshot(self) -> dict[str, Variable]:
        """All variables as they are now."""
        found: dict[str, Variable] = {}
        for dotenv in reversed(self.dotenvs()):
            found |= dotenv.variables
        return found | {name: Variable(value) for name, value in self._process().items()}

    def dotenvs(self) -> tuple[Dotenv, ...]:
        """Every `.env`, read now."""
        return tuple(read_dotenv(path) for path in self.dotenv_files)

    def _process(self) -> Mapping[str, str]:
        return os.environ if self.variables is None else self.variables


def read_dotenv(path: Path) -> Dotenv:
    """The variables of a `.env`, values as they are written: a `$` in them is just that.

    A file that is not there has none, and so has a folder; one that cannot be read has a mistake.
    """
    try:
        text = _read(path)
    except UnicodeDecodeError:
        return _unusable(path, "bytes that are not UTF-8", "UTF-8 text")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):  # a folder `.env` is a virtual environment
        return Dotenv(path)
    except OSError as error:
        return _unusable(path, f"an error ({error.strerror or type(error).__name__})", "a readable file")
    if len(text) > MAX_DOTENV_BYTES:
        return _unusable(path, "a larger file", f"{MAX_DOTENV_BYTES:,} bytes or less")
    bindings = [binding for binding in parse_stream(io.StringIO(text)) if binding.error or binding.key is not None]
    return Dotenv(
        path,
        exists=True,
        variables={
            binding.key: Variable(binding.value, path, _line(binding))
            for binding in bindings
            if binding.key and binding.value is not None and not binding.error
        },
        mistakes=tuple(
            Mistake(str(path), _line(binding), "", "a line that cannot be read", "NAME=value")
            for binding in bindings
            if binding.error or not binding.key or binding.value is None
        ),
    )


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_DOTENV_BYTES + 1).decode("utf-8-sig")


def _unusable(path: Path, found: str, expected: str) -> Dotenv:
    return Dotenv(path, exists=True, mistakes=(Mistake(str(path), 0, "", found, expected),))


def _line(binding: Binding) -> int:
    # A binding's text begins with the blank lines above it.
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
