"""The folder of generated modules: what is written into it, and what is not overwritten."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from syncflow_pipelines.codegen.manifest import NAME, Entry, Manifest, dump_manifest
from syncflow_pipelines.codegen.rendering import render
from syncflow_pipelines.codegen.seal import SPEC_NAME, is_untouched
from syncflow_pipelines.codegen.verification import never
from syncflow_pipelines.errors import GenerationFailed
from syncflow_pipelines.files import locking
from syncflow_pipelines.files.sealing import seal

_TEMPORARY = ".syncflow-"
INIT = "__init__.py"
PATIENCE_S: Final = 600.0
"""How long others may generate into the folder; hundreds of services take minutes."""


@contextmanager
def locked(folder: Path, cancelled: Callable[[], bool] = never) -> Iterator[None]:
    """The folder, made if need be, while no other process or thread generates into it.

    Raises `GenerationFailed` where it cannot be written to, `SyncflowError` where another one has been generating for
    longer than the largest spec takes, and `SyncCancelled`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenerationFailed(f"{folder} cannot be written to ({error.strerror}); mend `generated_dir`") from error
    with locking.locked(folder, cancelled, PATIENCE_S):
        yield


def tidy(folder: Path, manifest: Manifest) -> None:
    """Removes what earlier runs have left: their temporary files, and specs that no module names any more.

    A spec stays until the run after the one that replaced it, for processes that have read the old module and are
    about to read its spec.
    """
    named = {file.name for entry in manifest.services.values() for file in entry.files} | _named_by_modules(folder)
    specs = [file for file in folder.glob("*_spec_*.json") if file.name not in named]
    for file in [*folder.glob(f"{_TEMPORARY}*"), *specs]:
        with suppress(OSError):
            if file.name.startswith(_TEMPORARY) or is_untouched(file):
                file.unlink()


def _named_by_modules(folder: Path) -> set[str]:
    """Specs that modules stand on, whatever a manifest says that an interrupted run could not write any more."""
    found: set[str] = set()
    for module in [*folder.glob("*_mcp.py"), *folder.glob("*_resolver.py")]:
        with suppress(OSError):
            found |= set(SPEC_NAME.findall(module.read_text(encoding="utf-8", errors="replace")))
    return found


def touched(folder: Path, names: Iterable[str]) -> list[str]:
    """Those of the files that are there and are not as they were generated."""
    found = []
    for name in names:
        file = folder / name
        try:
            if file.is_dir() or (file.exists() and not is_untouched(file)):
                found.append(name)
        except OSError as error:
            raise GenerationFailed(f"{file} cannot be read ({error.strerror}); mend or remove it") from error
    return found


def is_complete(folder: Path, entry: Entry) -> bool:
    """Whether all files of a service are there; one that is empty is what a machine that went down has left of it."""
    return all((folder / file.name).is_file() and (folder / file.name).stat().st_size for file in entry.files)


def replace_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Writes all files, and only then puts each into its place, in their order. What is there already stays as it is.

    Raises `GenerationFailed` where that is not possible.
    """
    written: dict[str, Path] = {}
    try:
        for name, content in contents.items():
            if not _holds(folder / name, content):
                written[name] = _write(folder, content)
        for name, temporary in written.items():
            _outdate(temporary, folder / name)
            temporary.replace(folder / name)
    except OSError as error:
        raise GenerationFailed(f"{folder} cannot be written to ({error.strerror}); mend it") from error
    finally:
        for temporary in written.values():
            temporary.unlink(missing_ok=True)


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Removes those of the files that are there. Raises `GenerationFailed` where one cannot be removed."""
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise GenerationFailed(f"{folder / name} cannot be removed ({error.strerror}); remove it") from error


def init_source(services: Mapping[str, Entry]) -> bytes:
    """The package's `__init__.py`, which names what every service offers."""
    exports = sorted({export for entry in services.values() for export in entry.exports})
    named: dict[str, dict[str, str]] = {}
    for export, module, attribute in exports:  # services `a_b` and `aB` both have an `ABResolver`
        name = f"{export}_{module}" if export in named else export
        named[name] = {"name": name, "module": module, "attribute": attribute}
    return seal(render("init.py.jinja", exports=[named[name] for name in sorted(named)]))


def write_package(folder: Path, manifest: Manifest) -> None:
    """`__init__.py`, and last the manifest."""
    replace_files(folder, {INIT: init_source(manifest.services), NAME: dump_manifest(manifest)})


def _holds(file: Path, content: bytes) -> bool:
    try:
        return file.read_bytes() == content
    except OSError:
        return False


def _write(folder: Path, content: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(descriptor, 0o644)
    return Path(name)


def _outdate(new: Path, old: Path) -> None:
    """Makes their seconds differ: Python takes a compiled module for current where that and the size agree."""
    with suppress(FileNotFoundError):
        earlier = int(old.stat().st_mtime)
        if int(new.stat().st_mtime) <= earlier:
            os.utime(new, (earlier + 1, earlier + 1))
