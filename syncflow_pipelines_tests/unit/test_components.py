"""What becomes of the components of an OpenAPI document."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from syncflow_pipelines.errors import GenerationFailed
from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.schemas.components.document import class_names
from syncflow_pipelines.schemas.components.rendering import render_components
from syncflow_pipelines.schemas.rendering.rendered import Rendered

STRING = {"type": "string"}
READ_ONLY = {"type": "integer", "readOnly": True}


def to(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def of_objects(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


PET = of_objects(
    "id",
    "name",
    "owner",
    id=READ_ONLY,
    name={"type": "string", "minLength": 2, "description": "What it is called.", "example": "x"},
    owner=to("Owner"),
    parent=to("Pet"),
    kind=to("Kind"),
    born={"type": "string", "format": "date-time"},
    tags={"type": "array", "items": STRING, "default": ["a"]},
    home=of_objects("street", street=STRING, since=READ_ONLY),
    **{"2nd name": STRING, "class": STRING},
)
COMPONENTS: dict[str, Any] = {
    "pet-store.v1": of_objects(pets={"type": "array", "items": to("Pet")}),
    "Pet": {**PET, "description": "A pet."},
    "Dog": {"allOf": [to("Pet"), of_objects("bark", bark=STRING)]},
    "Owner": of_objects("login", "password", login=STRING, password={**STRING, "writeOnly": True}, Owner=to("Kind")),
    "Plain": of_objects("x", x={"type": "integer", "maximum": 9}),
    "Kind": {"type": "string", "enum": ["cat", "dog", "title"]},
    "Kinds": {"type": "array", "items": to("Kind")},
    "pets": {"type": "array", "items": to("Pet")},
    "Anything": {},
    "Made": of_objects(Kind=to("Kind")),
    "MadeCreate": of_objects(y=STRING),
    "BaseModel": of_objects(z=STRING),
    "Any": of_objects(z=STRING),
    "Loose": of_objects(id=READ_ONLY, loose=STRING),
    "Both": {"allOf": [to("Loose"), to("Pet")]},
    "Defaults": of_objects(
        fits={"type": "number", "default": 3},
        wrong={"type": "integer", "default": "nan"},
        bool={"type": ["integer", "null"], "default": True},
        free={},
    ),
    "PetHome": of_objects(own=STRING),
}


def spec_of(components: Mapping[str, Any]) -> Spec:
    return normalise(
        {"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"}, "components": {"schemas": dict(components)}}
    )


def rendered(components: Mapping[str, Any]) -> Rendered:
    return render_components(spec_of(components), name="pets", digest="0123")


@pytest.fixture(scope="module")
def pets() -> Rendered:
    return rendered(COMPONENTS)


@contextmanager
def imported(made: Rendered, folder: Path, name: str) -> Iterator[ModuleType]:
    path = folder / f"{name}.py"
    path.write_text(made.text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


@pytest.fixture(scope="module")
def module(pets: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    with imported(pets, tmp_path_factory.mktemp("pets"), "pets_schemas") as made:
        yield made


def test_every_component_and_every_variant_of_an_object_is_exported(pets: Rendered, module: ModuleType) -> None:
    objects = {"PetStoreV1", "Pet", "Dog", "Owner", "Plain", "Made", "MadeCreate", "BaseModel2", "PetHome"}
    objects |= {"Any2", "Defaults", "Loose", "Both"}
    variants = {name + variant for name in objects for variant in ("Create", "Update", "Response")}
    arrays = {"Kinds", "Pets", "PetsCreate", "PetsResponse"}
    assert set(pets.exports) == objects | variants | arrays | {"Kind", "Anything"}
    assert pets.exports == tuple(sorted(pets.exports)) == tuple(module.__all__)
    for name in pets.exports:
        assert isinstance(getattr(module, name), type)


def test_what_is_read_only_is_not_created_and_not_updated(module: ModuleType) -> None:
    assert set(module.Pet.model_fields) - set(module.PetCreate.model_fields) == {"id"}
    assert "id" not in module.PetUpdate.model_fields
    assert "since" not in module.PetCreate.model_fields["home"].annotation.__args__[0].model_fields
    pet = module.PetCreate(name="Rex", owner={"login": "me", "password": "pw"}, home={"street": "here"})
    assert pet.model_dump(exclude_unset=True, by_alias=True)["owner"] == {"login": "me", "password": "pw"}


def test_what_is_written_only_does_not_come_out(module: ModuleType) -> None:
    stored = SimpleNamespace(id=1, name="Rex", owner=SimpleNamespace(login="me", password="pw"))
    shown = module.PetResponse.model_validate(
        {"id": 1, "name": "Rex", "owner": {"login": "me", "password": "pw"}}
    ).model_dump(exclude_unset=True)
    assert shown == {"id": 1, "name": "Rex", "owner": {"login": "me"}}
    assert module.OwnerResponse.model_validate(stored.owner).model_dump(exclude_unset=True) == {"login": "me"}


def test_all_of_an_update_may_be_left_out_within_its_bounds(module: ModuleType) -> None:
    assert module.PetUpdate().model_dump(exclude_unset=True) == {}
    assert module.PlainUpdate(x=3).model_dump(exclude_unset=True) == {"x": 3}
    with pytest.raises(ValidationError):
        module.PlainUpdate(x=10)
    with pytest.raises(ValidationError):
        module.PetUpdate(name="x")


def test_variants_that_make_no_difference_are_the_class_itself(module: ModuleType) -> None:
    assert module.PlainCreate is module.Plain
    assert module.PlainResponse is module.Plain
    assert module.PetCreate is not module.Pet


def test_heirs_have_what_they_inherit(module: ModuleType) -> None:
    assert set(module.DogUpdate.model_fields) == set(module.PetUpdate.model_fields) | {"bark"}
    assert "id" in module.DogResponse.model_fields
    assert "id" not in module.DogCreate.model_fields


def test_what_all_of_several_components_ask_for_is_asked_for(module: ModuleType) -> None:
    assert issubclass(module.Both, module.Loose)
    assert issubclass(module.Both, module.Pet)
    assert module.Both.model_fields["id"].is_required()
    assert "id" not in module.BothCreate.model_fields


def test_names_are_identifiers_with_the_original_as_alias(module: ModuleType) -> None:
    said = {
        "id": 1,
        "name": "Rex",
        "owner": {"login": "me", "password": "pw", "Owner": "cat"},
        "2nd name": "R",
        "class": "A",
    }
    pet = module.Pet.model_validate(said)
    assert pet.model_dump(by_alias=True, exclude_unset=True, mode="json") == said
    assert all(name.isidentifier() for name in module.Pet.model_fields)


def test_a_field_of_the_name_of_its_class_does_not_hide_it(module: ModuleType) -> None:
    made = module.Made.model_validate({"Kind": "dog"})
    assert made.model_dump(by_alias=True, mode="json") == {"Kind": "dog"}
    with pytest.raises(ValidationError):
        module.MadeUpdate.model_validate({"Kind": "fox"})


def test_members_keep_clear_of_what_every_text_has(module: ModuleType) -> None:
    assert [member.value for member in module.Kind] == ["cat", "dog", "title"]
    assert callable(module.Kind.cat.title)


def test_descriptions_and_bounds_are_in_the_json_schema(module: ModuleType) -> None:
    schema = module.Pet.model_json_schema()["$defs"]["Pet"]
    assert schema["description"] == "A pet."
    assert (schema["properties"]["name"]["description"], schema["properties"]["name"]["minLength"]) == (
        "What it is called.",
        2,
    )
    assert "example" not in str(schema)


def test_a_component_keeps_its_name_from_variants_and_from_what_is_inside_others(
    pets: Rendered, module: ModuleType
) -> None:
    assert set(module.MadeCreate.model_fields) == {"y"}
    assert set(module.PetHome.model_fields) == {"own"}
    assert ("MadeCreate", "a component has the name of this variant, which is left out") in {
        (found.where, found.reason) for found in pets.findings
    }


def test_defaults_that_no_type_checker_takes_are_left_out_and_reported(pets: Rendered) -> None:
    assert [found.reason for found in pets.findings if found.where == "Pet.properties.tags"] == [
        "its default is no plain value of Python, and left out"
    ]
    assert [
        found.where for found in pets.findings if found.reason == "its default is not of its type, and left out"
    ] == [
        "Defaults.properties.wrong",
        "Defaults.properties.bool",
    ]


def test_a_component_called_any_is_not_what_others_may_be(module: ModuleType) -> None:
    assert module.Defaults(free=[1]).free == [1]
    assert module.Any2(z="x").z == "x"


def test_texts_come_out_as_they_went_in(tmp_path: Path) -> None:
    said = {
        "uri": "http://x.org",
        "email": "no mail",
        "password": "pw",
        "hostname": "_",
        "byte": "aGk=",
        "date": "2026-01-02",
    }
    formats = {name: {**STRING, "format": name} for name in said}
    made = rendered(
        {"All": of_objects(**formats), "Late": of_objects(on={**STRING, "format": "date", "default": "2026-01-02"})}
    )
    assert [found.where for found in made.findings] == ["Late.properties.on"]
    with imported(made, tmp_path, "formats_schemas") as module:
        assert module.All.model_validate_json(json.dumps(said)).model_dump(mode="json") == said


def test_the_same_components_give_the_same_text_in_any_order(pets: Rendered) -> None:
    assert rendered(dict(reversed(COMPONENTS.items()))) == pets
    assert "0123" in pets.text.split('"""')[1]


