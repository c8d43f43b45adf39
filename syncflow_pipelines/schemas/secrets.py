"""Fields that hold secrets: they are written and never answered."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from syncflow_pipelines.schemas.model import FieldSpec, SchemaSource

SECRET_NAMES: Final = (
    "password", "*_password", "password_hash", "*_password_hash", "hashed_password", "password_digest", "passwd",
    "passphrase", "secret", "*_secret", "secret_key", "private_key", "*_private_key", "api_key", "*_api_key",
    "access_token", "refresh_token", "auth_token", "*_token_hash", "otp_secret", "totp_secret", "pin_hash",
)  # fmt: skip
"""Patterns of names, whose capitals do not matter."""


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
    """Whether a name matches one of the patterns."""
    spelled = _snake(name)
    return any(fnmatchcase(spelled, pattern.lower()) for pattern in names)


def _kept(field: FieldSpec, names: Sequence[str]) -> FieldSpec:
    if field.primary_key or field.relation:
        return field
    return msgspec.structs.replace(field, write_only=True) if is_secret(field.name, names) else field


def _snake(name: str) -> str:
    """`passwordHash` and `PASSWORD_HASH` as `password_hash`."""
    if name.upper() == name:
        return name.lower()
    return "".join(f"_{char.lower()}" if char.isupper() and index else char.lower() for index, char in enumerate(name))
