"""Importing a generated module, whatever is in it."""

import importlib
import itertools
import sys
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from types import CodeType, ModuleType

from fastmcp import FastMCP

from syncflow_pipelines.mcp_hub.services.folder import GeneratedModule

ATTRIBUTE = "mcp"

_packages = itertools.count()


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """Why a module is not served."""

    problem: str


def load_server(module: GeneratedModule) -> FastMCP | NotLoaded:
    """The server that the module builds when it is imported. Whatever goes wrong in it is told, not raised.

    The module is imported anew each time, as part of a package of its own: it may import its neighbours, and nothing
    that was loaded before changes.
    """
    package = ModuleType(f"_syncflow_generated_{next(_packages)}")
    package.__path__ = [str(module.file.parent)]
    name = f"{package.__name__}.{module.file.stem}"
    sys.modules[package.__name__] = package
    importlib.invalidate_caches()
    try:
        server = getattr(_imported(name, module), ATTRIBUTE, None)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one module must not take the others down with it
        return NotLoaded(f"{module.file.name} cannot be imported: {_first_line(error)}")
    finally:
        for known in [known for known in sys.modules if known.partition(".")[0] == package.__name__]:
            del sys.modules[known]
    if isinstance(server, FastMCP):
        return server
    return NotLoaded(f"{module.file.name} has no FastMCP server called {ATTRIBUTE!r}; generate it anew")


class _FromSource(SourceFileLoader):
    """Reads the source itself: a cached compilation may be of a file that was replaced within the same second."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _imported(name: str, module: GeneratedModule) -> ModuleType:
    spec = spec_from_file_location(name, module.file, loader=_FromSource(name, str(module.file)))
    assert spec is not None
    assert spec.loader is not None
    imported = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(imported)
    return imported


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}".rstrip(": ")
