"""The user's modules, imported from their files as they are now."""

import importlib
import importlib.machinery
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

from .failure import ModelsFailure, failure_of, is_below


class _FreshLoader(importlib.machinery.SourceFileLoader):
    """Compiles the source whatever `__pycache__` holds.

    Bytecode is told apart by second and size, so that the second of two quick changes may go unseen; and nothing is
    written into a folder that is not ours.
    """

    def path_stats(self, path: Any) -> Any:
        raise OSError("no bytecode is wanted")


class _Unfinished(_FreshLoader):
    """Loads the module that is to be generated: an application that models import may import from it what is not there
    yet."""

    def exec_module(self, module: Any) -> None:
        with suppress(FileNotFoundError):
            super().exec_module(module)
        module.__getattr__ = _stand_in


class _UnfinishedFinder:
    """Finds that one module, whether or not it is there."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        is_sought = self._file.stem == name.rpartition(".")[2]
        if not is_sought or self._file.parent not in map(Path, sys.path if path is None else path):
            return None
        return spec_from_file_location(name, self._file, loader=_Unfinished(name, str(self._file)))


def _stand_in(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        from pydantic import BaseModel
    except ImportError:
        return type(name, (), {})
    return type(name, (BaseModel,), {"__module__": __name__})


def import_modules(
    files: Mapping[str, str], paths: Sequence[str], roots: Sequence[str], output: str | None = None
) -> list[Any]:
    """The modules of those names, from those files. Raises `ModelsFailure` naming file and line of what failed.

    `output` is the module that is to be generated: whoever imports it finds every name in it.
    """
    _prefer_source(roots)
    if output is not None:
        sys.meta_path.insert(0, _UnfinishedFinder(output))
    sys.path[:0] = [path for path in paths if path not in sys.path]
    return [_imported(name, file, roots) for name, file in files.items()]


def _imported(name: str, file: str, roots: Sequence[str]) -> Any:
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        failure = failure_of(error, roots)
        raise ModelsFailure(failure.message, failure.place or f"{file}:1") from None
    other = getattr(module, "__file__", None)
    if other != file:
        raise ModelsFailure(
            f"`import {name}` finds {other or 'a module of Python itself'} instead of this file", f"{file}:1"
        )
    return module


def imported_files(roots: Sequence[str]) -> list[str]:
    """Every file of the user's own that was imported, sorted."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted(file for file in files if isinstance(file, str) and is_below(file, roots))


def _prefer_source(roots: Sequence[str]) -> None:
    machinery = importlib.machinery
    hook = machinery.FileFinder.path_hook(
        (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
        (_FreshLoader, machinery.SOURCE_SUFFIXES),
        (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
    )

    def own_only(path: str) -> Any:
        if not is_below(f"{path}/", roots):
            raise ImportError(f"{path} is not the user's own")
        return hook(path)

    sys.path_hooks.insert(0, own_only)
    sys.path_importer_cache.clear()
