"""What is generated when, and what is left alone."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from syncflow_pipelines.config.auth import BearerAuth, HeaderAuth
from syncflow_pipelines.config.services import McpOptions, OperationRule
from syncflow_pipelines.errors import GenerationFailed, SyncCancelled
from syncflow_pipelines.files.locking import locked
from syncflow_pipelines.openapi.model import Finding
from syncflow_pipelines_tests.server.mcp_world import body, operation, spec_of
from syncflow_pipelines_tests.unit.generated_world import QuickVerifier, World, small_spec


def test_a_service_has_a_spec_two_modules_and_a_place_in_the_package(tmp_path: Path) -> None:
    world = World(tmp_path, "pets", "user-service")
    assert world.statuses() == {"pets": "generated", "user-service": "generated"}
    names = [name for name in world.files() if "_spec_" not in name]
    assert names == [
        ".syncflow.json", "__init__.py", "pets_mcp.py", "pets_resolver.py", "user_service_mcp.py",
        "user_service_resolver.py",
    ]  # fmt: skip
    exported = ast.literal_eval(
        world.files()["__init__.py"].decode().partition("__all__ = ")[2].partition("]")[0] + "]"
    )
    assert exported == [
        "PetsResolver", "UserServiceResolver", "create_pets_app", "create_user_service_app", "pets_mcp",
        "user_service_mcp",
    ]  # fmt: skip


def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    before = {file: file.stat().st_mtime_ns for file in world.folder.iterdir()}
    world.verifier = QuickVerifier()
    report = world.generate()
    assert [each.status for each in report.services] == ["unchanged"]
    assert not report.has_changed
    assert {file: file.stat().st_mtime_ns for file in world.folder.iterdir()} == before
    assert world.verifier.examined == []


def test_who_waits_for_another_generation_can_be_cancelled(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.folder.mkdir(parents=True)
    with locked(world.folder), pytest.raises(SyncCancelled, match="another process held"):
        world.generate(cancelled=lambda: True)
    assert world.statuses() == {"pets": "generated"}


def test_the_same_comes_out_in_another_folder_to_the_byte(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        world = World(tmp_path / name)
        auth = BearerAuth(token_file=tmp_path / name / "secrets" / "token")
        world.add("pets", auth=auth, ca_file=tmp_path / name / "ca.pem")
        world.generate()
        found.append(world.files())
    assert found[0] == found[1]
    assert b'"file": "../secrets/token"' in found[0]["pets_mcp.py"]
    assert b'ca_file="../ca.pem"' in found[0]["pets_mcp.py"]


def test_one_service_changes_and_the_other_stays(tmp_path: Path) -> None:
    world = World(tmp_path, "pets", "users")
    world.generate()
    before = world.files()
    world.specs["pets"] = small_spec(title="Other pets")
    assert world.statuses() == {"pets": "generated", "users": "unchanged"}
    after = world.files()
    assert before["pets_mcp.py"] != after["pets_mcp.py"]
    assert before["users_mcp.py"] == after["users_mcp.py"]


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "https://other.example"},
        {"auth": HeaderAuth("X-Key", value_env="KEY")},
        {"mcp": McpOptions(timeout_s=5)},
        {"type": "external"},
        {"components": ("mcp",)},
    ],
)
def test_other_settings_are_a_change(tmp_path: Path, settings: dict[str, object]) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    world.change("pets", **settings)
    assert world.statuses() == {"pets": "generated"}


def test_a_spec_stays_until_the_run_after_the_one_that_replaced_it(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    (old,) = world.folder.glob("*_spec_*.json")
    world.specs["pets"] = small_spec(title="Other pets")
    world.generate()
    assert len(list(world.folder.glob("*_spec_*.json"))) == 2
    world.generate()
    assert not old.exists()
    assert len(list(world.folder.glob("*_spec_*.json"))) == 1


def test_going_back_to_an_older_spec_works(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    first = world.files()
    world.specs["pets"] = small_spec(title="Other pets")
    world.generate()
    world.specs["pets"] = small_spec()
    world.generate()
    world.generate()
    assert world.files() == first


def test_what_belongs_to_no_service_any_more_is_removed(tmp_path: Path) -> None:
    world = World(tmp_path, "pets", "users")
    world.generate()
    del world.services["pets"]
    assert world.statuses() == {"pets": "removed", "users": "unchanged"}
    assert not any(name.startswith("pets") for name in world.files())
    assert "pets" not in world.files()["__init__.py"].decode()


def test_a_component_that_is_no_longer_wanted_is_removed(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    world.settings = replace(world.settings, enable_connexion=False)
    world.generate()
    assert "pets_resolver.py" not in world.files()
    assert "Resolver" not in world.files()["__init__.py"].decode()
    world.settings = replace(world.settings, enable_fastmcp=False)
    assert world.statuses() == {"pets": "removed"}


def test_a_service_without_a_spec_stays_as_it_is(tmp_path: Path) -> None:
    world = World(tmp_path, "pets", "users")
    world.generate()
    before = world.files()
    del world.specs["pets"]
    assert world.statuses() == {"users": "unchanged"}
    assert world.files() == before


def test_only_the_named_services_are_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path, "pets", "users")
    assert world.statuses(only=["users"]) == {"users": "generated"}
    assert not any(name.startswith("pets") for name in world.files())
    del world.services["users"]
    assert world.statuses(only=["pets"]) == {"pets": "generated"}
    assert "users_mcp.py" in world.files()


def test_a_service_that_fails_keeps_its_files_and_the_others_go_on(tmp_path: Path) -> None:
    world = World(tmp_path, "pets", "users")
    world.generate()
    before = world.files()
    world.specs["pets"] = small_spec(title="refused")
    world.specs["users"] = small_spec(title="fine")
    world.verifier = QuickVerifier(refused="refused")
    report = world.generate()
    assert [each.status for each in report.services] == ["failed", "generated"]
    assert report.has_failed
    after = world.files()
    assert after["pets_mcp.py"] == before["pets_mcp.py"]
    assert after["users_mcp.py"] != before["users_mcp.py"]


@pytest.mark.parametrize("name", ["pets_mcp.py", "pets_resolver.py"])
def test_a_file_that_was_edited_is_not_overwritten_unless_forced(tmp_path: Path, name: str) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    file = world.folder / name
    file.write_text(file.read_text() + "# mine\n")
    assert "edited by hand" in world.generate().services[0].notes[0]
    world.specs["pets"] = small_spec(title="Other pets")
    report = world.generate().services[0]
    assert report.status == "failed"
    assert str(file) in f"{report.error}"
    assert file.read_text().endswith("# mine\n")
    assert world.statuses(force=True) == {"pets": "generated"}
    assert "# mine" not in file.read_text()


def test_a_file_that_is_not_ours_is_not_overwritten_unless_forced(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.folder.mkdir()
    (world.folder / "pets_mcp.py").write_text("mine = 1\n")
    assert world.statuses() == {"pets": "failed"}
    assert (world.folder / "pets_mcp.py").read_text() == "mine = 1\n"
    assert world.statuses(force=True) == {"pets": "generated"}


def test_a_file_that_was_edited_outlives_its_service(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    (world.folder / "pets_mcp.py").write_text("mine = 1\n")
    del world.services["pets"]
    assert "pets_mcp.py was edited" in world.generate().services[0].notes[0]
    assert [name for name in world.files() if name.startswith("pets")] == ["pets_mcp.py"]


def test_a_package_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.folder.mkdir()
    (world.folder / "__init__.py").write_text("mine = 1\n")
    with pytest.raises(GenerationFailed, match="__init__"):
        world.generate()
    assert list(world.files()) == ["__init__.py"]


def test_an_empty_init_is_taken_over(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.folder.mkdir()
    (world.folder / "__init__.py").touch()
    assert world.statuses() == {"pets": "generated"}


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.folder.mkdir()
    (world.folder / "notes_spec_0123456789abcdef.json").write_text("mine")
    (world.folder / "mine.py").write_text("mine = 1\n")
    world.generate()
    del world.services["pets"]
    world.generate()
    assert {"mine.py", "notes_spec_0123456789abcdef.json"} <= world.files().keys()


def test_a_file_that_was_lost_is_generated_again(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    (world.folder / "pets_mcp.py").unlink()
    assert world.statuses() == {"pets": "generated"}
    (world.folder / "__init__.py").unlink()
    assert world.statuses() == {"pets": "unchanged"}
    assert (world.folder / "__init__.py").exists()


def test_a_file_that_was_left_empty_is_generated_again(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    before = world.files()
    (world.folder / "pets_mcp.py").write_bytes(b"")
    assert world.statuses() == {"pets": "generated"}
    assert world.files() == before


@pytest.mark.parametrize("only", [[], ["user_service"]])
def test_a_service_whose_new_name_has_the_same_modules_keeps_them(tmp_path: Path, only: list[str]) -> None:
    world = World(tmp_path, "user-service")
    world.generate()
    world.services.clear()
    world.add("user_service")
    world.generate(only=only)
    world.generate()
    assert {"user_service_mcp.py", "user_service_resolver.py"} <= world.files().keys()
    assert world.statuses() == {"user_service": "unchanged"}


def test_a_lost_manifest_is_made_anew(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    before = world.files()
    (world.folder / ".syncflow.json").unlink()
    assert world.statuses() == {"pets": "generated"}
    assert world.files() == before


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    manifest = world.folder / ".syncflow.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": 99}))
    with pytest.raises(GenerationFailed, match="version 99"):
        world.generate()
    manifest.write_text("{")
    with pytest.raises(GenerationFailed, match="cannot be read"):
        world.generate()


def test_a_dry_run_writes_nothing_and_says_the_same(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    dry = world.generate(dry_run=True)
    assert not world.folder.exists()
    real = world.generate()
    assert dry.services == real.services
    assert (dry.is_dry_run, real.is_dry_run) == (True, False)
    del world.services["pets"]
    before = world.files()
    assert world.statuses(dry_run=True) == {"pets": "removed"}
    assert world.files() == before


def test_everything_is_generated_again_where_the_settings_want_that(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    world.settings = replace(world.settings, on_change_only=False)
    assert world.statuses() == {"pets": "generated"}


def test_a_large_catalogue_is_offered_by_search(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.change("pets", mcp=McpOptions(size_budget_bytes=100))
    sizes = world.generate().services[0].sizes
    assert sizes is not None
    assert (sizes.mode, sizes.tools, sizes.largest) == ("search", 2, "addPet")
    assert b'mode="search"' in world.files()["pets_mcp.py"]
    world.change("pets", mcp=McpOptions(size_budget_bytes=100, mode="tools"))
    world.generate()
    assert b'mode="tools"' in world.files()["pets_mcp.py"]


def test_tools_that_all_hold_something_large_are_refused(tmp_path: Path) -> None:
    pet = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(1_100)}}
    large = body("application/json", {"$ref": "#/components/schemas/Pet"})
    operations = [operation("post", f"/{number}", large, f"add{number}") for number in range(1_000)]
    world = World(tmp_path)
    world.add("pets", spec_of(*operations, schemas={"Pet": pet}))
    report = world.generate().services[0]
    assert "leave operations out" in f"{report.error}"
    world.change("pets", components=("rest",))
    assert world.statuses() == {"pets": "generated"}


def test_a_read_only_server_has_only_what_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.change("pets", mcp=McpOptions(read_only=True))
    sizes = world.generate().services[0].sizes
    assert sizes is not None
    assert (sizes.tools, sizes.largest) == (1, "getPet")


def test_parts_of_the_spec_that_were_left_out_are_reported(tmp_path: Path) -> None:
    world = World(tmp_path)
    findings = (Finding("/paths/~1x", "no good"), Finding("/info", "odd", is_fatal=False))
    world.add("pets", small_spec(findings=findings))
    for _ in range(2):
        assert world.generate().services[0].skipped == (("/paths/~1x", "no good"),)


def test_a_module_that_replaces_another_within_a_second_is_compiled_anew(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    module = world.folder / "pets_mcp.py"
    seconds = [int(module.stat().st_mtime)]
    for title in ("One pets", "Two pets"):
        world.specs["pets"] = small_spec(title=title)
        world.generate()
        seconds.append(int(module.stat().st_mtime))
    assert len(set(seconds)) == 3


def test_only_the_operations_that_a_service_wants_are_generated(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.change("pets", include=(OperationRule(methods=("get",)),))
    report = world.generate().services[0]
    assert report.sizes is not None
    assert (report.sizes.tools, report.sizes.largest) == (1, "getPet")
    world.change("pets", include=(OperationRule(paths=("/nothing",)),))
    report = world.generate().services[0]
    assert report.status == "failed"
    assert "include and exclude leave none" in f"{report.error}"


def test_a_run_that_was_killed_before_its_end_leaves_modules_that_find_their_spec(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    manifest = (world.folder / ".syncflow.json").read_bytes()
    world.specs["pets"] = small_spec(title="Other pets")
    world.generate()
    after = world.files()
    (world.folder / ".syncflow.json").write_bytes(manifest)  # as if the run had ended before it was replaced
    world.verifier = QuickVerifier(refused="Other pets")
    assert world.statuses() == {"pets": "failed"}
    assert {name: content for name, content in world.files().items() if "json" not in name or "_spec_" in name} == {
        name: content for name, content in after.items() if "json" not in name or "_spec_" in name
    }
    world.verifier = QuickVerifier()
    assert world.statuses() == {"pets": "generated"}


def test_classes_of_two_services_with_one_name_are_told_apart(tmp_path: Path) -> None:
    world = World(tmp_path, "a_b", "aB")
    world.generate()
    source = world.files()["__init__.py"].decode()
    assert '"ABResolver": ("aB_resolver", "ABResolver")' in source
    assert '"ABResolver_a_b_resolver": ("a_b_resolver", "ABResolver")' in source


def test_two_operations_never_share_a_name(tmp_path: Path) -> None:
    from syncflow_pipelines.codegen.runtime.tool_names import tool_name

    long = "a" * 60
    names = [tool_name(f"{long}{end}") for end in ("1", "2")]
    assert len({*names}) == 2
    assert all(len(name) <= 56 for name in names)
    assert tool_name("call_tool") != "call_tool"
    assert tool_name(operation("get", "/x").id) == "op"
