"""Somebody's models, written as source text into a folder of their own, and what is read of them."""

from pathlib import Path
from textwrap import dedent

from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines.schemas.model import FieldSpec, ModelSpec, SchemaSource

SQLALCHEMY = """
    import datetime as dt, decimal, enum, uuid
    from typing import Any, Optional
    from sqlalchemy import *
    from sqlalchemy.dialects import mysql, postgresql as pg
    from sqlalchemy.ext.hybrid import hybrid_property
    from sqlalchemy.orm import *
    class Base(DeclarativeBase): pass
"""
TORTOISE = """
    import datetime as dt, enum, re
    from tortoise import fields, validators
    from tortoise.models import Model
"""


def write(folder: Path, **modules: str) -> Path:
    """The folder, with those modules in it; `__init__` makes it a package."""
    for name, text in modules.items():
        path = folder.joinpath(*name.split("__DOT__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return folder


def of_text(introspector: Introspector, folder: Path, prelude: str, text: str) -> SchemaSource:
    """What is read of one module with that text."""
    file = folder / "shop.py"
    file.write_text(dedent(prelude) + dedent(text))
    return introspector.read(file).source


def model(source: SchemaSource, name: str) -> ModelSpec:
    return next(found for found in source.models if found.name == name)


def field(source: SchemaSource, name: str) -> FieldSpec:
    """A field, as `Model.field`."""
    model_name, _, field_name = name.partition(".")
    return next(found for found in model(source, model_name).fields if found.name == field_name)