@pytest.mark.slow
def test_the_module_passes_a_strict_type_checker(pets: Rendered, tmp_path: Path) -> None:
    (tmp_path / "pets.py").write_text(pets.text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache", "pets.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_variants_and_secrets_may_be_chosen(tmp_path: Path) -> None:
    made = render_components(
        spec_of({name: COMPONENTS[name] for name in ("Pet", "Owner", "Kind")}),
        name="pets",
        digest="",
        variants=["update"],
        write_only=["na*"],
    )
    assert made.exports == ("Kind", "Owner", "OwnerUpdate", "Pet", "PetUpdate")
    with imported(made, tmp_path, "chosen_schemas") as module:
        assert module.PetUpdate(parent={"name": "Rex", "owner": {"login": "me", "password": "pw"}}).parent.name == "Rex"
        assert set(module.Pet.model_fields) - set(module.PetResponse.model_fields) == {"name"}


def test_a_spec_without_components_gives_an_empty_module() -> None:
    empty = rendered({})
    assert (empty.exports, empty.findings) == ((), ())
    compile(empty.text, "empty", "exec")


def test_time_that_runs_out_is_said(pets: Rendered) -> None:
    with pytest.raises(GenerationFailed, match=r"components of pets took longer than 0\.01 s"):
        render_components(spec_of(COMPONENTS), name="pets", digest="", timeout_s=0.01)


def test_hostile_names_and_texts_stay_texts(tmp_path: Path) -> None:
    hostile = '"""\nimport os\nos._exit(9)\n"""'
    text = {"type": "string", "description": hostile, "default": hostile, "pattern": "'\"\\\\"}
    components = {
        "A": {**of_objects(x=text, **{hostile: STRING}), "description": hostile},
        "B": {"type": "string", "enum": [hostile, "", " ", "1", "mro", "\u2028"]},
        "__class__": of_objects(__init__=STRING, model_config=STRING, model_dump=STRING),
    }
    made = rendered(components)
    with imported(made, tmp_path, "hostile_schemas") as module:
        for found in (getattr(module, name) for name in made.exports):
            assert not issubclass(found, BaseModel) or found.model_json_schema()


def test_class_names_do_not_depend_on_other_components() -> None:
    assert class_names(["a.b", "AB", "a-b", "9", "€", "list"]) == {
        "AB": "AB",
        "a-b": "AB2",
        "a.b": "AB3",
        "9": "Model9",
        "€": "Component2",
        "list": "List",
    }
