"""What a document refers to elsewhere comes inside, as far as it may, and never more than once."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from syncflow_pipelines.errors import SourceUnreachable, SpecTooLarge
from syncflow_pipelines.openapi.bundling import bundle
from syncflow_pipelines.openapi.limits import LIMITS, Limits
from syncflow_pipelines.openapi.model import Finding, Json
from syncflow_pipelines.openapi.parsing import parse
from syncflow_pipelines.openapi.specs import spec_of

ROOT = "https://shop.example/api/root.yaml"
HEAD = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\n"


@dataclass
class Files:
    """Files below `https://shop.example/api/`, and which were read."""

    held: dict[str, str]
    read_so_far: list[str] = field(default_factory=list)

    def read(self, location: str) -> bytes:
        self.read_so_far.append(location)
        name = location.removeprefix("https://shop.example/api/")
        if name not in self.held:
            raise SourceUnreachable(f"{location} answered 404")
        return self.held[name].encode()


def allowed(location: str) -> bool:
    return location.startswith("https://shop.example/")


def bundled(root: str, limits: Limits = LIMITS, **held: str) -> tuple[dict[str, Json], tuple[Finding, ...], list[str]]:
    files = Files({name.replace("__", "/") + ".yaml": text for name, text in held.items()})
    document, findings = bundle(parse((HEAD + root).encode()), ROOT, files.read, allowed, limits)
    return document, findings, files.read_so_far


GET_A = "paths: {/a: {get: {responses: {200: {description: '', content: {a/b: {schema: SCHEMA}}}}}}}"


def schema_of(document: dict[str, Json]) -> Json:
    return document["paths"]["/a"]["get"]["responses"]["200"]["content"]["a/b"]["schema"]


def test_a_document_without_such_references_is_the_same_object() -> None:
    document = parse((HEAD + GET_A.replace("SCHEMA", "{$ref: '#/x'}")).encode())
    assert bundle(document, ROOT, Files({}).read, allowed)[0] is document


def test_schemas_become_components_under_the_name_of_their_file_or_place() -> None:
    root = GET_A.replace("SCHEMA", "{anyOf: [{$ref: pet.yaml}, {$ref: 'all.yaml#/defs/Toy'}, {$ref: ./pet.yaml}]}")
    document, findings, read = bundled(root, pet="{type: object}", all="{defs: {Toy: {type: string}}}")
    refs = [part["$ref"] for part in schema_of(document)["anyOf"]]
    assert refs == ["#/components/schemas/pet", "#/components/schemas/Toy", "#/components/schemas/pet"]
    assert document["components"]["schemas"] == {"pet": {"type": "object"}, "Toy": {"type": "string"}}
    assert not findings
    assert len(read) == 2


def test_names_that_are_taken_get_a_digest_that_hangs_on_the_file_alone() -> None:
    root = "components: {schemas: {Pet: {}}}\n" + GET_A.replace(
        "SCHEMA", "{anyOf: [{$ref: a/Pet.yaml}, {$ref: b/Pet.yaml}]}"
    )
    document, _, _ = bundled(root, a__Pet="{type: object}", b__Pet="{type: string}")
    again, _, _ = bundled(
        root.replace("[{$ref: a/Pet.yaml}, {$ref: b/Pet.yaml}]", "[{$ref: b/Pet.yaml}, {$ref: a/Pet.yaml}]"),
        a__Pet="{type: object}",
        b__Pet="{type: string}",
    )
    assert document["components"] == again["components"]
    assert document["components"]["schemas"]["Pet"] == {}
    assert len(document["components"]["schemas"]) == 3


def test_references_of_a_file_are_meant_from_there() -> None:
    root = GET_A.replace("SCHEMA", "{$ref: models/pet.yaml}")
    document, findings, read = bundled(
        root, models__pet="{properties: {toy: {$ref: ../toys/toy.yaml}, self: {$ref: '#'}}}", toys__toy="{type: string}"
    )
    assert document["components"]["schemas"]["pet"] == {
        "properties": {"toy": {"$ref": "#/components/schemas/toy"}, "self": {"$ref": "#/components/schemas/pet"}}
    }
    assert not findings
    assert [location.removeprefix("https://shop.example/api/") for location in read] == [
        "models/pet.yaml",
        "toys/toy.yaml",
    ]


def test_everything_but_schemas_takes_the_place_of_its_reference() -> None:
    document, findings, _ = bundled(
        "paths: {/a: {$ref: a.yaml, summary: here}}",
        a="get: {parameters: [{$ref: 'parts.yaml#/limit'}], requestBody: {$ref: 'parts.yaml#/body'}}",
        parts="{limit: {name: limit, in: query, schema: {$ref: '#/n'}}, n: {type: integer}, body: {content: {a/b: }}}",
    )
    get = {
        "parameters": [{"name": "limit", "in": "query", "schema": {"$ref": "#/components/schemas/n"}}],
        "requestBody": {"content": {"a/b": None}},
    }
    assert document["paths"] == {"/a": {"get": get, "summary": "here"}}
    assert not findings


@pytest.mark.parametrize(
    "root",
    [
        "paths: {$ref: paths.yaml}",
        "paths: {/a: {get: {responses: {$ref: 'paths.yaml#/~1a/get/responses'}}}}",
        "paths: {/a: {get: {responses: {200: {content: {$ref: 'paths.yaml#/~1a/get/responses/200/content'}}}}}}",
    ],
)
def test_whole_mappings_may_be_elsewhere(root: str) -> None:
    document, findings, _ = bundled(root, paths=GET_A.removeprefix("paths: ").replace("SCHEMA", "{type: string}"))
    assert schema_of(document) == {"type": "string"}
    assert not findings


def test_circles_among_files_become_circles_among_components() -> None:
    document, findings, _ = bundled(
        GET_A.replace("SCHEMA", "{$ref: a.yaml}"),
        a="{properties: {b: {$ref: b.yaml}}}",
        b="{properties: {a: {$ref: a.yaml}, root: {$ref: 'root.yaml#/paths'}}}",
    )
    schemas = document["components"]["schemas"]
    assert schemas["a"]["properties"]["b"] == {"$ref": "#/components/schemas/b"}
    assert schemas["b"]["properties"] == {"a": {"$ref": "#/components/schemas/a"}, "root": {"$ref": "#/paths"}}
    assert not findings


def test_a_circle_of_what_is_no_schema_is_told() -> None:
    document, findings, _ = bundled(
        "paths: {/a: {$ref: a.yaml}, /b: {get: {}}}", a="{$ref: b.yaml}", b="{$ref: a.yaml}"
    )
    assert [finding.pointer for finding in findings] == ["/paths/~1a"]
    assert document["paths"]["/b"] == {"get": {}}


def test_data_and_names_are_no_references() -> None:
    root = (
        "components: {schemas: {A: {properties: {$ref: {type: string}},\n"
        " example: {$ref: a.yaml}, enum: [{$ref: a.yaml}]},"
        " B: {$ref: b.yaml}}}\npaths: {}\nx-a: {$ref: a.yaml}"
    )
    document, findings, read = bundled(root, b="{type: object}")
    assert document["components"]["schemas"]["A"]["enum"] == [{"$ref": "a.yaml"}]
    assert document["components"]["schemas"]["A"]["properties"] == {"$ref": {"type": "string"}}
    assert read == ["https://shop.example/api/b.yaml"]
    assert not findings


def test_files_in_discriminators_are_brought_in() -> None:
    pet = "{discriminator: {propertyName: k, mapping: {cat: cat.yaml, dog: Dog, toy: '#/components/schemas/Toy'}}}"
    document, _, _ = bundled(f"paths: {{}}\ncomponents: {{schemas: {{A: {pet}}}}}", cat="{type: object}")
    schemas = document["components"]["schemas"]
    assert schemas["A"]["discriminator"]["mapping"] == {
        "cat": "#/components/schemas/cat",
        "dog": "Dog",
        "toy": "#/components/schemas/Toy",
    }
    assert schemas["cat"] == {"type": "object"}


def test_a_schema_is_known_by_its_id() -> None:
    root = "paths: {}\ncomponents: {schemas: {A: {$id: 'https://else.example/pet'}, B: {$ref: 'https://else.example/pet'}}}"
    document, findings, read = bundled(root)
    assert document["components"]["schemas"]["B"] == {"$ref": "#/components/schemas/A"}
    assert not findings
    assert not read


def test_schemas_of_swagger_become_definitions() -> None:
    document = {"swagger": "2.0", "definitions": {"A": {"$ref": "pet.json"}}}
    found, _ = bundle(document, "/specs/root.json", lambda _: b'{"type": "object"}', lambda _: True)
    assert found["definitions"] == {"A": {"$ref": "#/definitions/pet"}, "pet": {"type": "object"}}


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("https://other.example/pet.yaml", "neither of the same origin nor allowed"),
        ("//other.example/pet.yaml", "neither of the same origin nor allowed"),
        ("file:///etc/passwd", "neither of the same origin nor allowed"),
        ("gone.yaml", "it cannot be read: https://shop.example/api/gone.yaml answered 404"),
        ("broken.yaml", "is no YAML"),
        ("empty.yaml", "the document is empty"),
        ("list.yaml#/9", "there is no '/9' in it"),
        ("list.yaml#name", "there is no '/name' in it"),
        ("http://[", "Invalid IPv6 URL"),
    ],
)
def test_what_cannot_be_read_is_told_and_the_rest_goes_on(reference: str, told: str) -> None:
    root = GET_A.replace("SCHEMA", f"{{anyOf: [{{$ref: '{reference}'}}, {{$ref: pet.yaml}}]}}")
    document, (finding,), _ = bundled(root, pet="{type: object}", broken="a: [", empty="", list="[1]")
    assert told in finding.reason
    assert finding.pointer == "/paths/~1a/get/responses/200/content/a~1b/schema/anyOf/0"
    assert not finding.is_fatal
    assert schema_of(document)["anyOf"] == [{"$ref": reference}, {"$ref": "#/components/schemas/pet"}]


def test_a_file_that_cannot_be_read_is_asked_for_once() -> None:
    _, findings, read = bundled(GET_A.replace("SCHEMA", "{anyOf: [{$ref: gone.yaml}, {$ref: 'gone.yaml#/a'}]}"))
    assert len(findings) == 2
    assert len(read) == 1


def test_more_files_than_allowed_are_refused() -> None:
    root = GET_A.replace("SCHEMA", f"{{anyOf: [{', '.join(f'{{$ref: f{n}.yaml}}' for n in range(10))}]}}")
    with pytest.raises(SpecTooLarge, match="refers to more than 5 files"):
        bundled(root, Limits(max_documents=5), **{f"f{n}": "{}" for n in range(10)})


def test_more_bytes_than_allowed_are_refused() -> None:
    root = GET_A.replace("SCHEMA", "{anyOf: [{$ref: a.yaml}, {$ref: b.yaml}]}")
    big = f"{{description: {'x' * 600}}}"
    with pytest.raises(SpecTooLarge, match="with all files that it refers to has more than 1,000 bytes"):
        bundled(root, Limits(max_bytes=1_000), a=big, b=big)


def doubling(levels: int) -> dict[str, str]:
    callbacks = "{get: {callbacks: {x: {e: {$ref: NEXT}, f: {$ref: NEXT}}}}}"
    return {f"f{n}": callbacks.replace("NEXT", f"f{n + 1}.yaml") for n in range(levels)} | {f"f{levels}": "{get: {}}"}


def test_files_that_double_at_each_level_are_refused() -> None:
    with pytest.raises(SpecTooLarge):
        bundled("paths: {/a: {$ref: f0.yaml}}", Limits(max_values=10_000), **doubling(20))


def test_a_long_chain_of_files_is_refused() -> None:
    chain = {f"f{n}": f"{{$ref: f{n + 1}.yaml}}" for n in range(500)}
    with pytest.raises(SpecTooLarge, match="nested deeper"):
        bundled("paths: {/a: {$ref: f0.yaml}}", LIMITS, **chain)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("specs/api/root.yaml", "specs/models/pet.yaml"),
        ("/specs/api/root.yaml", "/specs/models/pet.yaml"),
        ("https://a.example/x/root.yaml?v=1", "https://a.example/models/pet.yaml"),
        ("file:///specs/api/root.yaml", "file:///specs/models/pet.yaml"),
    ],
)
def test_a_reference_is_meant_from_the_file_that_holds_it(location: str, expected: str) -> None:
    asked: list[str] = []

    def read(there: str) -> bytes:
        asked.append(there)
        return b"{}"

    bundle(
        parse((HEAD + GET_A.replace("SCHEMA", "{$ref: ../models/pet.yaml}")).encode()), location, read, lambda _: True
    )
    assert asked == [expected]


def test_bytes_become_a_spec_in_one_step() -> None:
    body = (HEAD + GET_A.replace("SCHEMA", "{$ref: gone.yaml}") + "\nx: .inf\n").encode()
    forbidden: Callable[[str], bool] = lambda _: False  # noqa: E731  # a function of one expression
    spec = spec_of(body, ROOT, Files({}).read, forbidden)
    assert [finding.is_fatal for finding in spec.findings] == [False, False, False]
    assert len(spec.operations) == 1
