"""A name for each operation: unique, stable, `[A-Za-z0-9_]+`, at most 56 characters.

It is made of the operation's own id, method and path, so that it stays when others come and go. It has no two
underscores in a row: FastMCP cuts there.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from syncflow_pipelines.openapi.model import Json

MAX_LENGTH: Final = 56
_DIGEST_LENGTH: Final = 6
_SEPARATORS: Final = re.compile(r"[^A-Za-z0-9]+")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Claim:
    """An operation that wants a name."""

    path: str
    method: str
    operation_id: str | None
    """As the document says it."""

    @property
    def key(self) -> tuple[str, str]:
        return self.path, self.method

    def name(self) -> str:
        """The name if no other operation wants the same."""
        if self.operation_id is not None:
            words = _words(self.operation_id)
            return _fitted(
                words or self._path_words(), self.operation_id, is_whole=bool(words) and _is_kept(self.operation_id)
            )
        words = self._path_words()
        return _fitted(words, f"{self.method} {self.path}", is_whole=_is_kept(self.path))

    def other_name(self, length: int = _DIGEST_LENGTH) -> str:
        """The name if another operation has got the first one."""
        words = _words(self.operation_id or "") or self._path_words()
        return _with_digest(words, f"{self.operation_id or ''}\n{self.method}\n{self.path}", length)

    def _path_words(self) -> str:
        path = _PLACEHOLDER.sub(r" by \1 ", self.path)
        return _words(f"{self.method} {path}")


def claim(path: str, method: str, operation_id: Json) -> Claim:
    """The claim of an operation whose `operationId` may be anything."""
    if isinstance(operation_id, bool) or not isinstance(operation_id, str | int | float):
        return Claim(path, method, None)
    return Claim(path, method, str(operation_id).strip() or None)


def unique_ids(claims: Iterable[Claim], known: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """A name for each path and method.

    Where several want the same, the one that has had it (`known`: by path and method) keeps it, otherwise the first by
    path and method; the others get a digest of their own at the end. A name that has been given stays while it fits.
    """
    names: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    in_order = sorted(claims, key=lambda wanted: wanted.key)
    for wanted in in_order:
        had = known.get(wanted.key)
        if had is not None and had not in taken and had in (wanted.name(), wanted.other_name()):
            names[wanted.key] = had
            taken.add(had)
    for wanted in in_order:
        if wanted.key not in names:
            names[wanted.key] = _free(wanted, taken)
            taken.add(names[wanted.key])
    return names


def _free(wanted: Claim, taken: set[str]) -> str:
    if (name := wanted.name()) not in taken:
        return name
    length = _DIGEST_LENGTH
    while (name := wanted.other_name(length)) in taken:
        length += 1
    return name


def _words(text: str) -> str:
    """The words of a text: letters and digits, accents taken off, everything else one underscore."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() if not text.isascii() else text
    return _SEPARATORS.sub("_", plain).strip("_")


def _is_kept(text: str) -> bool:
    return text.isascii()


def _fitted(words: str, written: str, *, is_whole: bool) -> str:
    if is_whole and words and len(words) <= MAX_LENGTH:
        return words
    return _with_digest(words, written, _DIGEST_LENGTH)


def _with_digest(words: str, written: str, length: int) -> str:
    digest = sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:length]
    readable = words[: MAX_LENGTH - length - 1].rstrip("_")
    return f"{readable}_{digest}" if readable else digest
