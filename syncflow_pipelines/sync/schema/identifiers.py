"""Names from outside, made into names for PostgreSQL.

Identifiers are always quoted when they become SQL. Schemas and tables get names that people can type; columns keep
the names that the source's contract gives them, down to the letter. Both stay within PostgreSQL's limit of 63 bytes,
which it would apply by cutting silently.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

MAX_BYTES = 63
"""What PostgreSQL keeps of a name (NAMEDATALEN - 1)."""

AUDIT_PREFIX = "_bridge_"
"""How the columns begin that SyncFlow adds to every table."""

SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Names that PostgreSQL keeps for itself in every table."""

_DIGEST_DIGITS = 8
_SAFE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def identifier(name: str) -> str:
    """`name` in lower case, NFC, only letters, marks, digits and underscores, at most 63 bytes of UTF-8.

    Anything else becomes one underscore; a digit in front gets one before it. A name that is too long,
    or of which nothing is left, carries a digest of the whole. The same name always gives the same
    identifier, and an identifier gives itself.
    """
    if _SAFE.fullmatch(name):
        return name
    text = _folded(name)
    if not text.strip("_"):
        return _with_digest("", name)
    if text[0].isdigit():
        text = f"_{text}"
    return text if len(text.encode()) <= MAX_BYTES else _with_digest(text, name)


def column_identifiers(aliases: Sequence[str]) -> list[str]:
    """The columns' names for the aliases of one entity, in their order, all different.

    A column is called what its alias says, in the alias's own case and spelling. What PostgreSQL cannot keep in a
    name, and control characters, become underscores; an alias that is too long, or empty, carries a digest. One that
    would be an audit column of SyncFlow or a system column of PostgreSQL gets `source` put before it: `_bridge_hash`
    becomes `source_bridge_hash`, `xmin` becomes `source_xmin`.
    """
    return _assigned(aliases, [_column_identifier(alias) for alias in aliases])


def _column_identifier(alias: str) -> str:
    made = "".join("_" if unicodedata.category(char) in ("Cc", "Cs") else char for char in alias)
    if made in SYSTEM_COLUMNS:
        made = f"source_{made}"
    elif made.lower().startswith(AUDIT_PREFIX):
        made = f"source{made}"
    return made if 0 < len(made.encode()) <= MAX_BYTES else _with_digest(made, alias)


def _assigned(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """What each name gets of what it wants, or that with a digest of the name.

    Where several want one identifier, only the name that is spelled like it gets it, whatever their order.
    """
    claims = Counter(wanted)
    taken: set[str] = set()
    result = [""] * len(names)
    for index, (name, want) in enumerate(zip(names, wanted, strict=True)):
        if want not in taken and (claims[want] == 1 or name == want):
            taken.add(want)
            result[index] = want
    for index in sorted((index for index, made in enumerate(result) if not made), key=names.__getitem__):
        result[index] = _free(wanted[index], names[index], taken)
    return result


def _folded(name: str) -> str:
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())
    kept = "".join(char if char == "_" or unicodedata.category(char)[0] in "LMN" else " " for char in text)
    return "_".join(kept.split())


def _free(stem: str, name: str, taken: set[str]) -> str:
    """`stem` with a digest of `name` that is not yet in `taken`, to which it is added."""
    salt = 0
    made = _with_digest(stem, name)
    while made in taken:
        salt += 1
        made = _with_digest(stem, f"{name}\0{salt}")
    taken.add(made)
    return made


def _with_digest(stem: str, name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_DIGITS]
    room = MAX_BYTES - len(digest) - 1
    return f"{stem.encode()[:room].decode('utf-8', 'ignore').rstrip('_')}_{digest}"
