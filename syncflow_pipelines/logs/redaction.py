"""Secrets kept out of log lines, wherever they come from: by how they look, and by what is known to be one."""

import json
import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Final
from urllib.parse import quote, urlsplit

MASK: Final = "***"
_SHORTEST: Final = 6
"""Shorter values are words that may stand anywhere."""

_WORDS: Final = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|(?:api|access|private|auth|signing|encryption)[_\-. ]?key|"
    r"credentials?|authorization|cookie|signature|session[_-]?id"
)
_NAME: Final = rf"(?:{_WORDS})[\w.\-]{{0,40}}"
"""The end of a name that says that its value is a secret."""
_BLANKS: Final = r"(?:\s|\\+[trn]){0,8}"
_IS: Final = rf"{_BLANKS}(?:=>|=|:|%3[Dd]|%3[Aa]){_BLANKS}"
_QUOTE: Final = r"\\*[\"']"
# Up to a quote like the first that something other than a word follows; none: up to the end.
_QUOTED: Final = r"b?(?P<q>\\*[\"'])(?:\\.|(?!(?P=q)(?!\w)).)*(?:(?P=q)|\Z)"
_BARE: Final = r"(?!\*\*\*)[^\s&;,\"'()\[\]{}]+"
# Up to the end of the line: a header's value may hold blanks, commas and equal signs.
_HEADERS: Final = r"authorization|cookie|x-[\w\-]{0,40}?(?:key|token|secret|auth)"
_TOKENS: Final = (
    r"syncflow_[\w\-]{20,}|whsec_[\w+/=\-]{6,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{16,}|"
    r"gAAAAA[\w\-]{60,}|xox[a-z]-[\w\-]{8,}|sk-[\w\-]{16,}|AKIA[A-Z0-9]{12,}|AIza[\w\-]{30,}"
)
_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement)
    for pattern, replacement in (
        (r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----).*?(?:-----END [A-Z0-9 ]{0,40}-----|\Z)", rf"\1{MASK}"),
        # before what takes the word for the value
        (r"\b(bearer|basic|digest|negotiate)(\s+|%20)(?=\S{8})[\w.~+/=\-]+", rf"\1\2{MASK}"),
        # as mappings, JSON and the pairs of ASGI show it
        (rf"({_NAME}{_QUOTE}\s{{0,8}}[:,=]\s{{0,8}}){_QUOTED}", rf"\1{MASK}"),
        (rf"({_NAME}{_QUOTE}\s{{0,8}}[:,=]\s{{0,8}}){_BARE}", rf"\1{MASK}"),
        (rf"((?:{_HEADERS}){_BLANKS}[:=]{_BLANKS})(?!\*\*\*)[^\r\n\"']+", rf"\1{MASK}"),
        (rf"({_NAME}{_IS}){_QUOTED}", rf"\1{MASK}"),
        (rf"({_NAME}(?:{_QUOTE})?\s{{0,8}}[:=]\s{{0,8}}[\[(]\s{{0,8}}){_QUOTED}", rf"\1{MASK}"),
        (rf"(<{_NAME}>)[^<]+", rf"\1{MASK}"),
        (rf"({_NAME}{_IS}){_BARE}", rf"\1{MASK}"),
        (rf"(--[\w\-]{{0,40}}?{_NAME} ){_BARE}", rf"\1{MASK}"),
        (r"(://)[^\s/?#\"'<>]{0,500}@", rf"\1{MASK}@"),
        # a password that was not encoded may hold a slash
        (r"(://)[^\s/:@\"'<>]{1,200}:[^\s\"'<>]{0,500}@", rf"\1{MASK}@"),
        (r"([?&;](?:key|sig|code|auth|pass|pw|pin|otp|hmac|jwt|nonce)=)[^\s&#\"']+", rf"\1{MASK}"),
        (r"(hooks\.slack\.com/(?:services|workflows)/)[^\s\"']+", rf"\1{MASK}"),
        (r"(/api/webhooks/|/webhookb2/|/incomingwebhook/|api\.telegram\.org/bot)[^\s\"']+", rf"\1{MASK}"),
        (r"\beyJ[\w\-]{5,2000}\.[\w\-]{5,4000}(?:\.[\w\-]*)?", MASK),
        (rf"\b(?:{_TOKENS})", MASK),
    )
)
_HOLDS_SECRET: Final = re.compile(_WORDS, re.IGNORECASE)
_NAMES_SECRET: Final = re.compile(
    r"(?:\A|_)(?:PASS(?:WORD|WD|PHRASE|CODE)?|PWD|SECRETS?|TOKENS?|(?:API)?KEYS?|BEARER|CREDENTIALS?|DSN|WEBHOOK)(?:_|\Z)"
)


class LogRedaction:
    """Takes secrets out of texts. `known`: values that are secrets, as they are."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        spelled = {form for value in known if len(value) >= _SHORTEST for form in _spellings(value)}
        longest_first = sorted(spelled, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def mask(self, text: str) -> str:
        """The text with `***` in place of what is a secret, or looks like one."""
        text = self._known.sub(MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def mask_value(self, name: str, value: Any) -> Any:
        """A log line's field as JSON has it, without secrets; all of it where its name says that it is one.

        What holds itself, or is nested too deep, is masked whole.
        """
        try:
            return self._masked(name, value)
        except RecursionError:
            return MASK

    def _masked(self, name: str, value: Any) -> Any:
        if _HOLDS_SECRET.search(name):
            return MASK
        if isinstance(value, Mapping):
            return {self.mask(text_of(key)): self._masked(text_of(key), each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._masked("", each) for each in value]
        is_plain = isinstance(value, bool | int | None) or (isinstance(value, float) and isfinite(value))
        return value if is_plain else self.mask(text_of(value))


def secrets_of(variables: Mapping[str, str]) -> set[str]:
    """The values of an environment that are secrets, by the names of their variables; and passwords of its URLs."""
    found = {value for name, value in variables.items() if _NAMES_SECRET.search(name.upper())}
    return found | {password for value in variables.values() if (password := _password(value))}


def text_of(value: Any) -> str:
    """Its text, or the error that it has instead."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - what cannot be shown is no reason to lose the line
        return f"({type(error).__name__})"


def _spellings(value: str) -> tuple[str, ...]:
    """As it is, as a URL has it, and as JSON and Python show it between quotes."""
    return value, quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1]


def _password(value: str) -> str | None:
    if "://" not in value or "@" not in value:
        return None
    try:
        return urlsplit(value).password
    except ValueError:
        return None
