"""Secrets kept out of what people read."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from syncflow_pipelines.errors import ConfigurationError

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SHORTEST = 4
"""Shorter values are no secrets, and replacing them would garble everything."""
_SHORTEST_IN_DOCUMENTS = 12
"""Shorter ones may be words of a document that has to stay as it is."""
_SHOWN = 400
_NOTHING = r"(?!)"
"""Matches nowhere."""


class Redaction:
    """Knows the values of the credentials, and takes them out of foreign texts.

    Raises `ConfigurationError` for a header that HTTP cannot carry; its value is not shown.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            _check(name, value)
        found = {secret for value in headers.values() for secret in _secrets(value)}
        longest_first = sorted(found, key=len, reverse=True)
        self._in_documents = [text.encode() for text in longest_first if len(text) >= _SHORTEST_IN_DOCUMENTS]
        self._secrets = re.compile("|".join(map(re.escape, longest_first)) or _NOTHING, re.IGNORECASE)

    def clean(self, text: str, longest: int = _SHOWN) -> str:
        """The text on one line, without secrets, and not too long to read."""
        text = self.mask(text)
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        return text if len(text) <= longest else f"{text[:longest]}…"

    def mask(self, text: str) -> str:
        """The text with `***` in place of every secret."""
        return self._secrets.sub("***", text)

    def mask_document(self, content: bytes) -> bytes:
        """The document with `***` in place of every secret that is long enough to be told from its words."""
        for secret in self._in_documents:
            if secret in content:
                content = content.replace(secret, b"***")
        return content

    def cause(self, error: BaseException | None) -> BaseException | None:
        """The error as a cause to keep, or None where it, or one behind it, shows a secret."""
        return None if any(self._secrets.search(f"{link} {link!r}") for link in _chain(error)) else error


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no name for an HTTP header; use letters, digits and dashes")
    if not (value.isascii() and value.isprintable()):
        raise ConfigurationError(f"the value of header {name} holds a character that HTTP cannot carry; replace it")


def _secrets(value: str) -> Iterator[str]:
    """The value, and what follows a scheme such as `Bearer`; also as they would look within a URL."""
    for text in (value, value.partition(" ")[2]):
        if len(text) >= _SHORTEST:
            yield from {text, quote(text), quote(text, safe="")}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
