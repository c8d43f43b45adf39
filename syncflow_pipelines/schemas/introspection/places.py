"""Where models are: the modules of a path, the folder that they are imported from, and the digest of their files."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

from syncflow_pipelines.errors import ConfigurationError

ModelsKind = Literal["tortoise", "sqlalchemy"]

_DISTRIBUTIONS: Final = {"tortoise": "tortoise-orm", "sqlalchemy": "SQLAlchemy"}
_IMPORTS = re.compile(r"^[ \t]*(?:from|import)[ \t]+([A-Za-z_][\w.]*)", re.MULTILINE)
_ORMS = ("tortoise.", "sqlalchemy.")
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True, slots=True)
class ModelsPlace:
    """Modules to import, and what has to be on the path for that."""

    root: Path
    modules: tuple[str, ...]
    files: tuple[Path, ...]
    """Of the modules, in their order."""


def models_place(models_path: Path, python_path: Sequence[Path] = ()) -> ModelsPlace:
    """The modules of a package, of a folder without `__init__.py`, or of a file, with all that is below.

    They are imported from the entry of `python_path` that they are in. Where there is none, from the folder above the
    outermost package, or from further up where their own imports say so (`from src.database …`). Raises
    `ConfigurationError` where there is no such path, or nothing in it that can be imported.
    """
    path = models_path.absolute()
    if not path.exists():
        raise ConfigurationError(f"{models_path} does not exist; name the folder or the file of the models")
    files = tuple(_python_files(path))
    root = _root(path, files, [entry.absolute() for entry in python_path])
    named = [(name, file) for file in files if (name := _module(file, root)) is not None]
    if not named:
        raise ConfigurationError(f"{models_path} holds no module of Python that can be imported; name another path")
    return ModelsPlace(root, tuple(name for name, _ in named), tuple(file for _, file in named))


def source_digest(
    kind: ModelsKind,
    models_path: Path,
    *,
    python: Path | None = None,
    also: Iterable[Path] = (),
) -> str:
    """SHA-256, in hexadecimal, of all that decides what is read: every module of the path and every file in `also`,
    and the ORM's version. Equal digests: nothing need be read again.

    `also` is `Reading.files` of the last time: modules elsewhere that the models import. Files that are gone count
    as that. Raises nothing for models that are broken.
    """
    path = models_path.absolute()
    digest = hashlib.sha256(f"{kind}\0{_orm_version(kind, python)}\0".encode())
    for file in sorted({*_python_files(path), *(entry.absolute() for entry in also)}):
        try:
            content = file.read_bytes()
        except OSError:
            content = b"\0gone"
        digest.update(f"{file}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def _python_files(path: Path, seen: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Sorted, a package's own `__init__.py` first. `seen` are the folders around it, to which links may lead back."""
    if path.is_file():
        yield path
        return
    seen |= {path.resolve()}
    try:
        entries = sorted(path.iterdir(), key=lambda entry: (entry.name != "__init__.py", entry.name))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir() and _is_package(entry) and not _leads_back(entry, seen):
            yield from _python_files(entry, seen)
        elif entry.suffix == ".py" and entry.stem.isidentifier() and entry.name != "__main__.py" and entry.is_file():
            yield entry


def _is_package(folder: Path) -> bool:
    return folder.name.isidentifier() and folder.name not in _PASSED_OVER


def _leads_back(folder: Path, seen: frozenset[Path]) -> bool:
    real = folder.resolve()
    return any(known.is_relative_to(real) for known in seen)


def _module(file: Path, root: Path) -> str | None:
    parts = list(file.relative_to(root).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None


def _root(path: Path, files: Sequence[Path], python_path: Sequence[Path]) -> Path:
    given = [entry for entry in python_path if path.is_relative_to(entry) and path != entry]
    if given:
        return given[0]
    if path.is_file() and not (path.parent / "__init__.py").exists():
        outermost = path.parent
    else:
        package = path if path.is_dir() else path.parent
        while (package.parent / "__init__.py").exists():
            package = package.parent
        outermost = package.parent
    return _root_by_imports(outermost, files) or outermost


def _root_by_imports(outermost: Path, files: Sequence[Path]) -> Path | None:
    """The nearest folder above from which something that they import from there can be found."""
    imported = {name for file in files for name in _IMPORTS.findall(_text(file)) if not name.startswith(_ORMS)}
    for folder in (outermost, *outermost.parents):
        for name in sorted(imported):
            first, *rest = name.split(".")
            if first == folder.name and rest and _is_there(folder.joinpath(*rest[:1])):
                return folder.parent
    return None


def _is_there(module: Path) -> bool:
    return module.is_dir() or module.with_name(f"{module.name}.py").is_file()


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""


def _orm_version(kind: ModelsKind, python: Path | None) -> str:
    name = _DISTRIBUTIONS[kind]
    if python is None:
        try:
            return version(name)
        except PackageNotFoundError:
            return ""
    wanted = re.sub(r"[-_.]+", "_", name).lower()
    found = python.absolute().parent.parent.glob("lib/python*/site-packages/*.dist-info")
    return ",".join(sorted(path.name for path in found if path.name.lower().startswith(f"{wanted}-")))
