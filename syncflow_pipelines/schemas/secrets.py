"""Fields that hold secrets: they are written and never answered."""

import re
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from syncflow_pipelines.schemas.model import FieldSpec, SchemaSource

SECRET_NAMES: Final = (
    "password", "*_password", "password_hash", "*_password_hash", "hashed_password", "password_digest",
    "*_password_digest", "passwd", "passphrase", "*_passphrase", "secret", "*_secret", "secret_key", "*_secret_key",
    "private_key", "*_private_key", "api_key", "*_api_key", "access_token", "*_access_token", "refresh_token",
    "*_refresh_token", "auth_token", "*_auth_token", "*_token_hash", "pin_hash",
)  # fmt: skip
"""Patterns of names, whose capitals do not matter."""

_WORD_BEGINS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def keep_secrets(source: SchemaSource, names: Sequence[str] = SECRET_NAMES) -> SchemaSource:
    """The source with every field whose name matches one of the patterns marked as one that is written only.

    Keys stay readable: without them nobody could tell which row was answered.
    """
    models = tuple(
        msgspec.structs.replace(model, fields=tuple(_kept(field, names) for field in model.fields))
        for model in source.models
    )
    return msgspec.structs.replace(source, models=models)


def is_secret(name: str, names: Collection[str]) -> bool:
    """Whether a name matches one of the patterns, as it is spelled or with `_` between its words."""
    spelled = {name.lower(), _snake(name)}
    return any(fnmatchcase(each, pattern.lower()) for pattern in names for each in spelled)


def _kept(field: FieldSpec, names: Sequence[str]) -> FieldSpec:
    if field.primary_key or field.relation:
        return field
    return msgspec.structs.replace(field, write_only=True) if is_secret(field.name, names) else field


def _snake(name: str) -> str:
    """`passwordHash`, `PASSWORD_HASH` and `Password Hash` as `password_hash`, `userAPIKey` as `user_api_key`."""
    return re.sub(r"[\W_]+", "_", _WORD_BEGINS.sub("_", name)).lower()
