"""What rendering gives, whatever a source is: one module of Python."""

from dataclasses import dataclass

from syncflow_pipelines.schemas.model import Finding


@dataclass(frozen=True, slots=True)
class Rendered:
    """A module of schemas, formatted; the same source always gives the same text."""

    text: str
    exports: tuple[str, ...]
    """What is in its `__all__`, sorted."""
    findings: tuple[Finding, ...] = ()
