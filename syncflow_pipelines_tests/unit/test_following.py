"""Specs that are files are followed: what is generated is of the last whole state, and nothing stops the others."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from syncflow_pipelines.codegen.agenda import FLAG_EVERY_S, FLAG_SHARE, Agenda
from syncflow_pipelines.codegen.manifest import read_manifest
from syncflow_pipelines.codegen.verification import Verifier
from syncflow_pipelines.config import load_services
from syncflow_pipelines.openapi.store import SpecStore
from syncflow_pipelines_tests.unit.followed_specs import configure, following, wait_for
from syncflow_pipelines_tests.unit.spec_files import document, grown_old, save

OTHER = "  - {name: other, base_url: 'http://127.0.0.1:9', openapi_path: other.json, components: []}"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "backend" / "openapi.json"
    save(path, document())
    return path


def test_a_file_that_is_replaced_as_fast_as_it_goes_is_read_a_few_times_and_the_last_state_wins(
    tmp_path: Path, spec: Path
) -> None:
    with following(configure(tmp_path, debounce_ms=200)) as told:
        wait_for(lambda: told.statuses() == ["changed"], told)
        for number in range(300):
            save(spec, document(f"op{number}"))
        wait_for(lambda: told.operations == ["op299", "ping"], told)
    assert told.statuses().count("changed") < 10
    assert set(told.statuses()) <= {"changed", "unchanged"}


def test_a_file_that_is_written_in_place_all_the_time_is_never_taken_half(tmp_path: Path, spec: Path) -> None:
    texts = [json.dumps(document(*(f"op{number}_{other}" for other in range(200)))) for number in range(60)]
    with following(configure(tmp_path, debounce_ms=0)) as told:
        for text in texts:
            with spec.open("w") as file:
                for at in range(0, len(text), 5000):
                    file.write(text[at : at + 5000])
                    file.flush()
        wait_for(lambda: len(told.operations) == 201 and "op59_0" in told.operations, told)
    whole = {len(one.spec.operations) for one in told.looks if one.status == "changed"}
    assert whole <= {1, 201}
    assert "failed" not in told.statuses()


def test_half_a_file_is_not_reported_until_it_has_been_quiet_and_then_once(tmp_path: Path, spec: Path) -> None:
    with following(configure(tmp_path)) as told:
        wait_for(lambda: told.statuses() == ["changed"], told)
        spec.write_text('{"openapi": "3.1.0", ')
        wait_for(lambda: "failed" in told.statuses(), told)
        kept = SpecStore(load_services(configure(tmp_path)).settings, configure(tmp_path)).document("crm")
        assert kept == document()
        spec.write_text(json.dumps(document("mended")))
        wait_for(lambda: told.operations == ["mended", "ping"], told)
    assert told.statuses().count("failed") == 1


def test_a_deleted_file_that_comes_back_is_no_error(tmp_path: Path, spec: Path) -> None:
    with following(configure(tmp_path)) as told:
        wait_for(lambda: told.statuses() == ["changed"], told)
        spec.unlink()
        timer = threading.Timer(0.5, save, (spec, document("back")))
        timer.start()
        wait_for(lambda: told.operations == ["back", "ping"], told)
        timer.join()
    assert "failed" not in told.statuses()


def test_a_project_that_comes_later_is_seen(tmp_path: Path) -> None:
    grown_old(tmp_path)
    with following(configure(tmp_path)) as told:
        wait_for(lambda: told.statuses() == ["failed"], told)
        save(tmp_path / "backend" / "openapi.json", document("late"))
        wait_for(lambda: told.operations == ["late", "ping"], told)


def test_a_file_that_the_spec_refers_to_is_followed_from_then_on(tmp_path: Path, spec: Path) -> None:
    with following(configure(tmp_path)) as told:
        save(spec.parent / "deep" / "pet.json", {"type": "object"})
        save(spec, document(components={"schemas": {"Pet": {"$ref": "deep/pet.json"}}}))
        wait_for(lambda: bool(told.looks) and len(told.looks[-1].files) == 2, told)
        before = told.statuses().count("changed")
        save(spec.parent / "deep" / "pet.json", {"type": "string"})
        wait_for(lambda: told.statuses().count("changed") > before, told)


def test_one_broken_service_stops_no_other(tmp_path: Path, spec: Path) -> None:
    with following(configure(tmp_path, more=OTHER)) as told:
        (tmp_path / "other.json").write_text("no document")
        wait_for(lambda: "failed" in told.statuses("other"), told)
        save(spec, document("new"))
        wait_for(lambda: told.operations == ["new", "ping"], told)
        save(tmp_path / "other.json", document())
        wait_for(lambda: "changed" in told.statuses("other"), told)


def test_the_configuration_is_followed_and_a_bad_one_leaves_the_old_one_in_force(tmp_path: Path, spec: Path) -> None:
    with following(configure(tmp_path)) as told:
        wait_for(lambda: told.statuses() == ["changed"], told)
        configure(tmp_path, more="nonsense")
        wait_for(lambda: bool(told.troubles) and told.troubles[-1] is not None, told)
        save(spec, document("old"))
        wait_for(lambda: told.operations == ["old", "ping"], told)
        save(tmp_path / "other.json", document("other"))
        configure(tmp_path, more=OTHER)
        wait_for(lambda: told.statuses("other") == ["changed"], told)
        save(tmp_path / "other.json", document("again"))
        wait_for(lambda: told.statuses("other").count("changed") == 2, told)


def test_a_flag_that_is_off_leaves_changes_alone_until_it_is_on(tmp_path: Path, spec: Path) -> None:
    flags = tmp_path / "config" / "flags.yaml"
    settings = configure(tmp_path)
    flags.write_text("flags: {auto_sync: false}\n")
    with following(settings) as told:
        wait_for(lambda: bool(told.sentences), told)
        save(spec, document("new"))
        flags.write_text("flags: {auto_sync: true}\n")
        wait_for(lambda: told.operations == ["new", "ping"], told)
    (sentence,) = told.sentences
    assert "auto_sync is off" in sentence
    assert told.statuses() == ["changed"]


def test_what_kept_code_from_being_generated_is_tried_again_soon(tmp_path: Path, spec: Path) -> None:
    settings = configure(tmp_path, components="mcp")
    (tmp_path / "generated").write_text("in the way")
    with following(settings) as told:
        wait_for(lambda: bool(told.troubles) and told.troubles[-1] is not None, told)
        (tmp_path / "generated").unlink()
        wait_for(lambda: "ping" in generated_spec(tmp_path), told)


def test_however_many_flags_are_off_asking_for_them_takes_a_small_share_of_the_time() -> None:
    agenda = Agenda(due={"crm"}, interval_at=math.inf)
    agenda.asked_for_flags(took_s=0.001)
    assert agenda.seconds_left() == FLAG_EVERY_S
    agenda.asked_for_flags(took_s=0.5)
    assert agenda.seconds_left() == 0.5 * FLAG_SHARE


def test_what_fails_again_and_again_is_tried_less_and_less_often_until_it_succeeds() -> None:
    agenda, pauses = Agenda(interval_at=math.inf), []
    for _ in range(5):
        agenda.settle("crm")
        agenda.put_off({"crm"}, longest_s=10.0)
        pauses.append(agenda.pauses_s["crm"])
    agenda.succeed({"crm"})
    agenda.put_off({"crm"}, longest_s=10.0)
    assert pauses == [2.0, 4.0, 8.0, 10.0, 10.0]
    assert agenda.pauses_s == {"crm": 2.0}


@pytest.mark.slow
def test_what_changed_is_generated_and_nothing_else_is(tmp_path: Path, spec: Path) -> None:
    more = "  - {name: other, base_url: 'http://127.0.0.1:9', openapi_path: other.json, components: [mcp]}"
    save(tmp_path / "other.json", document())
    with following(configure(tmp_path, components="mcp", more=more)) as told:
        wait_for(lambda: len(told.reports) == 2, told)
        for number in range(20):
            save(spec, document(f"op{number}"))
        wait_for(lambda: tools(tmp_path, "crm") == 2 and told.operations == ["op19", "ping"], told)
        wait_for(lambda: told.reports[-1].status == "generated", told)
    assert [one.service for one in told.reports[2:]] == ["crm"] * len(told.reports[2:])
    assert len(told.reports) < 8
    assert "op19" in generated_spec(tmp_path)


@pytest.mark.slow
def test_two_followers_at_once_come_to_the_same_and_leave_it_whole(tmp_path: Path, spec: Path) -> None:
    settings = configure(tmp_path, components="mcp")
    with following(settings) as one, following(settings) as two:
        for number in range(30):
            save(spec, document(f"op{number}"))
        for told in (one, two):
            wait_for(lambda told=told: told.looks and told.looks[-1].checksum == last_checksum(tmp_path), told)  # type: ignore[misc]
        wait_for(lambda: "op29" in generated_spec(tmp_path), one)
    assert not [error for told in (one, two) for error in told.troubles if error]
    assert "failed" not in one.statuses() + two.statuses()


FOLLOW = """
import sys
from pathlib import Path
from syncflow_pipelines_tests.unit.followed_specs import following, wait_for
from syncflow_pipelines.config import Settings

