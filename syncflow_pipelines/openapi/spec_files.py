"""Spec files, and the files that they refer to, read as they are at one moment."""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from syncflow_pipelines.errors import SpecTooLarge, SyncflowError, UnusableSpec
from syncflow_pipelines.openapi.limits import LIMITS, Limits
from syncflow_pipelines.openapi.references import Part, References, hold_whole

QUIET_FACTOR: Final = 3
QUIET_AT_LEAST_S: Final = 2.0

_TRIES: Final = 5


class NoSuchFile(UnusableSpec):
    """There is no such file."""


class Unsettled(UnusableSpec):
    """A file that cannot be used has changed just now: somebody may be in the middle of writing it."""


def quiet_s(debounce_ms: int) -> float:
    """How long a file has to be as it is before it is called unusable."""
    return max(QUIET_FACTOR * debounce_ms / 1000, QUIET_AT_LEAST_S)


def read_file(path: Path, limits: Limits = LIMITS) -> bytes:
    """The file, as it was at one moment of being written in place, too.

    Raises `NoSuchFile`, `SpecTooLarge`, and `UnusableSpec` where it is no file, or cannot be read.
    """
    try:
        # a named pipe is opened without waiting for somebody who writes into it
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _whole(path, descriptor, limits)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise NoSuchFile(f"there is no file {path}; write it, or mend path and openapi_path") from None
    except OSError as error:
        raise UnusableSpec(f"{path} cannot be read ({error.strerror}); mend that") from error
    except ValueError as error:
        raise UnusableSpec(f"{str(path)[:200]!r} cannot be the name of a file; mend it") from error


def _whole(path: Path, descriptor: int, limits: Limits) -> bytes:
    for _ in range(_TRIES):
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise UnusableSpec(f"{path} is {_kind(before.st_mode)}; name a file")
        if before.st_size > limits.max_bytes:
            raise _too_large(path, limits)
        content = _read(descriptor, limits.max_bytes + 1)
        if len(content) > limits.max_bytes:
            raise _too_large(path, limits)
        after = os.fstat(descriptor)
        if (before.st_mtime_ns, len(content)) == (after.st_mtime_ns, after.st_size):
            return content
    raise UnusableSpec(f"{path} is being written all the time; replace it whole, by renaming a new one")


def _read(descriptor: int, most: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    pieces: list[bytes] = []
    while most > 0 and (piece := os.read(descriptor, min(most, 1 << 20))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def is_young(path: Path, age_s: float) -> bool:
    """Whether it changed within that time; of what is not there, whether its folder did."""
    place = path
    while True:
        try:
            said = place.stat()
        except (OSError, ValueError):
            if place == place.parent:
                return False
            place = place.parent
            continue
        return 0 <= time.time() - said.st_mtime < age_s


class FileReferences:
    """Reads what a spec file refers to: files in the folder of the service's project, and the hosts that were named.

    Parts that are files are named by their path from that folder. `beside` reads what is no file.
    """

    def __init__(self, folder: Path, root: Path, beside: References, quiet_s: float, limits: Limits = LIMITS) -> None:
        self._folder = folder
        self._real_folder = os.path.realpath(folder)
        self._root = root
        self._beside = beside
        self._quiet_s = quiet_s
        self._limits = limits
        self._gap: SyncflowError | None = None
        self.files: list[Part] = []

    @property
    def parts(self) -> list[Part]:
        """What was read, files first; also what was not there."""
        return [*self.files, *self._beside.parts]

    def may_read(self, location: str) -> bool:
        """Whether it is a file in the folder, links followed, or on a host that was named."""
        if not location.startswith("/"):
            return self._beside.may_read(location)
        try:
            real = os.path.realpath(self._path(location))
        except (OSError, ValueError):
            return False
        return os.path.commonpath([real, self._real_folder]) == self._real_folder

    def read(self, location: str) -> bytes:
        """The file, or the document at the URL, that may be read. Raises `SyncflowError`."""
        if not location.startswith("/"):
            return self._beside.read(location)
        path = self._path(location)
        try:
            content = read_file(path, self._limits)
            self.files.append(file_part(path, self._folder, content))
            hold_whole(content, self._limits)
        except SpecTooLarge as error:
            self._gap = self._gap or error
            raise
        except UnusableSpec as error:
            self._judge(path, error)
            if isinstance(error, NoSuchFile):
                self.files.append(Part(_named(path, self._folder)))
                raise NoSuchFile("there is no such file") from error
            raise
        return content

    def refuse_gaps(self) -> None:
        """Raises what kept something from being read that may well be there in a moment."""
        if self._gap is not None:
            raise self._gap
        self._beside.refuse_gaps()

    def looked_at_again(self, known: Sequence[Part]) -> list[Part] | None:
        """The parts as they are now, or None where one of them changed."""
        files = [part for part in known if is_file(part)]
        if not all(map(self._is_same, files)):
            return None
        others = self._beside.looked_at_again([part for part in known if not is_file(part)])
        return None if others is None else [*files, *others]

    def _is_same(self, known: Part) -> bool:
        path = self._folder / known.url
        if not self.may_read(str(path)):
            return False
        try:
            return file_part(path, self._folder, read_file(path, self._limits)).is_same(known)
        except NoSuchFile:
            return not known.found_at
        except (UnusableSpec, SpecTooLarge):
            return False

    def _path(self, location: str) -> Path:
        """The file that a reference leads to; its name may be written with `%XX`."""
        path = Path(location)
        return path if "%" not in location or path.exists() else Path(unquote(location))

    def _judge(self, path: Path, error: UnusableSpec) -> None:
        if self._gap is None and any(is_young(one, self._quiet_s) for one in (path, self._root)):
            self._gap = Unsettled(f"{path}: {error}")


def file_part(path: Path, folder: Path, content: bytes) -> Part:
    """The part of that file, named by its path from the folder."""
    name = _named(path, folder)
    return Part(name, name, hashlib.sha256(content).hexdigest(), len(content))


def is_file(part: Part) -> bool:
    """Whether it is a file, and not of a server."""
    return "://" not in part.url


def unsettled(path: Path, error: SyncflowError, quiet_s: float) -> SyncflowError:
    """The error, or that the file may be in the middle of being written."""
    return Unsettled(str(error)) if isinstance(error, UnusableSpec) and is_young(path, quiet_s) else error


def _named(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)


def _too_large(path: Path, limits: Limits) -> SpecTooLarge:
    return SpecTooLarge(f"{path} has more than {limits.max_bytes:,} bytes; split it or shorten it")


def _kind(mode: int) -> str:
    kinds: tuple[tuple[Callable[[int], bool], str], ...] = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((word for test, word in kinds if test(mode)), "a device")
