"""A service whose spec is a file: what is read, what is refused, and what is waited for."""

import json
import os
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from syncflow_pipelines.config import BearerAuth
from syncflow_pipelines.errors import SpecTooLarge, UnusableSpec
from syncflow_pipelines.openapi.limits import Limits
from syncflow_pipelines.openapi.refreshing import configuration_digest, refresh
from syncflow_pipelines.openapi.spec_files import NoSuchFile, is_young, quiet_s, read_file
from syncflow_pipelines_tests.unit.spec_files import document, grown_old, look, save, services_in, settings_in


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """The spec file of the service, with a spec."""
    path = tmp_path / "backend" / "openapi.json"
    save(path, document())
    return path


def test_a_file_is_kept_as_a_document_of_a_server_is_and_recognised_by_its_bytes(tmp_path: Path, spec: Path) -> None:
    first = look(tmp_path)
    assert (first.status, first.url, first.error, first.files) == ("changed", str(spec), None, (spec,))
    assert first.spec_file is not None
    assert json.loads(first.spec_file.read_bytes()) == document()
    os.utime(spec)
    assert look(tmp_path).status == "unchanged"
    save(spec, document("new"))
    again = look(tmp_path)
    assert (again.status, again.previous_checksum) == ("changed", first.checksum)
    assert [operation.id for operation in again.spec.operations] == ["new", "ping"]


def test_the_checksum_file_names_files_by_their_path_in_the_services_project(tmp_path: Path, spec: Path) -> None:
    save(tmp_path / "backend" / "schemas.json", {"Pet": {"type": "object"}})
    save(spec, document(components={"schemas": {"A": {"$ref": "schemas.json#/Pet"}}}))
    look(tmp_path)
    entry = json.loads((tmp_path / ".openapi_checksums.json").read_text())["crm"]
    assert [part["url"] for part in entry["documents"]] == ["openapi.json", "schemas.json"]


def test_yaml_is_told_by_what_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "shared" / "spec.txt"
    path.parent.mkdir(parents=True)
    path.write_text("openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {}\n")
    seen = look(tmp_path, "../shared/spec.txt")
    assert (seen.status, seen.url) == ("changed", str(path))


def test_what_a_file_refers_to_is_read_beside_it_and_a_change_there_is_a_change(tmp_path: Path, spec: Path) -> None:
    pets = tmp_path / "backend" / "schemas" / "my pets.json"
    save(pets, {"Pet": {"type": "object", "properties": {"toy": {"$ref": "toys.json"}}}})
    save(pets.with_name("toys.json"), {"type": "string"})
    save(spec, document(components={"schemas": {"Pet": {"$ref": "schemas/my%20pets.json#/Pet"}}}))
    first = look(tmp_path)
    assert first.findings == ()
    assert first.files == (spec, pets, pets.with_name("toys.json"))
    assert look(tmp_path).status == "unchanged"
    save(pets.with_name("toys.json"), {"type": "integer"})
    assert look(tmp_path).status == "changed"


def test_a_reference_to_nothing_is_followed_once_it_is_there(tmp_path: Path, spec: Path) -> None:
    save(spec, document(components={"schemas": {"Pet": {"$ref": "pet.json"}}}))
    grown_old(spec, spec.parent)
    first = look(tmp_path)
    assert "there is no such file" in first.findings[0].reason
    assert first.files == (spec, spec.with_name("pet.json"))
    assert look(tmp_path).status == "unchanged"
    save(spec.with_name("pet.json"), {"type": "object"})
    assert (look(tmp_path).status, look(tmp_path).findings) == ("changed", ())


@pytest.mark.parametrize(
    "reference",
    ["../secret.json", "linked.json", "/etc/passwd", "file:///etc/passwd", "file:secret.json", "http://127.0.0.1:9/x.json",
     "folder/linked/secret.json", "\0.json"],
)  # fmt: skip
def test_nothing_outside_the_services_project_is_read_also_not_through_a_link(
    tmp_path: Path, spec: Path, reference: str
) -> None:
    save(tmp_path / "secret.json", {"description": "s3cret"})
    (spec.parent / "linked.json").symlink_to("../secret.json")
    (spec.parent / "folder").mkdir()
    (spec.parent / "folder" / "linked").symlink_to(tmp_path)
    save(spec, document(components={"schemas": {"Pet": {"$ref": reference}}}))
    grown_old(spec, spec.parent)
    seen = look(tmp_path)
    assert (seen.status, bool(seen.findings)) == ("changed", True)
    assert seen.spec_file is not None
    assert "s3cret" not in seen.spec_file.read_text()


