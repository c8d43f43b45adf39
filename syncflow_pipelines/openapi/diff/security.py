"""How callers have to identify themselves."""

from collections.abc import Iterable, Mapping

from syncflow_pipelines.openapi.diff.components import members
from syncflow_pipelines.openapi.diff.ledger import Ledger
from syncflow_pipelines.openapi.diff.model import Touched
from syncflow_pipelines.openapi.diff.place import Place
from syncflow_pipelines.openapi.diff.values import contract, fingerprint
from syncflow_pipelines.openapi.model import Json, Operation, Spec

_Alternatives = dict[tuple[str, ...], frozenset[frozenset[str]]]
"""Sets of scopes, any of which does, by the schemes that must be met together; the empty tuple is a caller that says
nothing of itself."""

_KIND = ("type", "in", "name", "scheme")
"""What a caller of today has to know of a scheme; the rest is where tokens come from."""


def compare_security(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    """All changes of what an operation asks of its callers; both are operations."""
    before, after = _alternatives(old), _alternatives(new)
    if () in before or () in after:
        return _compare_open(place, before, after)
    for schemes in sorted(before.keys() | after.keys()):
        if schemes not in after:
            place.tell("security-alternative-removed", "is not accepted any more", before=" + ".join(schemes))
        elif schemes not in before:
            place.tell("security-alternative-added", "is accepted, too", after=" + ".join(schemes))
        else:
            _compare_scopes(place.at(" + ".join(schemes)), before[schemes], after[schemes])
    return None


def _alternatives(operation: Mapping[str, Json]) -> _Alternatives:
    listed = operation.get("security")
    requirements = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    found: _Alternatives = {}
    for one in requirements or [{}]:
        schemes = tuple(sorted(one))
        found[schemes] = found.get(schemes, frozenset()) | {frozenset(_scopes(one))}
    return found


def _scopes(requirement: Mapping[str, Json]) -> Iterable[str]:
    return (
        scope
        for scopes in requirement.values()
        if isinstance(scopes, list)
        for scope in scopes
        if isinstance(scope, str)
    )


def _compare_open(place: Place, old: _Alternatives, new: _Alternatives) -> None:
    """One of the two lets anybody in."""
    if () not in new:
        place.tell("security-added", "callers must identify themselves", after=_spelled(new))
    elif () not in old:
        place.tell("security-removed", "callers need not identify themselves", before=_spelled(old))
    elif old.keys() != new.keys():
        place.tell(
            "security-alternative-added",
            "callers may identify themselves otherwise",
            before=_spelled(old),
            after=_spelled(new),
        )


def _spelled(alternatives: _Alternatives) -> list[str]:
    return [" + ".join(schemes) or "nobody" for schemes in sorted(alternatives)]


def _compare_scopes(place: Place, old: frozenset[frozenset[str]], new: frozenset[frozenset[str]]) -> None:
    """Where one set of scopes became one other, that is told scope by scope."""
    gone, come = sorted(map(sorted, old - new)), sorted(map(sorted, new - old))
    if len(old) == len(new) == 1 and gone:
        _compare_single(place, gone[0], come[0])
        return
    for scopes in gone:
        place.tell("security-alternative-removed", "is not accepted any more", before=scopes)
    for scopes in come:
        place.tell("security-alternative-added", "is accepted, too", after=scopes)


def _compare_single(place: Place, old: list[str], new: list[str]) -> None:
    if added := [scope for scope in new if scope not in old]:
        place.tell("security-scope-added", "is needed, too", after=added)
    if removed := [scope for scope in old if scope not in new]:
        place.tell("security-scope-removed", "is not needed any more", before=removed)


def compare_schemes(ledger: Ledger, old: Spec, new: Spec, pairs: Iterable[tuple[Operation, Touched]]) -> None:
    """All changes of security schemes that are in use, told once each with the operations that name them."""
    before, after = _schemes(old), _schemes(new)
    changed = [name for name in before if name in after and contract(before[name]) != contract(after[name])]
    if not changed:
        return
    for operation, touched in pairs:
        used = {scheme for schemes in _alternatives(operation.definition) for scheme in schemes}
        for name in changed:
            if name in used:
                _compare_scheme(ledger, touched, name, before[name], after[name])


def _schemes(spec: Spec) -> Mapping[str, Json]:
    return members(members(spec.document, "components"), "securitySchemes")


def _compare_scheme(ledger: Ledger, operation: Touched, name: str, old: Json, new: Json) -> None:
    where = f"components.securitySchemes.{name}"
    before, after = _kind(old), _kind(new)
    if fingerprint(before) != fingerprint(after) or members(old, "flows").keys() - members(new, "flows").keys():
        message = "the credential is of another kind or is sent elsewhere"
        ledger.tell(operation, "security-scheme-changed", where, message, before=before, after=after)
    elif _endpoints(old) != _endpoints(new):
        message = "tokens come from another address"
        ledger.tell(
            operation, "security-scheme-endpoint-changed", where, message, before=_endpoints(old), after=_endpoints(new)
        )


def _kind(scheme: Json) -> dict[str, Json]:
    listed = scheme if isinstance(scheme, Mapping) else {}
    kind = {key: listed[key] for key in _KIND if key in listed}
    for key in ("scheme",) + (("name",) if kind.get("in") == "header" else ()):
        kind[key] = str(kind.get(key, "")).lower()
    return kind


def _endpoints(scheme: Json) -> list[list[Json]]:
    """Every URL of a scheme, without the lists of scopes that can be had there."""
    flows = members(scheme, "flows")
    urls = [_urls(scheme), *([name, *_urls(flow)] for name, flow in sorted(flows.items()))]
    return [found for found in urls if found]


def _urls(node: Json) -> list[Json]:
    return [node[key] for key in sorted(node) if key.lower().endswith("url")] if isinstance(node, Mapping) else []
