"""Two specs compared."""

from collections.abc import Iterable, Mapping

from syncflow_pipelines.openapi.diff.bodies import compare_bodies
from syncflow_pipelines.openapi.diff.callbacks import compare_callbacks, compare_webhooks
from syncflow_pipelines.openapi.diff.components import shared
from syncflow_pipelines.openapi.diff.documentation import is_documented_differently
from syncflow_pipelines.openapi.diff.ledger import Ledger
from syncflow_pipelines.openapi.diff.matching import Matching, match_operations
from syncflow_pipelines.openapi.diff.model import DOCUMENTATION, SpecDiff, Touched
from syncflow_pipelines.openapi.diff.parameters import compare_parameters
from syncflow_pipelines.openapi.diff.place import Place
from syncflow_pipelines.openapi.diff.responses import compare_responses
from syncflow_pipelines.openapi.diff.schemas import WORK, SchemaComparison
from syncflow_pipelines.openapi.diff.security import compare_schemes, compare_security
from syncflow_pipelines.openapi.diff.servers import addresses, compare_servers
from syncflow_pipelines.openapi.diff.values import fingerprint
from syncflow_pipelines.openapi.model import Json, Operation, Spec


def compare(old: Spec, new: Spec, *, work: int = WORK) -> SpecDiff:
    """All changes from one spec to another, for those who call the operations.

    `work` bounds how many schemas are compared; past it, `comparison-cut-short` is among the changes.
    """
    schemas = SchemaComparison(shared(old, new), Ledger(), work)
    matching = match_operations(old.operations, new.operations)
    _tell_unmatched(schemas.ledger, matching, new)
    pairs = [*matching.pairs, *matching.moved]
    for before, after in pairs:
        _compare_operation(schemas, old, new, before, after)
    compare_schemes(schemas.ledger, old, new, ((after, touched(after)) for _, after in pairs))
    compare_webhooks(Place(schemas, "document"), old.document, new.document)
    schemas.compare_components()
    _tell_the_rest(schemas, pairs)
    _tell_documentation(schemas, old, new, pairs)
    return schemas.ledger.diff()


def touched(operation: Operation) -> Touched:
    """The operation as changes name it."""
    return Touched(path=operation.path, method=operation.method, id=operation.id)


def _tell_unmatched(ledger: Ledger, matching: Matching, new: Spec) -> None:
    reasons = {finding.pointer: finding.reason for finding in new.findings if finding.is_fatal}
    for operation in matching.removed:
        reason = reasons.get(operation.pointer)
        message = "is gone" if reason is None else f"was left out of the new spec: {reason}"
        ledger.tell(touched(operation), "operation-removed", "", message, before=str(touched(operation)))
    for operation in matching.added:
        ledger.tell(touched(operation), "operation-added", "", "is new", after=str(touched(operation)))
    for old, after in matching.moved:
        before = str(touched(old))
        ledger.tell(
            touched(after), "operation-moved", "", "has another address", before=before, after=str(touched(after))
        )


def _compare_operation(schemas: SchemaComparison, old: Spec, new: Spec, before: Operation, after: Operation) -> None:
    place = Place(schemas, touched(after))
    if before.id != after.id:
        place.tell("operation-id-changed", "goes by another id", before=before.id, after=after.id)
    compare_servers(place.at("servers"), addresses(old, before), addresses(new, after))
    compare_security(place.at("security"), before.definition, after.definition)
    if before.digest == after.digest and before.path == after.path:
        return
    ours, theirs = before.definition, after.definition
    _compare_deprecation(place, ours, theirs)
    compare_parameters(place, before, after)
    compare_bodies(place.at("request", "body"), ours, theirs)
    compare_responses(place.at("response", direction="response"), ours, theirs)
    compare_callbacks(place, ours, theirs)


def _compare_deprecation(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    before, after = old.get("deprecated") is True, new.get("deprecated") is True
    if after and not before:
        place.tell("operation-deprecated", "is deprecated")
    elif before and not after:
        place.tell("operation-undeprecated", "is no longer deprecated")


def _tell_the_rest(schemas: SchemaComparison, pairs: Iterable[tuple[Operation, Operation]]) -> None:
    """Operations of which the digest says that they changed, and no rule says how."""
    if schemas.was_cut_short:
        message = "the specs are too entangled to be compared to the end"
        schemas.ledger.tell("document", "comparison-cut-short", "", message)
    told = schemas.ledger.has_told()
    for before, after in pairs:
        if before.digest != after.digest and touched(after) not in told:
            schemas.ledger.tell(
                touched(after), "operation-written-differently", "", "no rule finds what a caller notices"
            )


def _tell_documentation(
    schemas: SchemaComparison, old: Spec, new: Spec, pairs: Iterable[tuple[Operation, Operation]]
) -> None:
    message = "texts or examples are others"
    for before, after in pairs:
        if is_documented_differently(before.definition, after.definition):
            schemas.ledger.tell(touched(after), DOCUMENTATION, "", message)
    for name in sorted(schemas.shared.changed):
        if is_documented_differently(schemas.shared.old[name], schemas.shared.new[name]):
            schemas.ledger.tell("document", DOCUMENTATION, f"components.schemas.{name}", message)
    if _introduction(old) != _introduction(new):
        schemas.ledger.tell("document", DOCUMENTATION, "info", message)


def _introduction(spec: Spec) -> bytes:
    """What the document says of itself, without its version, which many build anew every day."""
    info = spec.document.get("info")
    listed = {key: value for key, value in info.items() if key != "version"} if isinstance(info, Mapping) else {}
    return fingerprint([listed, spec.document.get("tags"), spec.document.get("externalDocs")])
