"""A document with all that it refers to in other files and URLs brought inside.

Schemas come into the components, so that circles among files become circles among components; everything else takes
the place of its reference. Nothing is read that `may_read` does not allow.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.openapi.component_names import with_digest
from syncflow_pipelines.openapi.grammar import children, kind_below, reference_in
from syncflow_pipelines.openapi.library import Library, MayRead, Read, Unreadable, absolute
from syncflow_pipelines.openapi.limits import LIMITS, Limits, hold, too_deep, too_many_values
from syncflow_pipelines.openapi.model import Finding, Json
from syncflow_pipelines.openapi.pointers import MISSING, below, escaped, look_up, split_reference, steps_of

_MAX_FINDINGS: Final = 1_000
_MAX_LENGTH: Final = 20_000
_SUFFIXES: Final = (".yaml", ".yml", ".json")
Target = tuple[str, str]
"""The location of a file, and a pointer into it."""


def bundle(
    document: dict[str, Json], location: str, read: Read, may_read: MayRead, limits: Limits = LIMITS
) -> tuple[dict[str, Json], tuple[Finding, ...]]:
    """The document without references to other files, and what could not be brought in.

    `location` is the URL or the path of the document, from which its references are meant. `read` is called once for
    each file, with a URL or a path, after `may_read` has allowed it; what it raises of `SyncflowError`, `OSError` or
    `ValueError` becomes a finding. A reference that cannot be followed stays. A document without such references is
    returned as it is. Raises `SpecTooLarge` where all of it together is beyond a limit.
    """
    if not _leads_outside(document):
        return document, ()
    hold(document, limits)
    bundler = _Bundler(document, location, Library(location, document, read, may_read, limits))
    bundled = bundler.bundled()
    hold(bundled, limits)
    return bundled, tuple(bundler.findings)


def _leads_outside(document: dict[str, Json]) -> bool:
    waiting: list[Json] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str) and not reference.startswith("#"):
                return True
            if isinstance(mapping := value.get("mapping"), dict) and any(map(_is_file, mapping.values())):
                return True
            waiting.extend(item for item in value.values() if isinstance(item, dict | list))
        elif isinstance(value, list):
            waiting.extend(item for item in value if isinstance(item, dict | list))
    return False


def _is_file(target: Json) -> bool:
    """Whether a target of a discriminator is a file: it may as well be the name of a schema."""
    if not isinstance(target, str) or target.startswith("#"):
        return False
    location, _, _ = target.partition("#")
    return "/" in location or location.lower().endswith(_SUFFIXES)


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where the bundler is: in which file, below which place of the document itself, how deep."""

    location: str
    pointer: str
    depth: int
    within: tuple[Target, ...] = ()
    """What is being brought in, from the document to here."""

    def below(self, key: str) -> "_Spot":
        # in another file, the pointer stays that of the reference which led there
        pointer = self.pointer if self.within else below(self.pointer, key)
        return _Spot(self.location, pointer, self.depth + 1, self.within)

    def inside(self, target: Target) -> "_Spot":
        return _Spot(target[0], self.pointer, self.depth + 1, (*self.within, target))


