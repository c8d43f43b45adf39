"""The user's modules, imported from their files as they are now."""

import importlib
import importlib.machinery
import sys
from collections.abc import Sequence
from typing import Any

from .failure import ModelsFailure, failure_of, is_below


class _FreshLoader(importlib.machinery.SourceFileLoader):
    """Compiles the source whatever `__pycache__` holds.

    Bytecode is told apart by second and size, so that the second of two quick changes may go unseen; and nothing is
    written into a folder that is not ours.
    """

    def path_stats(self, path: Any) -> Any:
        raise OSError("no bytecode is wanted")


def import_modules(names: Sequence[str], paths: Sequence[str], roots: Sequence[str]) -> list[Any]:
    """The modules of those names. Raises `ModelsFailure` naming file and line of what failed."""
    _prefer_source(roots)
    sys.path[:0] = [path for path in paths if path not in sys.path]
    modules = []
    for name in names:
        try:
            modules.append(importlib.import_module(name))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failure = failure_of(error, roots)
            raise ModelsFailure(failure.message, failure.place or name) from None
    return modules


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