folder = Path(sys.argv[1])
with following(Settings(config_dir=folder / "config", home=folder / "home")) as told:
    wait_for(lambda: bool(told.looks), told)
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_killed_half_way_the_next_one_brings_all_in_step(tmp_path: Path, spec: Path) -> None:
    settings = configure(tmp_path, components="mcp", debounce_ms=0)
    with subprocess.Popen(
        [sys.executable, "-c", FOLLOW, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # what it is generating stays behind
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        for number in range(40):
            save(spec, document(f"op{number}"))
        os.kill(child.pid, signal.SIGKILL)
    with following(settings) as told:
        wait_for(lambda: "op39" in generated_spec(tmp_path), told)
    store = SpecStore(load_services(settings).settings, settings)
    assert store.document("crm") == document("op39")
    assert store.is_whole("crm", store.kept()["crm"])


@pytest.mark.slow
def test_a_warm_verifier_that_was_killed_while_nobody_needed_it_is_started_again(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    with Verifier() as verifier:
        verifier.warm_up()
        first = verifier.child_pid
        assert verifier.examine(tmp_path, "package", None, None) == {}
        assert verifier.child_pid == first
        assert first is not None
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert verifier.examine(tmp_path, "package", None, None) == {}
        assert verifier.child_pid not in (None, first)


def tools(folder: Path, service: str) -> int | None:
    entry = read_manifest(folder / "generated").services.get(service)
    return entry.sizes.tools if entry is not None and entry.sizes is not None else None


def generated_spec(folder: Path) -> str:
    """What the generated modules of `crm` stand on."""
    entry = read_manifest(folder / "generated").services.get("crm")
    names = [file.name for file in entry.files if file.name.endswith(".json")] if entry else []
    return (folder / "generated" / names[0]).read_text() if names else ""


def last_checksum(folder: Path) -> str:
    settings = configure(folder, components="mcp")
    return SpecStore(load_services(settings).settings, settings).kept()["crm"].checksum
