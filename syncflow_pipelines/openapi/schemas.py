"""Schemas of any version → JSON Schema 2020-12 in `components`, with references to nothing but each other."""

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from syncflow_pipelines.openapi.component_names import component_name
from syncflow_pipelines.openapi.cycles import without_endless_schemas
from syncflow_pipelines.openapi.dialects import ANNOTATIONS, in_2020_12
from syncflow_pipelines.openapi.grammar import reference_in
from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.openapi.pointers import below, escaped
from syncflow_pipelines.openapi.schema_words import LEFT_OUT, WORDS
from syncflow_pipelines.openapi.source import Place, Source, Unfit
from syncflow_pipelines.openapi.versions import named

PREFIX: Final = "#/components/schemas/"
_MAY_BE_EMPTY: Final = frozenset({"default", "const", "example"})


class Schemas:
    """The schemas of one document. What is referred to becomes a component, wherever it stands."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._names: dict[str, str] = {}
        self._pointers: dict[str, str] = {}
        self._waiting: list[Place] = []
        self._components: dict[str, dict[str, Json]] = {}
        self._within: set[str] = set()
        self._heirs: dict[str, list[str]] | None = None
        self._take_in_all()

    def components(self) -> dict[str, dict[str, Json]]:
        """All of them by name, with those that they refer to."""
        while self._waiting:
            place = self._waiting.pop()
            self._components[self._names[place.pointer]] = self.converted(place.value, place.pointer)
        in_order = {name: self._components[name] for name in sorted(self._components)}
        return without_endless_schemas(in_order, self._note_endless)

    def converted(self, schema: Json, pointer: str) -> dict[str, Json]:
        """The schema in 2020-12. What cannot be used of it is left out, with a finding."""
        if isinstance(schema, bool):
            return {} if schema else {"not": {}}
        if not isinstance(schema, dict):
            self.source.note(pointer, f"{named(schema)} stands where a schema is wanted; taken for any value")
            return {}
        reference = reference_in(schema)
        if reference is None and isinstance(schema.get("$dynamicRef"), str):
            reference = schema["$dynamicRef"]
        if reference is None:
            return in_2020_12(self._words(schema, pointer))
        target = self.reference(reference, pointer)
        if len(schema) == 1:
            return {"$ref": target} if target else {}
        return in_2020_12(self._words(self._siblings(schema), pointer) | ({"$ref": target} if target else {}))

    def reference(self, reference: str, pointer: str) -> str | None:
        """The reference to the component that it becomes; None, with a finding, where it leads to no schema."""
        try:
            place = self.source.target(reference, "schema", pointer)
        except Unfit as unfit:
            self.source.note(unfit.pointer, f"{unfit.reason}; taken for any value")
            return None
        return PREFIX + self._component(place)

    def _component(self, place: Place) -> str:
        name = self._names.get(place.pointer)
        if name is None:
            name = component_name(
                tuple(step.replace("~1", "/").replace("~0", "~") for step in place.pointer.split("/")[1:])
            )
            while self._pointers.setdefault(name, place.pointer) != place.pointer:
                name += "_"
            self._names[place.pointer] = name
            self._waiting.append(place)
        return name

    def _take_in_all(self) -> None:
        for holder in ("/components/schemas", "/definitions"):
            schemas = self._held(holder)
            # names that may stay go first, so that no other one can take them
            for key in sorted(schemas, key=lambda key: (component_name(_steps(holder, key)) != key, key)):
                self._component(Place(schemas[key], f"{holder}/{escaped(key)}"))

    def _held(self, holder: str) -> dict[str, Json]:
        value: Json = self.source.document
        for step in holder.split("/")[1:]:
            value = value.get(step) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def _siblings(self, schema: dict[str, Json]) -> dict[str, Json]:
        if not self.source.version.ignores_siblings:
            return {word: value for word, value in schema.items() if word not in ("$ref", "$dynamicRef")}
        return {word: value for word, value in schema.items() if word in ANNOTATIONS}

    def _words(self, schema: dict[str, Json], pointer: str) -> dict[str, Json]:
        read: dict[str, Json] = {}
        self.source.spend(len(schema))
        for word, value in schema.items():
            if (plain := WORDS.get(word)) is not None:
                if value is None and word not in _MAY_BE_EMPTY:
                    continue
                read[word] = plain(value)
                if read[word] is LEFT_OUT:
                    self._note_word(word, value, pointer)
                    del read[word]
            elif (inner := _INNER.get(word)) is not None and value is not None:
                inner(self, read, word, value, below(pointer, word))
        return read

    def _note_word(self, word: str, value: Json, pointer: str) -> None:
        if value not in ([], {}, "any"):
            self.source.note(
                below(pointer, word), f"{word} is {str(value)[:60]!r}, which a schema cannot say; left out"
            )

    def _note_endless(self, name: str) -> None:
        pointer = self._pointers[name]
        self.source.note(pointer, "the schema refers to itself without end; taken for any value where it does")

    # words that hold schemas

    def _one(self, read: dict[str, Json], word: str, value: Json, pointer: str) -> None:
        read[word] = self.converted(value, pointer)

    def _switch_or_one(self, read: dict[str, Json], word: str, value: Json, pointer: str) -> None:
        read[word] = value if isinstance(value, bool) else self.converted(value, pointer)

    def _several(self, read: dict[str, Json], word: str, value: Json, pointer: str) -> None:
        if not isinstance(value, list):
            self.source.note(pointer, f"{word} is {named(value)} rather than a list; left out")
        elif value:
            read[word] = [self.converted(item, below(pointer, index)) for index, item in enumerate(value)]

    def _items(self, read: dict[str, Json], word: str, value: Json, pointer: str) -> None:
        # before 2020-12, a list of schemas meant what prefixItems means
        if isinstance(value, list):
            self._several(read, "prefixItems", value, pointer)
        else:
            self._one(read, word, value, pointer)

    def _by_name(self, read: dict[str, Json], word: str, value: Json, pointer: str) -> None:
        try:
            place = self.source.resolved(value, "{}schema", pointer)
            if place.pointer in self._within:
                raise Unfit(pointer, "it is a part of itself, by way of references")
        except Unfit as unfit:
            self.source.note(unfit.pointer, f"{unfit.reason}; {word} left out")
            return
        self._within.add(place.pointer)
        self.source.spend(len(place.value))
        read[word] = {name: self.converted(item, below(place.pointer, name)) for name, item in place.value.items()}
        self._within.discard(place.pointer)

    def _dependencies(self, read: dict[str, Json], word: str, value: Json, pointer: str) -> None:
        entries = value.items() if isinstance(value, dict) else ()
        names = {name: needed for name, needed in entries if isinstance(needed, list)}
        schemas = {name: schema for name, schema in entries if isinstance(schema, dict | bool)}
        if names and (needed := WORDS["dependentRequired"](names)) is not LEFT_OUT:
            read.setdefault("dependentRequired", needed)
        if schemas:
            self._by_name(read, "dependentSchemas", schemas, pointer)

    def _discriminator(self, read: dict[str, Json], word: str, value: Json, pointer: str) -> None:
        found = {"propertyName": value} if isinstance(value, str) else value
        if not isinstance(found, dict) or not isinstance(found.get("propertyName"), str):
            self.source.note(pointer, "the discriminator names no property; left out")
            return
        mapping = self._mapping(found.get("mapping"), pointer)
        read[word] = {"propertyName": found["propertyName"]} | ({"mapping": mapping} if mapping else {})

    def _mapping(self, mapping: Json, pointer: str) -> dict[str, str]:
        """The schema for each value; where none is said, the components that are made of this one by allOf."""
        if not isinstance(mapping, dict) or not mapping:
            holder, _, _ = pointer.rpartition("/")
            mapping = {key: f"#{_parent(holder)}/{escaped(key)}" for key in self._heirs_of(holder)}
        targets = {key: self._mapped(value, pointer) for key, value in mapping.items()}
        return {key: target for key, target in targets.items() if target}

    def _mapped(self, value: Json, pointer: str) -> str | None:
        if not isinstance(value, str):
            return None
        holder = "/definitions" if self.source.version.is_swagger else "/components/schemas"
        if value in self._held(holder):
            return self.reference(f"#{holder}/{escaped(value)}".replace("%", "%25"), pointer)
        return self.reference(value, pointer)

    def _heirs_of(self, pointer: str) -> list[str]:
        if self._heirs is None:
            self._heirs = self._all_heirs()
        heirs: dict[str, None] = {}
        waiting = [pointer]
        while waiting:
            found = [key for key in self._heirs.get(waiting.pop(), ()) if key not in heirs]
            heirs.update(dict.fromkeys(found))
            # each is followed for each of its bases
            self.source.spend(10 * len(found))
            waiting.extend(f"{_parent(pointer)}/{escaped(key)}" for key in found)
        return sorted(heirs)

    def _all_heirs(self) -> dict[str, list[str]]:
        heirs: dict[str, list[str]] = defaultdict(list)
        for holder in ("/components/schemas", "/definitions"):
            for key, schema in self._held(holder).items():
                parts = schema.get("allOf") if isinstance(schema, dict) else None
                for part in parts if isinstance(parts, list) else ():
                    heirs[(reference_in(part) or "").removeprefix("#")].append(key)
        return heirs


def _parent(pointer: str) -> str:
    return pointer.rpartition("/")[0]


def _steps(holder: str, key: str) -> tuple[str, ...]:
    return (*holder.split("/")[1:], key)


_Reader = Callable[[Schemas, dict[str, Json], str, Json, str], None]
_INNER: Final[dict[str, _Reader]] = {
    **dict.fromkeys(("not", "if", "then", "else", "contains", "propertyNames", "contentSchema"), Schemas._one),
    **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties", "additionalItems"), Schemas._one),
    "additionalProperties": Schemas._switch_or_one,
    "items": Schemas._items,
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), Schemas._several),
    **dict.fromkeys(("properties", "patternProperties", "dependentSchemas"), Schemas._by_name),
    "dependencies": Schemas._dependencies,
    "discriminator": Schemas._discriminator,
}
