"""Backups of schemas: what modules were before they were generated anew, and what people keep beside them.

A backup is a folder `schema_backup_YYYYmmdd_HHMMSS` (in UTC; `…_2` for the second of one second) with the files and
`backup_metadata.txt`, which says where each belongs, and which were not there. It is filled under another name and
renamed when it is whole; one that is removed is renamed first.
"""

import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from syncflow_pipelines.config import SchemaSyncSettings, Settings
from syncflow_pipelines.errors import BackupError, SyncflowError
from syncflow_pipelines.files.locking import locked
from syncflow_pipelines.files.replacing import replace_file, unwritable
from syncflow_pipelines.schemas.backups.metadata import (
    METADATA,
    BackupMetadata,
    SavedFile,
    digest_of,
    dump_metadata,
    load_metadata,
)

_NAME: Final = re.compile(r"schema_backup_(\d{8}_\d{6})(?:_([2-9]|[1-9]\d{1,5}))?")
_DRAFT: Final = ".draft-"
_REMOVED: Final = ".removed-"
_LOCK: Final = ".lock"


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup, whole or not."""

    name: str
    folder: Path
    metadata: BackupMetadata | None
    """None where it cannot be used, for the reason `problem`."""
    problem: str | None = None

    @property
    def size(self) -> int:
        """Bytes of the files in it."""
        return sum(file.size for file in self.metadata.files) if self.metadata else 0


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a restoration."""

    name: str
    undo: str
    """The backup of what stood there before."""
    files: tuple[Path, ...]
    """What was brought back, or removed because it was not there then."""