class _Bundler:
    def __init__(self, document: dict[str, Json], location: str, library: Library) -> None:
        self.document = document
        self.location = location
        self.library = library
        self.limits = library.limits
        self.findings: list[Finding] = []
        self.values = 0
        self.ids = dict(_ids(document))
        self.brought: dict[Target, Json] = {}
        self.waiting: list[tuple[Target, _Spot]] = []
        self.blanks: list[tuple[dict[str, Json], str, Target]] = []
        """Where references to what is brought in are written, once all names are known."""

    def bundled(self) -> dict[str, Json]:
        done: dict[str, Json] = self.copied(self.document, "document", _Spot(self.location, "", 0))
        while self.waiting:
            target, spot = self.waiting.pop()
            self.brought[target] = self.inlined(target, "schema", spot)
        return self.with_schemas(done)

    def with_schemas(self, document: dict[str, Json]) -> dict[str, Json]:
        is_swagger = "swagger" in document
        holder, key = (document, "definitions") if is_swagger else (_mapping(document.get("components")), "schemas")
        held = _mapping(holder.get(key))
        names = self.names(held)
        for blank, word, target in self.blanks:
            blank[word] = f"#/{'' if is_swagger else 'components/'}{key}/{escaped(names[target])}"
        if names:
            holder = holder | {key: held | {name: self.brought[target] for target, name in names.items()}}
        return holder if is_swagger else document | {"components": holder}

    def names(self, held: dict[str, Json]) -> dict[Target, str]:
        """Names for what was brought in: that of its file or place there, with a digest where others have it, too."""
        plain = {target: _plain_name(*target) for target in self.brought}
        claims = Counter(plain.values())
        root, _, _ = self.location.rpartition("/")
        return {
            target: name
            if name not in held and claims[name] == 1
            else with_digest(name, f"{target[0].removeprefix(root)}#{target[1]}")
            for target, name in sorted(plain.items())
        }

    def copied(self, value: Json, kind: str, spot: _Spot) -> Json:
        """The mapping or list with its references followed."""
        self.count(value, spot)
        if isinstance(value, list):
            inner = kind.removeprefix("[]")
            return [self.part(item, inner, spot.below(str(index))) for index, item in enumerate(value)]
        reference = reference_in(value)
        if reference is not None:
            return self.followed(value, reference, kind, spot)
        return self.entries(value, kind, spot)

    def entries(self, value: dict[str, Json], kind: str, spot: _Spot) -> dict[str, Json]:
        copy = {key: self.part(item, kind_below(kind, key), spot.below(key)) for key, item in value.items()}
        if kind == "schema" and isinstance(copy.get("discriminator"), dict):
            copy["discriminator"] = self.discriminator(copy["discriminator"], spot)
        return copy

    def part(self, value: Json, kind: str | None, spot: _Spot) -> Json:
        """As `copied`; data is taken as it is."""
        return value if kind is None or not isinstance(value, dict | list) else self.copied(value, kind, spot)

    def followed(self, value: dict[str, Json], reference: str, kind: str, spot: _Spot) -> Json:
        beside = self.entries({key: item for key, item in value.items() if key != "$ref"}, kind, spot)
        try:
            target = self.target(reference, spot)
        except (Unreadable, ValueError) as error:
            self.note(spot, f"the reference {reference[:200]!r} cannot be followed: {error}")
            return {"$ref": reference, **beside}
        if target is None or target[0] == self.location:
            # what is in the document itself stays where it is, also when another file refers to it
            return {"$ref": reference if target is None else f"#{target[1]}", **beside}
        if kind == "schema":
            return self.component(target, "$ref", {"$ref": "", **beside}, spot)
        if target in spot.within:
            self.note(spot, f"the reference {reference[:200]!r} leads back to itself by way of other files")
            return {"$ref": reference, **beside}
        inlined = self.inlined(target, kind, spot)
        return {**inlined, **beside} if isinstance(inlined, dict) else inlined

    def inlined(self, target: Target, kind: str, spot: _Spot) -> Json:
        found = look_up(self.library.at(target[0]), steps_of(target[1]))
        return self.part(found, kind, spot.inside(target))

    def component(self, target: Target, word: str, holder: dict[str, Json], spot: _Spot) -> dict[str, Json]:
        """The holder, whose word will be a reference to what becomes a component."""
        if target not in self.brought:
            self.brought[target] = None
            self.waiting.append((target, _Spot(spot.location, spot.pointer, 2)))
        self.blanks.append((holder, word, target))
        return holder

    def discriminator(self, value: dict[str, Json], spot: _Spot) -> dict[str, Json]:
        mapping = value.get("mapping")
        if not isinstance(mapping, dict):
            return value
        copy = dict(mapping)
        for name, reference in mapping.items():
            if not (_is_file(reference) or (isinstance(reference, str) and reference.startswith("#") and spot.within)):
                continue
            try:
                target = self.target(reference, spot)
            except (Unreadable, ValueError) as error:
                self.note(spot, f"the reference {reference[:200]!r} cannot be followed: {error}")
                continue
            if target is not None and target[0] != self.location:
                self.component(target, name, copy, spot)
        return {**value, "mapping": copy}

    def target(self, reference: str, spot: _Spot) -> Target | None:
        """What a reference means; None for a place in the document itself, as the reference says it.

        Raises `Unreadable`, or `ValueError` for what is no reference at all.
        """
        if len(reference) > _MAX_LENGTH:
            raise Unreadable(f"it has more than {_MAX_LENGTH:,} characters")
        location, fragment = split_reference(reference)
        if location in self.ids:
            return self.location, self.ids[location] + fragment
        if not location and spot.location == self.location:
            return None
        there = absolute(location, spot.location) if location else spot.location
        if there == self.location:
            return there, fragment
        held = self.library.at(there)
        if fragment and not fragment.startswith("/"):
            fragment = self.library.anchors(there).get(fragment, f"/{fragment}")
        if look_up(held, steps_of(fragment)) is MISSING:
            raise Unreadable(f"there is no {fragment[:100]!r} in it")
        return there, fragment

    def count(self, value: Json, spot: _Spot) -> None:
        self.values += 1 + len(value)
        if self.values > self.limits.max_values:
            raise too_many_values(self.limits, ", with what it refers to")
        if spot.depth > self.limits.max_depth:
            raise too_deep(self.limits, f", with what it refers to at {spot.pointer[:200]}")

    def note(self, spot: _Spot, reason: str) -> None:
        if len(self.findings) < _MAX_FINDINGS:
            self.findings.append(Finding(spot.pointer, reason, is_fatal=False))


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _plain_name(location: str, fragment: str) -> str:
    steps = steps_of(fragment)
    name = steps[-1] if steps else location.rpartition("/")[2].partition("?")[0]
    for suffix in () if steps else _SUFFIXES:
        name = name.removesuffix(suffix)
    readable = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "_" for sign in name)[:80]
    return readable or "schema"


def _ids(document: dict[str, Json]) -> Iterator[tuple[str, str]]:
    """Pointers to the schemas that have a name of their own (`$id`)."""
    waiting: list[tuple[Json, str, str]] = [(document, "document", "")]
    while waiting:
        value, kind, pointer = waiting.pop()
        if kind == "schema" and isinstance(value, dict) and isinstance(value.get("$id"), str) and value["$id"]:
            yield value["$id"].removesuffix("#"), pointer
        waiting.extend((item, inner, below(pointer, key)) for key, item, inner in children(value, kind))
