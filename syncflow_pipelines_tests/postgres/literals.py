"""JSON literals as sources write them into columns of each type: good ones, nearly good ones, and any others."""

import json

import msgspec
from hypothesis import strategies as st

Literals = st.SearchStrategy[bytes]

_RAW = msgspec.json.Decoder(list[msgspec.Raw])


def is_json(literal: bytes) -> bool:
    """Whether such a literal can be in a page that was taken apart."""
    try:
        return len(_RAW.decode(b"[%b]" % literal)) == 1
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def quoted(texts: st.SearchStrategy[str]) -> Literals:
    return st.builds(lambda text, is_ascii: json.dumps(text, ensure_ascii=is_ascii).encode(), texts, st.booleans())


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


def chosen(texts: str) -> st.SearchStrategy[str]:
    """One of the words; `_` is the empty one, `~` a space."""
    return st.sampled_from([word.replace("_", "").replace("~", " ") for word in texts.split()])


_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
_TEXT = st.text(st.sampled_from('ab "\\,.\n\r\tnul{}[]äß€\U0001f600\x7f\u2028') | _CHARACTERS, max_size=6)
_SPACED = joined(chosen("_ ~ ~~"), _TEXT, chosen("_ ~ ~~~~"))
_ILL = st.sampled_from(
    [
        b'"\xff"',
        b'"\xc0\xaf"',
        b'"a\xed\xa0\x80"',
        b'"\xf4\x90\x80\x80"',
        b'"\xe2\x82"',
        b'"\\n\xff"',
        b'"\\u0000"',
        b'"a\\u0000\xff"',
        b'"\\\\u0000"',
        b'"\\ud83d\\ude00"',
        b'"\\ud83d"',
        b'"\\/\\b\\f"',
        b'{"a":"\xff"}',
        b'["\\u0000", "\\\\u0000"]',
    ]
)
_NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
DOCUMENTS = st.builds(
    lambda value, indent, is_ascii: json.dumps(value, indent=indent, ensure_ascii=is_ascii).encode(),
    _NESTED,
    st.none() | st.integers(0, 2),
    st.booleans(),
) | st.sampled_from([b'{"a":1,"a":2}', b"[1e400]", b"[1e-20000]", b"[-0]", b"[" * 50 + b"]" * 50, b'[1,\r\n"x"]'])

_WHOLE = joined(chosen("_ _ -"), st.integers(0, 10**12).map(str) | st.integers(0, 10**25).map(str) | chosen("0 1 9"))
_EDGES = chosen(
    "32767 32768 -32768 -32769 2147483647 2147483648 -2147483648 9223372036854775807 9223372036854775808 -0"
)
_FRACTION = joined(st.just("."), st.text("0123456789", min_size=1, max_size=12) | chosen("0 000 5 1230000"))
_EXPONENT = joined(
    chosen("e E e+ e-"),
    st.integers(0, 40).map(str) | chosen("00 308 309 400 16383 16384 131072 999999 9999999 0000001"),
)
_NUMBER = joined(_WHOLE, st.just("") | _FRACTION, st.just("") | st.just("") | _EXPONENT)
_FOUND_ODD = chosen("0e9999999 0e-9999999 -0.0 1e3 1.0 100e-2 0.00000 1e45 1e-46 1e-400 0e131072 1e-131072")
WHOLE_NUMBERS = (_WHOLE | _EDGES).map(str.encode)
NUMBERS = (_NUMBER | _EDGES | _FOUND_ODD).map(str.encode)
NUMBER_TEXTS = quoted(joined(chosen("_ ~ +"), _NUMBER | _EDGES | chosen("NaN Infinity 0x10 1_000 _"), chosen("_ ~")))

_DAYS = chosen(
    "2025-12-08 2025-12-08 2024-02-29 2025-02-29 0000-01-01 0001-01-01 9999-12-31 2025-13-01 20251208 2025-1-1 "
    "10000-01-01 20251208111213 today infinity"
)
_CLOCKS = joined(
    chosen("11:12:13 00:00:00 24:00:00 24:00:01 23:59:59 23:59:60 25:00:00 12:60:00 11:12 1:2:3 111213 noon"),
    chosen("_ _ .5 .123456 .999999 .1234567 .9999999 ,5 ."),
)
_ZONES = chosen("_ _ Z z +00:00 +00:00 -00:00 +01:00 -05:30 +15:59 +16:00 -15:59:59 +00 +0000 ~+00:00 +00:60 ~UTC")
_SPACES = chosen("_ _ _ ~")
DATES = quoted(joined(_DAYS, _SPACES))
TIMES = quoted(joined(_CLOCKS, chosen("_ _ _ Z +00:00 +01:00"), _SPACES))
MOMENTS = quoted(joined(_DAYS, chosen("T T ~ ~ t _ T~"), _CLOCKS, _ZONES, _SPACES)) | DATES
IDENTIFIERS = quoted(
    st.uuids().map(str)
    | st.uuids().map(lambda uid: str(uid).upper())
    | st.uuids().map(lambda uid: f"{{{uid}}}")
    | st.uuids().map(lambda uid: uid.hex)
    | st.uuids().map(lambda uid: str(uid)[:-1])
    | st.uuids().map(lambda uid: f"{str(uid)[:-1]}g")
    | st.uuids().map(lambda uid: f"{str(uid)[:7]}-{str(uid)[7]}{str(uid)[9:]}")
    | st.uuids().map(lambda uid: f" {uid}")
)
BOOLEANS = st.sampled_from([b"true", b"true", b"false", b"false", b"1", b"0", b'"Y"', b'"no"', b'" t "', b"2", b'""'])
BYTES = quoted(st.binary(max_size=5).map(lambda value: f"0x{value.hex()}"))
TEXTS = quoted(_SPACED) | quoted(chosen('null NULL \\N \\. "null" _ a,b a\nb'))
ANY = st.one_of(_ILL, DOCUMENTS, NUMBERS, NUMBER_TEXTS, MOMENTS, BOOLEANS, TEXTS, st.just(b"null"))


def column_of(good: Literals) -> st.SearchStrategy[list[bytes]]:
    """Literals of one column: all of its type, or with nulls, or with some that are anything."""
    lists = [st.lists(good, min_size=1, max_size=4), st.lists(good | st.just(b"null"), min_size=1, max_size=4)]
    return st.one_of(*lists, st.lists(good | ANY, min_size=1, max_size=4)).map(
        lambda literals: list(filter(is_json, literals)) or [b"null"]
    )
