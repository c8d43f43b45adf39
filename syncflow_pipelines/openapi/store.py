"""What is kept of the specs on disk: the documents, their checksums, and their inner forms as a cache."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from syncflow_pipelines.config import BearerAuth, HeaderAuth, ServiceConfig, ServiceSettings, Settings
from syncflow_pipelines.errors import ConfigurationError, SpecError
from syncflow_pipelines.openapi.files import locked, replace_file
from syncflow_pipelines.openapi.ids import claim, unique_ids
from syncflow_pipelines.openapi.inner_form import FORMAT, dump_spec, load_spec
from syncflow_pipelines.openapi.model import Json, Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse
from syncflow_pipelines.openapi.pointers import MISSING, look_up
from syncflow_pipelines.openapi.references import Part

FOLDER: Final = "specs"
"""Below `SYNCFLOW_HOME`: the inner forms."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptSpec:
    """What the checksum file says of one service's spec."""

    checksum: str
    """MD5 of the canonical document."""
    timestamp: str = ""
    """When it changed last, ISO 8601 in UTC."""
    spec_file: str = ""
    """From the project's folder, where it is inside."""
    contract: str = ""
    configuration: str = ""
    """Digest of the configuration under which it was fetched."""
    form: int = 0
    """Of the inner form that it was brought into."""
    size: int = 0
    """Bytes of the spec file."""
    documents: tuple[Part, ...] = ()
    """What it was made of, its own document first."""
    ids: Mapping[str, str] = msgspec.field(default_factory=dict)
    """By `method path`, the ids of operations that depend on what the spec was before."""
