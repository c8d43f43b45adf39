"""The versions that a service's spec has had: finding one by what a person types, and reading it."""

import re
from collections.abc import Sequence

from syncflow_pipelines.config import ServiceConfig
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.specs import SpecContent, SpecVersion, spec_content, spec_versions
from syncflow_pipelines.errors import SpecError, UnusableSpec
from syncflow_pipelines.openapi.inner_form import load_spec
from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse
from syncflow_pipelines.openapi.selection import select

_CHECKSUM = re.compile(r"[0-9a-f]{6,32}\Z")


class UnknownVersion(SpecError):
    """No such version of a spec is kept."""


def kept_versions(database: Database, service: str) -> list[SpecVersion]:
    """The versions, the newest first. Raises `UnknownVersion` where none is kept."""
    with database.connection() as connection:
        versions = spec_versions(connection, service)
    if not versions:
        raise UnknownVersion(f"no version of {service}'s spec is kept; run: syncflow specs fetch {service}")
    return versions


def pick(versions: Sequence[SpecVersion], named: str) -> SpecVersion:
    """The version of that number, or the newest whose checksum begins so. Raises `UnknownVersion`."""
    by_number = [version for version in versions if str(version.id) == named]
    by_checksum = [one for one in versions if _CHECKSUM.match(named) and one.checksum.startswith(named)]
    for version in (*by_number, *by_checksum):
        return version
    service = versions[0].service
    raise UnknownVersion(f"{service} has no version '{named}'; `syncflow specs status {service}` lists those there are")


def spec_of(database: Database, version: SpecVersion, service: ServiceConfig | None = None) -> Spec:
    """What the version says; with a service, only the operations that its configuration leaves of it.

    Raises `SpecError`.
    """
    with database.connection() as connection:
        content = spec_content(connection, version.id)
    if content is None:
        raise UnknownVersion(f"version {version.id} of {version.service} is not kept any more; take a newer one")
    spec = spec_in(content)
    return selected(spec, service) if service is not None else spec


def selected(spec: Spec, service: ServiceConfig) -> Spec:
    """The operations that the service's `include` and `exclude` leave. Raises `UnusableSpec` where there is none."""
    return select(spec, service.include, service.exclude)


def spec_in(content: SpecContent) -> Spec:
    """What the content of a version says. Raises `SpecError`."""
    try:
        return load_spec(content.form)
    except UnusableSpec:  # written by another version of SyncFlow: what it was made of is there, too
        return normalise(parse(content.document))