def test_the_folder_itself_may_be_a_link_and_so_may_the_file(tmp_path: Path, spec: Path) -> None:
    spec.parent.rename(tmp_path / "release-1")
    (tmp_path / "backend").symlink_to("release-1")
    save(spec.with_name("pet.json"), {"type": "object"})
    save(spec, document(components={"schemas": {"Pet": {"$ref": "pet.json"}}}))
    assert look(tmp_path).findings == ()


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    folder, pipe, link = tmp_path / "folder", tmp_path / "pipe", tmp_path / "link"
    folder.mkdir()
    os.mkfifo(pipe)
    link.symlink_to(link)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path, told in [
            (folder, "is a folder"),
            (pipe, "is a named pipe"),
            (Path("/dev/zero"), "is a device"),
            (tmp_path / "socket", "cannot be read"),
            (link, "cannot be read"),
            (tmp_path / "a\0b", "cannot be the name of a file"),
        ]:
            with pytest.raises(UnusableSpec, match=told):
                read_file(path)
    with pytest.raises(NoSuchFile, match="write it, or mend path and openapi_path"):
        read_file(tmp_path / "none")


def test_a_file_is_read_up_to_the_limit_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_bytes(b"x" * 100)
    assert len(read_file(path, Limits(max_bytes=100))) == 100
    with pytest.raises(SpecTooLarge, match="more than 99 bytes"):
        read_file(path, Limits(max_bytes=99))


def test_a_missing_file_is_an_error_that_names_it_and_what_is_kept_stands(tmp_path: Path, spec: Path) -> None:
    first = look(tmp_path)
    spec.unlink()
    grown_old(spec.parent)
    seen = look(tmp_path)
    assert (seen.status, seen.checksum) == ("failed", first.checksum)
    assert seen.error == (
        f"crm has no OpenAPI document ({spec}: there is no such file); write it, or mend path and openapi_path"
    )


@pytest.mark.parametrize("text", ["", '{"openapi": "3.1.0", "info"', "<html>", "openapi: 3.1.0\ninfo: {title: 'T"])
def test_a_file_that_cannot_be_used_is_told_once_it_has_been_quiet_and_not_before(
    tmp_path: Path, spec: Path, text: str
) -> None:
    first = look(tmp_path)
    spec.write_text(text)
    seen = look(tmp_path, is_patient=False)
    assert (seen.status, seen.checksum) == ("unsettled", first.checksum)
    grown_old(spec)
    seen = look(tmp_path, is_patient=False)
    assert (seen.status, seen.checksum, seen.error_type) == ("failed", first.checksum, "UnusableSpec")
    assert str(seen.error).startswith(f"{spec}: ")


def test_a_patient_look_waits_for_the_rest_of_a_file(tmp_path: Path, spec: Path) -> None:
    whole = json.dumps(document("late"))
    spec.write_text(whole[:40])
    writer = threading.Timer(0.3, spec.write_text, (whole,))
    writer.start()
    seen = look(tmp_path)
    writer.join()
    assert (seen.status, len(seen.spec.operations)) == ("changed", 2)


def test_a_file_that_was_just_deleted_may_come_back(tmp_path: Path, spec: Path) -> None:
    spec.unlink()
    assert look(tmp_path, is_patient=False).status == "unsettled"


def test_a_half_written_file_that_the_spec_refers_to_is_waited_for_too(tmp_path: Path, spec: Path) -> None:
    save(spec, document(components={"schemas": {"Pet": {"$ref": "pet.json"}}}))
    pet = spec.with_name("pet.json")
    pet.write_text('{"type": ')
    assert look(tmp_path, is_patient=False).status == "unsettled"
    grown_old(spec, pet)
    seen = look(tmp_path, is_patient=False)
    assert (seen.status, bool(seen.findings)) == ("changed", True)


def test_how_long_a_file_has_to_be_quiet_grows_with_the_debounce() -> None:
    assert (quiet_s(0), quiet_s(500), quiet_s(1000)) == (2.0, 2.0, 3.0)


def test_times_in_the_future_are_not_young(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert is_young(tmp_path / "a", 60.0)
    os.utime(tmp_path / "a", (4e9, 4e9))
    assert not is_young(tmp_path / "a", 60.0)


def test_candidates_are_tried_in_their_order_and_a_file_that_is_there_ends_that(tmp_path: Path, spec: Path) -> None:
    paths = ("none.json", "openapi.json", "/openapi.json")
    assert look(tmp_path, *paths).url == str(spec)
    # the endpoint is down, and the file stands in for it
    assert look(tmp_path, "/openapi.json", "openapi.json", timeout_s=0.2).url == str(spec)
    spec.write_text("nothing")
    grown_old(spec)
    assert str(look(tmp_path, *paths).error).startswith(f"{spec}: ")


def test_health_and_credentials_are_not_asked_for_where_the_spec_is_a_file(tmp_path: Path, spec: Path) -> None:
    services = services_in(tmp_path, auth=BearerAuth("NOT_SET"))
    checked = replace(services, settings=replace(services.settings, health_check_before_sync=True))
    [seen] = refresh(checked, settings_in(tmp_path))
    assert seen.status == "changed"


def test_another_folder_is_another_configuration_and_a_checkout_elsewhere_is_not(tmp_path: Path) -> None:
    [service] = services_in(tmp_path).services
    [other] = services_in(tmp_path, path=tmp_path / "other").services
    [elsewhere] = services_in(tmp_path / "b").services
    digest = configuration_digest(service, tmp_path)
    assert configuration_digest(other, tmp_path) != digest
    assert configuration_digest(elsewhere, tmp_path / "b") == digest
