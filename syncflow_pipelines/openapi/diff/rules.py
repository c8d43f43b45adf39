"""The rules by which changes are named and weighed. `docs/spec-diff-rules.md` lists them with an example each.

A name never changes its meaning: people acknowledge changes by it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from syncflow_pipelines.openapi.diff.model import DOCUMENTATION, Severity

Direction = Literal["request", "response"]
"""Who writes what a schema describes: the caller, or the service."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of change."""

    name: str
    severity: Severity
    meaning: str


_PLAIN: tuple[tuple[str, Severity, str], ...] = (
    ("operation-removed", "breaking", "an operation is gone"),
    ("operation-moved", "breaking", "an operation has another path or method"),
    ("operation-added", "info", "an operation is new"),
    (
        "operation-id-changed",
        "warning",
        "an operation goes by another id, and so do the tools and functions made from it",
    ),
    ("operation-deprecated", "info", "an operation should not be used any more"),
    ("operation-undeprecated", "info", "an operation is no longer deprecated"),
    (
        "operation-written-differently",
        "info",
        "an operation is written differently, and no rule finds what a caller notices",
    ),
    ("callback-added", "info", "the service calls back where it did not"),
    ("callback-removed", "warning", "the service no longer calls back"),
    ("callback-changed", "warning", "what the service calls back with is described differently"),
    ("request-parameter-removed", "warning", "a parameter is gone; it is ignored or refused"),
    ("request-parameter-moved", "breaking", "a parameter is expected elsewhere"),
    ("request-parameter-added", "info", "a parameter may be sent"),
    ("request-required-parameter-added", "breaking", "a new parameter must be sent"),
    ("request-required-parameter-with-default-added", "warning", "a new parameter is required, and has a default"),
    ("request-parameter-became-required", "breaking", "a parameter must be sent"),
    ("request-parameter-with-default-became-required", "warning", "a parameter is required, and has a default"),
    ("request-parameter-became-optional", "info", "a parameter may be left out"),
    ("request-parameter-serialization-changed", "breaking", "a parameter is written differently in the request"),
    ("request-parameter-deprecated", "info", "a parameter should not be used any more"),
    ("request-parameter-undeprecated", "info", "a parameter is no longer deprecated"),
    ("path-parameter-renamed", "info", "a placeholder of the path has another name; the URLs are the same"),
    ("request-body-added", "info", "a body may be sent"),
    ("request-required-body-added", "breaking", "a body must be sent where there was none"),
    ("request-body-removed", "warning", "no body is read any more"),
    ("request-body-became-required", "breaking", "the body must be sent"),
    ("request-body-became-optional", "info", "the body may be left out"),
    ("request-media-type-removed", "breaking", "a media type is not accepted any more"),
    ("request-media-type-added", "info", "a media type is accepted"),
    ("request-encoding-changed", "warning", "parts of a form or of a multipart body are encoded differently"),
    ("response-success-removed", "breaking", "a successful answer is not given any more"),
    ("response-success-added", "info", "a successful answer is new"),
    ("response-error-removed", "info", "an error is not answered any more"),
    ("response-error-added", "info", "an error may be answered"),
    ("response-media-type-removed", "breaking", "an answer is not given in a media type any more"),
    ("response-media-type-added", "info", "an answer is given in another media type, too"),
    ("response-encoding-changed", "warning", "parts of an answer are encoded differently"),
    ("response-header-removed", "warning", "an optional header of an answer is gone"),
    ("response-required-header-removed", "breaking", "a header that was always sent is gone"),
    ("response-header-became-optional", "breaking", "a header that was always sent may be missing"),
    ("response-header-became-required", "info", "a header is always sent"),
    ("response-header-added", "info", "an answer has another header"),
    ("security-added", "breaking", "callers must identify themselves where they did not have to"),
    ("security-removed", "info", "callers need not identify themselves any more"),
    ("security-alternative-removed", "breaking", "a way for callers to identify themselves is gone"),
    ("security-alternative-added", "info", "callers may identify themselves in another way"),
    ("security-scope-added", "breaking", "callers need a further scope"),
    ("security-scope-removed", "info", "callers need one scope less"),
    ("security-scheme-changed", "breaking", "the credential is of another kind or is sent elsewhere"),
    ("security-scheme-endpoint-changed", "warning", "tokens come from another address"),
    ("server-changed", "warning", "none of the servers is as it was"),
    ("server-removed", "warning", "a server is gone"),
    ("server-added", "info", "a server is new"),
    ("webhook-added", "info", "the service offers another webhook"),
    ("webhook-removed", "warning", "the service no longer offers a webhook"),
    ("webhook-changed", "warning", "what a webhook sends is described differently"),
    (DOCUMENTATION, "info", "texts or examples changed, and nothing that a caller notices"),
    ("comparison-cut-short", "warning", "the specs are too entangled to be compared to the end: look at them"),
)

