"""From the bytes of a document to its inner form, in one step."""

from collections.abc import Mapping

from syncflow_pipelines.openapi.bundling import bundle
from syncflow_pipelines.openapi.library import MayRead, Read
from syncflow_pipelines.openapi.limits import LIMITS, Limits
from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse_document


def spec_of(
    body: bytes,
    location: str,
    read: Read,
    may_read: MayRead,
    known_ids: Mapping[tuple[str, str], str] | None = None,
    limits: Limits = LIMITS,
) -> Spec:
    """The spec that the bytes at a location hold, with all that it refers to; see `parse`, `bundle` and `normalise`.

    Its findings are those of all three. Raises `UnusableSpec` or `SpecTooLarge`.
    """
    parsed = parse_document(body, limits)
    bundled, outside = bundle(parsed.value, location, read, may_read, limits)
    return normalise(bundled, known_ids, findings=(*parsed.findings, *outside), limits=limits)