class Backups:
    """The backups of a folder. Several processes and threads may use it at once."""

    def __init__(self, folder: Path, project_dir: Path, max_backups: int) -> None:
        self._folder = folder
        self._project_dir = project_dir
        self._max_backups = max_backups

    def make(self, files: Iterable[Path], reason: str) -> str:
        """The name of a new backup of those files, and of which of them are not there; old ones are removed.

        Raises `ConfigurationError` where it cannot be written, and `BackupError` where a file cannot be read; there is
        no new backup then.
        """
        with self._held():
            return self._make(files, reason, keep=())

    def kept(self) -> tuple[Backup, ...]:
        """Every backup, the newest first."""
        try:
            names = [entry.name for entry in self._folder.iterdir() if _NAME.fullmatch(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise unwritable(self._folder, error) from error
        return tuple(self._read(name) for name in sorted(names, key=_age, reverse=True))

    def restore(self, name: str, allowed: Collection[Path]) -> Restored:
        """Brings back what the backup holds: bytes, modes, and that a file was not there.

        What stands there now is backed up first. Raises `BackupError` where the backup cannot be used, was changed, or
        holds a file that is not one of those `allowed`; nothing is touched then.
        """
        self._existing(name)
        with self._held():
            metadata, contents = self._usable(name)
            for file in metadata.files:
                if self._place(file) not in allowed:
                    raise BackupError(
                        f"{name} holds {file.path}, which is no output and no manual_schema_path of schema_sync.yaml;"
                        f" name it there, or copy it from {self._folder / name} yourself"
                    )
            places = {self._place(file): file for file in metadata.files}
            undo = self._make(places, f"before {name} was restored", keep=(name,))
            try:
                for place, file in places.items():
                    _bring_back(place, file, contents)
            except SyncflowError as error:
                told = f"{name} was not restored as a whole: {error}; what stood there before is in the backup {undo}"
                raise BackupError(told) from error
        return Restored(name, undo, tuple(places))

    def delete(self, name: str) -> None:
        """Removes a backup. Raises `BackupError` where there is none of that name."""
        self._existing(name)
        with self._held():
            self._remove(name)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with locked(self._folder / _LOCK):
            for entry in [*self._folder.glob(f"{_DRAFT}*"), *self._folder.glob(f"{_REMOVED}*")]:
                shutil.rmtree(entry, ignore_errors=True)  # whoever held the lock before was killed
            yield

    def _make(self, files: Iterable[Path], reason: str, keep: Collection[str]) -> str:
        now = datetime.now(UTC)
        name = self._free_name(now)
        draft = self._folder / f"{_DRAFT}{name}"
        try:
            draft.mkdir()
            saved = tuple(self._save(path, draft) for path in dict.fromkeys(files))
            metadata = BackupMetadata(now, reason, saved)
            replace_file(draft / METADATA, dump_metadata(name, metadata))
            draft.rename(self._folder / name)
        except OSError as error:
            raise unwritable(draft, error) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._rotate({name, *keep})
        return name

    def _save(self, path: Path, draft: Path) -> SavedFile:
        where = str(path.relative_to(self._project_dir) if path.is_relative_to(self._project_dir) else path)
        try:
            content = path.read_bytes()
            mode = path.stat().st_mode & 0o777
        except (FileNotFoundError, NotADirectoryError):
            return SavedFile(where)
        except OSError as error:
            raise BackupError(f"{path} cannot be backed up ({error.strerror}); mend that, and try again") from error
        name = next(name for name in _names(path) if name != METADATA and not (draft / name).exists())
        replace_file(draft / name, content)
        (draft / name).chmod(mode | 0o600)
        return SavedFile(where, name, f"{mode:04o}", len(content), digest_of(content))

    def _free_name(self, now: datetime) -> str:
        """A name that no backup has, nor had in this second: names are in the order in which backups were made."""
        second = f"{now:%Y%m%d_%H%M%S}"
        ages = [_age(entry.name) for entry in self._folder.iterdir() if _NAME.fullmatch(entry.name)]
        number = max((number for at, number in ages if at == second), default=0) + 1
        return f"schema_backup_{second}" if number == 1 else f"schema_backup_{second}_{number}"

    def _rotate(self, keep: Collection[str]) -> None:
        names = [backup.name for backup in self.kept()]
        spare = [name for name in names if name not in keep]
        room = max(0, self._max_backups - (len(names) - len(spare)))
        for name in spare[room:]:
            self._remove(name)

    def _remove(self, name: str) -> None:
        gone = self._folder / f"{_REMOVED}{name}"
        try:
            (self._folder / name).rename(gone)
            shutil.rmtree(gone)
        except OSError as error:
            raise unwritable(gone, error) from error

    def _read(self, name: str) -> Backup:
        folder = self._folder / name
        try:
            return Backup(name, folder, load_metadata(folder))
        except BackupError as error:
            return Backup(name, folder, None, str(error))

    def _existing(self, name: str) -> Path:
        folder = self._folder / name
        if not _NAME.fullmatch(name) or not folder.is_dir() or folder.is_symlink():
            raise BackupError(f"there is no backup {name!r}; `syncflow schemas backup list` shows those that are there")
        return folder

    def _usable(self, name: str) -> tuple[BackupMetadata, Mapping[str, bytes]]:
        """What is in the backup, by name in its folder; every file as it was saved."""
        folder = self._existing(name)
        metadata = load_metadata(folder)
        return metadata, {file.name: _content(folder, file) for file in metadata.files if file.name is not None}

    def _place(self, file: SavedFile) -> Path:
        return self._project_dir / file.path


def backups_of(settings: Settings, rules: SchemaSyncSettings) -> Backups:
    """The backups of this installation."""
    return Backups(rules.backup_dir, settings.project_dir, rules.max_backups)


def _content(folder: Path, file: SavedFile) -> bytes:
    path = folder / str(file.name)
    try:
        content = b"" if path.is_symlink() else path.read_bytes()
    except OSError as error:
        raise BackupError(f"{path} cannot be read ({error.strerror}); the backup cannot be used") from error
    if digest_of(content) != file.sha256:
        raise BackupError(f"{path} is not what was saved; the backup cannot be used")
    return content


def _bring_back(place: Path, file: SavedFile, contents: Mapping[str, bytes]) -> None:
    if file.name is not None:
        replace_file(place, contents[file.name])
    try:
        if file.name is None:
            place.unlink(missing_ok=True)
        else:
            place.chmod(int(file.mode, 8))
    except OSError as error:
        raise unwritable(place, error) from error


def _age(name: str) -> tuple[str, int]:
    match = _NAME.fullmatch(name)
    assert match is not None
    return match[1], int(match[2] or 1)


def _names(path: Path) -> Iterator[str]:
    """Names for a file in a backup: its own, or one that tells it from another of that name."""
    yield path.name
    for number in count(2):
        yield f"{path.stem}_{number}{path.suffix}"