_IN_BOTH: tuple[tuple[str, tuple[Severity, Severity], str], ...] = (
    ("type-narrowed", ("breaking", "info"), "fewer types are possible"),
    ("type-widened", ("info", "breaking"), "more types are possible"),
    ("type-changed", ("breaking", "breaking"), "the type is another"),
    ("became-nullable", ("info", "breaking"), "null is possible"),
    ("became-not-nullable", ("breaking", "info"), "null is not possible any more"),
    ("enum-value-removed", ("breaking", "info"), "a value is not possible any more"),
    ("enum-value-added", ("info", "warning"), "another value is possible"),
    ("enum-added", ("breaking", "info"), "only listed values are possible"),
    ("enum-removed", ("info", "warning"), "other values than the listed ones are possible"),
    ("bound-narrowed", ("breaking", "info"), "a limit of size, length or number is tighter"),
    ("bound-widened", ("info", "warning"), "a limit of size, length or number is looser"),
    ("pattern-added", ("breaking", "info"), "texts must match a pattern"),
    ("pattern-changed", ("warning", "warning"), "texts must match another pattern"),
    ("pattern-removed", ("info", "warning"), "texts need not match a pattern"),
    ("format-added", ("warning", "info"), "a format is stated"),
    ("format-changed", ("breaking", "breaking"), "the format is another"),
    ("format-narrowed", ("breaking", "info"), "the format allows less"),
    ("format-widened", ("info", "breaking"), "the format allows more"),
    ("format-removed", ("info", "warning"), "a format is not stated any more"),
    ("property-added", ("info", "info"), "an optional property is new"),
    ("property-became-required", ("breaking", "info"), "a property is always there"),
    ("property-became-optional", ("info", "breaking"), "a property may be missing"),
    ("additional-properties-refused", ("breaking", "info"), "properties that are not listed are not possible any more"),
    ("additional-properties-allowed", ("info", "info"), "properties that are not listed are possible"),
    ("alternative-removed", ("breaking", "info"), "one of several shapes is not possible any more"),
    ("alternative-added", ("info", "breaking"), "another shape is possible"),
    ("alternatives-added", ("breaking", "info"), "one of several shapes must be met"),
    ("alternatives-removed", ("info", "breaking"), "none of several shapes need be met any more"),
    ("discriminator-changed", ("breaking", "breaking"), "another property tells the shapes apart"),
    ("discriminator-mapping-changed", ("warning", "warning"), "the shapes are told apart by other values"),
    ("default-changed", ("warning", "info"), "what is left out means something else"),
    ("constraint-changed", ("warning", "warning"), "a keyword that has no rule of its own has another value"),
    ("schema-deprecated", ("info", "info"), "a part should not be used any more"),
    ("schema-undeprecated", ("info", "info"), "a part is no longer deprecated"),
)

_IN_ONE: tuple[tuple[str, Severity, str], ...] = (
    ("request-property-removed", "warning", "a property is gone; it is ignored or refused"),
    ("request-property-refused", "breaking", "a property is gone, and others than the listed ones are refused"),
    ("request-required-property-added", "breaking", "a new property must be sent"),
    ("request-required-property-with-default-added", "warning", "a new property is required, and has a default"),
    ("request-property-with-default-became-required", "warning", "a property is required, and has a default"),
    ("request-property-became-read-only", "warning", "a property that callers sent is read-only"),
    ("response-property-removed", "breaking", "a property of an answer is gone"),
    ("response-required-property-added", "info", "an answer always has another property"),
    ("response-property-became-write-only", "breaking", "a property of an answer is write-only, and so gone from it"),
)


def _schema_rules(direction: Direction) -> Iterator[Rule]:
    for name, severity, meaning in _IN_ONE:
        if name.startswith(f"{direction}-"):
            yield Rule(name, severity, meaning)
    for kind, (in_request, in_response), meaning in _IN_BOTH:
        yield Rule(f"{direction}-{kind}", in_request if direction == "request" else in_response, meaning)


SCHEMA_RULES: dict[Direction, tuple[Rule, ...]] = {
    "request": tuple(_schema_rules("request")),
    "response": tuple(_schema_rules("response")),
}
"""The rules of what a schema says, by the side that it is looked at from."""


def _all_rules() -> Iterator[Rule]:
    yield from (Rule(name, severity, meaning) for name, severity, meaning in _PLAIN)
    yield from (*SCHEMA_RULES["request"], *SCHEMA_RULES["response"])


RULES: dict[str, Rule] = {rule.name: rule for rule in sorted(_all_rules(), key=lambda rule: rule.name)}
