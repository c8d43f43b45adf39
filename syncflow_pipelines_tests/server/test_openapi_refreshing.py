"""A look at many specs: what has changed, what failed, and what is kept of either."""

import json
import os
import pickle
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import BearerAuth, Environment, HeaderAuth, ServiceConfig, Services
from syncflow_pipelines.errors import ConfigurationError, SpecError
from syncflow_pipelines.openapi.inner_form import FORMAT
from syncflow_pipelines.openapi.refreshing import Refreshed, configuration_digest, refresh
from syncflow_pipelines_tests.server.calling import TOKEN
from syncflow_pipelines_tests.server.raw_server import Peer, RawServer, Request, hang, head, reply, then_close
from syncflow_pipelines_tests.server.spec_host import (
    PING,
    SPEC,
    SpecHost,
    document,
    json_of,
    services_in,
    settings_in,
)


def only_one(services: Services, folder: Path, **options: Any) -> Refreshed:
    [refreshed] = refresh(services, settings_in(folder), **options)
    return refreshed


def a_and_b(host: SpecHost, folder: Path) -> Services:
    """Services `a` and `b`, whose specs are at `/a` and `/b`."""
    return services_in(folder, *(host.service(name, openapi_paths=(f"/{name}",)) for name in "ab"))


def entry(folder: Path, service: str = "crm") -> dict[str, Any]:
    entries: dict[str, dict[str, Any]] = json.loads((folder / ".openapi_checksums.json").read_text())
    return entries[service]


def test_the_first_look_at_a_spec_keeps_it(tmp_path: Path) -> None:
    with SpecHost() as host:
        seen = only_one(services_in(tmp_path, host.service()), tmp_path)
    assert (seen.service, seen.status, seen.previous_checksum, seen.error) == ("crm", "changed", None, None)
    assert seen.url == f"{host.url}/openapi.json"
    assert seen.spec_file == tmp_path / "specs" / "crm-openapi.json"
    assert json.loads(seen.spec_file.read_bytes()) == document()
    assert entry(tmp_path)["checksum"] == seen.checksum == seen.spec.checksum
    assert entry(tmp_path)["contract"] == seen.contract == seen.spec.contract
    assert entry(tmp_path)["spec_file"] == "specs/crm-openapi.json"
    assert seen.findings == ()
    assert seen.seconds > 0


def test_a_spec_that_did_not_change_is_not_even_parsed_and_no_file_is_touched(tmp_path: Path) -> None:
    with SpecHost({"/openapi.json": json_of(document(), {"ETag": '"1"'}), "/b": SPEC}) as host:
        services = services_in(tmp_path, host.service(), host.service("b", openapi_paths=("/b",)))
        first = refresh(services, settings_in(tmp_path))
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        again = refresh(services, settings_in(tmp_path))
    assert [one.status for one in first] == ["changed", "changed"]
    assert [one.status for one in again] == ["unchanged", "unchanged"]
    assert (
        [one.checksum for one in again] == [one.previous_checksum for one in again] == [one.checksum for one in first]
    )
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_known_bytes_are_recognised_before_anybody_parses_them(tmp_path: Path) -> None:
    nonsense = b'{"openapi": nobody could parse this'
    with SpecHost() as host:
        services = services_in(tmp_path, host.service())
        first = only_one(services, tmp_path)
        checksums = tmp_path / ".openapi_checksums.json"
        known = checksums.read_text().replace(entry(tmp_path)["documents"][0]["sha256"], sha256(nonsense).hexdigest())
        checksums.write_text(known)
        host.routes["/openapi.json"] = reply(200, nonsense)
        assert only_one(services, tmp_path).status == "unchanged"
        host.routes["/openapi.json"] = reply(200, nonsense + b" ")
        again = only_one(services, tmp_path)
    assert (again.status, again.checksum) == ("failed", first.checksum)


def test_a_change_is_seen_and_so_is_the_way_back(tmp_path: Path) -> None:
    a, b = json_of(document(), {"ETag": '"a"'}), json_of(document(tags=[{"name": "x"}]), {"ETag": '"b"'})
    with SpecHost() as host:
        services = services_in(tmp_path, host.service())
        seen = []
        for answer in (a, b, a, a):
            host.routes["/openapi.json"] = answer
            seen.append(only_one(services, tmp_path))
    assert [one.status for one in seen] == ["changed", "changed", "changed", "unchanged"]
    assert [one.previous_checksum for one in seen[1:]] == [seen[0].checksum, seen[1].checksum, seen[2].checksum]
    assert seen[0].checksum == seen[2].checksum != seen[1].checksum


def test_the_order_of_keys_and_the_way_it_is_written_are_no_change(tmp_path: Path) -> None:
    with SpecHost() as host:
        services = services_in(tmp_path, host.service())
        first = only_one(services, tmp_path)
        turned = dict(reversed(document().items()))
        host.routes["/openapi.json"] = reply(200, json.dumps(turned, indent=4).encode(), {"ETag": '"2"'})
        assert only_one(services, tmp_path).status == "unchanged"
        # and its validators are known now
        host.forget()
        assert only_one(services, tmp_path).status == "unchanged"
        assert host.requests[0].headers["if-none-match"] == '"2"'
    assert entry(tmp_path)["timestamp"]
    assert entry(tmp_path)["checksum"] == first.checksum


@pytest.mark.parametrize(
    "options",
    [
        {"openapi_paths": ("/openapi.json", "/b")},
        {"ref_hosts": ("other.example.com",)},
        {"auth": HeaderAuth("X-Key", "KEY", environment=Environment({"KEY": "12345678"}))},
    ],
)
def test_nothing_known_is_trusted_once_the_configuration_has_changed(tmp_path: Path, options: dict[str, Any]) -> None:
    with SpecHost({"/openapi.json": json_of(document(), {"ETag": '"1"'})}) as host:
        only_one(services_in(tmp_path, host.service()), tmp_path)
        host.forget()
        assert only_one(services_in(tmp_path, host.service(**options)), tmp_path).status == "unchanged"
        assert "if-none-match" not in host.requests[0].headers
        host.forget()
        assert only_one(services_in(tmp_path, host.service(**options)), tmp_path).status == "unchanged"
        assert "if-none-match" in host.requests[0].headers


def test_the_digest_of_the_configuration_holds_no_secret_and_no_order() -> None:
    with SpecHost() as host:
        tokens = [BearerAuth("T", environment=Environment({"T": token})) for token in (TOKEN, "another")]
        one, other = (configuration_digest(host.service(auth=auth)) for auth in tokens)
        assert one == other
        assert one != configuration_digest(host.service(auth=BearerAuth("U")))
        assert configuration_digest(host.service(ref_hosts=("a", "b"))) == configuration_digest(
            host.service(ref_hosts=("b", "a"), description="x", timeout_s=5)
        )


@pytest.mark.parametrize("damage", ["spec file", "checksum file", "garbage", "other format", "old form"])
def test_what_was_lost_is_fetched_again(tmp_path: Path, damage: str) -> None:
    with SpecHost({"/openapi.json": json_of(document(), {"ETag": '"1"'})}) as host:
        services = services_in(tmp_path, host.service())
        first = only_one(services, tmp_path)
        checksums, spec_file = tmp_path / ".openapi_checksums.json", tmp_path / "specs" / "crm-openapi.json"
        match damage:
            case "spec file":
                spec_file.unlink()
            case "checksum file":
                checksums.unlink()
            case "garbage":
                checksums.write_text("<<<<<<< HEAD")
            case "other format":
                checksums.write_text(checksums.read_text().replace(f'"form": {FORMAT}', '"form": 0'))
            case _:
                checksums.write_text(json.dumps({"crm": first.checksum}))
        host.forget()
        again = only_one(services, tmp_path)
        assert "if-none-match" not in host.requests[0].headers
    assert again.checksum == first.checksum
    assert again.status == ("changed" if damage in ("checksum file", "garbage") else "unchanged")
    assert json.loads(spec_file.read_bytes()) == document()
    assert entry(tmp_path)["checksum"] == first.checksum
    assert entry(tmp_path)["timestamp"]


def test_force_fetches_and_writes_anew_what_did_not_change(tmp_path: Path) -> None:
    with SpecHost({"/openapi.json": json_of(document(), {"ETag": '"1"'})}) as host:
        services = services_in(tmp_path, host.service())
        only_one(services, tmp_path)
        spec_file = tmp_path / "specs" / "crm-openapi.json"
        written = spec_file.stat().st_ino
        assert only_one(services, tmp_path).status == "unchanged"
        assert spec_file.stat().st_ino == written
        assert only_one(services, tmp_path, force=True).status == "unchanged"
        assert spec_file.stat().st_ino != written


def test_a_spec_of_the_same_length_that_a_killed_process_left_does_not_stand(tmp_path: Path) -> None:
    a, b = (document(tags=[{"name": name}]) for name in "ab")
    with SpecHost({"/openapi.json": json_of(b)}) as host:
        services = services_in(tmp_path, host.service())
        only_one(services, tmp_path)
        spec_file = tmp_path / "specs" / "crm-openapi.json"
        written_last = spec_file.read_bytes()
        host.routes["/openapi.json"] = json_of(a)
        only_one(services, tmp_path)
        # it was killed before it wrote the entry, and the service went back to what it was
        spec_file.write_bytes(written_last)
        assert only_one(services, tmp_path).status == "unchanged"
    assert json.loads(spec_file.read_bytes()) == a


def test_one_broken_service_stops_no_other_and_its_old_state_stands(tmp_path: Path) -> None:
    with SpecHost({"/a": SPEC, "/b": SPEC, "/c": SPEC}) as host:
        services = services_in(
            tmp_path, *(host.service(name, openapi_paths=(f"/{name}",)) for name in ("a", "b", "c")), concurrency=2
        )
        first = refresh(services, settings_in(tmp_path))
        host.routes |= {
            "/a": reply(401),
            "/b": json_of(document(openapi="1.0")),
            "/c": json_of(document(servers=[{"url": "/v2"}])),
        }
        seen = refresh(services, settings_in(tmp_path))
    assert [(one.service, one.status) for one in seen] == [("a", "failed"), ("b", "failed"), ("c", "changed")]
    assert [one.error_type for one in seen] == ["SourceRefused", "UnusableSpec", None]
    assert seen[0].error is not None
    assert "set the service's auth" in seen[0].error
    assert [one.checksum for one in seen[:2]] == [one.checksum for one in first[:2]]
    assert seen[0].spec == first[0].spec


def test_a_service_that_never_worked_has_no_spec(tmp_path: Path) -> None:
    with SpecHost({}) as host:
        seen = only_one(services_in(tmp_path, host.service()), tmp_path)
    assert (seen.status, seen.error_type, seen.checksum, seen.spec_file) == (
        "failed",
        "SourceProtocolError",
        None,
        None,
    )
    with pytest.raises(SpecError, match="no spec of crm is kept"):
        _ = seen.spec
    assert not (tmp_path / "specs").exists()


ALIASES = b"a: &a [x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9)) for name in range(ord("b"), ord("m"))
)


@pytest.mark.parametrize(
    "answer",
    [
        json_of(document(paths={})),
        json_of({"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/x": {"get": 5}}}),
        reply(200, b'{"openapi": "3.1.0", "paths": {"/x": ' + b'{"get": ' * 4000 + b"1" + b"}" * 4002),
        then_close(head() + b'{"openapi": "3.1.0"'),
        reply(200, b"\xff\xfe\x00\x00garbage"),
        reply(200, b"a: &a [*a]\nopenapi: 3.1.0"),
        reply(200, b"openapi: 3.1.0\n" + ALIASES),
    ],
    ids=["empty", "nothing-usable", "deep", "torn", "no-text", "endless-alias", "alias-bomb"],
)
def test_whatever_is_answered_ends_in_a_sentence(tmp_path: Path, answer: Any) -> None:
    with SpecHost({"/openapi.json": answer}) as host:
        seen = only_one(services_in(tmp_path, host.service()), tmp_path)
    if seen.status == "failed":
        assert seen.error_type in ("UnusableSpec", "SpecTooLarge", "SourceProtocolError")
        assert not (tmp_path / ".openapi_checksums.json").exists()
    else:
        assert seen.spec.operations == ()


def test_a_part_that_is_down_keeps_the_old_spec(tmp_path: Path) -> None:
    whole = document(paths={"/ping": {"$ref": "/ping.json"}})
    with SpecHost({"/openapi.json": json_of(whole), "/ping.json": json_of(PING)}) as host:
        services = services_in(tmp_path, host.service())
        first = only_one(services, tmp_path)
        host.routes["/ping.json"] = reply(403)
        second = only_one(services, tmp_path)
        assert (second.status, second.error_type, second.checksum) == ("failed", "SourceRefused", first.checksum)
        host.routes["/ping.json"] = json_of(PING)
        assert only_one(services, tmp_path).status == "unchanged"
    assert [operation.path for operation in first.spec.operations] == ["/ping"]


def test_what_became_of_a_look_can_be_sent_to_another_process(tmp_path: Path) -> None:
    with SpecHost() as host:
        seen = only_one(services_in(tmp_path, host.service()), tmp_path)
    sent = pickle.loads(pickle.dumps(seen))
    assert sent == seen
    assert sent.spec == seen.spec


def test_unhealthy_services_are_not_asked_for_their_specs(tmp_path: Path) -> None:
    with SpecHost({"/health": reply(503), "/openapi.json": SPEC}) as host:
        services = services_in(tmp_path, host.service(), health_check_before_sync=True)
        seen = only_one(services, tmp_path)
        assert host.targets == ["/health"]
        assert (seen.status, seen.checksum) == ("unhealthy", None)
        assert seen.error is not None
        assert "answered 503" in seen.error
        host.routes["/health"] = reply(404)
        assert only_one(services, tmp_path).status == "changed"


def test_services_that_are_not_enabled_are_left_alone_unless_they_are_named(tmp_path: Path) -> None:
    with SpecHost() as host:
        services = services_in(tmp_path, host.service("a", enabled=False), host.service("b"), host.service("c"))
        settings = settings_in(tmp_path)
        assert [one.service for one in refresh(services, settings)] == ["b", "c"]
        assert [one.service for one in refresh(services, settings, only=["c", "a"])] == ["a", "c"]
        with pytest.raises(ConfigurationError, match="no service is called d, e; the services are a, b, c"):
            refresh(services, settings, only={"e", "d", "a"})
    assert refresh(services_in(tmp_path), settings) == []


def test_progress_is_told_as_each_is_done_and_results_keep_their_order(tmp_path: Path) -> None:
    released = threading.Event()

    def late(_request: Request, peer: Peer) -> None:
        released.wait(20)
        peer.send(SPEC)

    told: list[str] = []

    def progress(one: Refreshed) -> None:
        told.append(one.service)
        released.set()

    with SpecHost({"/a": late, "/b": SPEC}) as host:
        services = a_and_b(host, tmp_path)
        seen = refresh(services, settings_in(tmp_path), progress=progress)
    assert told == ["b", "a"]
    assert [one.service for one in seen] == ["a", "b"]


def test_no_more_requests_are_made_at_once_than_the_settings_allow(tmp_path: Path) -> None:
    def slow(_request: Request, peer: Peer) -> None:
        peer.stopped.wait(0.02)
        peer.send(SPEC)

    with RawServer(slow) as server:
        named = [ServiceConfig(f"s{number}", server.url, ("/openapi.json",), ()) for number in range(12)]
        refresh(services_in(tmp_path, *named, concurrency=3), settings_in(tmp_path))
        assert len(server.requests) == 12
        assert server.most_open <= 3 + 1  # a connection may be seen as open for a moment longer


def test_a_cancelled_look_keeps_what_it_has_done(tmp_path: Path) -> None:
    cancel = threading.Event()
    with SpecHost({"/a": SPEC, "/b": hang}) as host:
        services = a_and_b(host, tmp_path)
        done, stopped = refresh(
            services, settings_in(tmp_path), cancelled=cancel.is_set, progress=lambda one: cancel.set()
        )
    assert (done.status, stopped.status, stopped.error_type) == ("changed", "failed", "SyncCancelled")


def test_an_interrupt_in_progress_ends_the_other_looks(tmp_path: Path) -> None:
    def interrupted(_one: Refreshed) -> None:
        raise KeyboardInterrupt

    with SpecHost({"/a": SPEC, "/b": hang}) as host:
        services = a_and_b(host, tmp_path)
        with pytest.raises(KeyboardInterrupt):
            refresh(services, settings_in(tmp_path), progress=interrupted)


def test_files_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "specs").write_text("a file where the folder should be")
    with SpecHost() as host:
        seen = only_one(services_in(tmp_path, host.service()), tmp_path)
    assert (seen.status, seen.error_type) == ("failed", "ConfigurationError")
    assert seen.error is not None
    assert "crm-openapi.json cannot be written" in seen.error


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir(mode=0o555)
    with SpecHost() as host:
        seen = only_one(services_in(tmp_path, host.service()), tmp_path)
    assert seen.error_type == "ConfigurationError"


def test_secrets_reach_neither_files_nor_errors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    auth = BearerAuth("T", environment=Environment({"T": TOKEN}))
    with SpecHost(
        {"/openapi.json": SPEC, "/b": reply(500, json.dumps({"detail": f"Bearer {TOKEN}"}).encode())}
    ) as host:
        services = services_in(tmp_path, host.service(auth=auth), host.service("b", auth=auth, openapi_paths=("/b",)))
        seen = refresh(services, settings_in(tmp_path))
        assert {request.headers["authorization"] for request in host.requests} == {f"Bearer {TOKEN}"}
    assert [one.status for one in seen] == ["changed", "failed"]
    assert "***" in str(seen[1].error)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert TOKEN.encode() not in written
    assert TOKEN not in f"{seen!r} {caplog.text}"


def test_two_that_look_at_once_leave_one_whole_state(tmp_path: Path) -> None:
    answers = [json_of(document(servers=[{"url": f"/{number}"}])) for number in range(40)]

    def next_answer(_request: Request, peer: Peer) -> None:
        peer.send(answers.pop() if len(answers) > 1 else answers[0])

    with SpecHost({"/openapi.json": next_answer}) as host:
        services = services_in(tmp_path, host.service())

        def look() -> None:
            for _ in range(5):
                refresh(services, settings_in(tmp_path))

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        last = only_one(services, tmp_path)
    assert last.spec.checksum == last.checksum == entry(tmp_path)["checksum"]
    assert (
        json.loads((tmp_path / "specs" / "crm-openapi.json").read_bytes())["servers"] == last.spec.document["servers"]
    )


def test_a_signature_that_a_redirect_adds_is_in_no_file_and_makes_no_change(tmp_path: Path) -> None:
    with SpecHost({}) as host, SpecHost({}) as storage:
        services = services_in(tmp_path, host.service())
        for signature, status in (("first-signature", "changed"), ("second-signature", "unchanged")):
            there = f"/crm.json?signature={signature}"
            host.routes["/openapi.json"] = reply(302, b"", {"Location": f"{storage.url}{there}"})
            storage.routes = {there: SPEC}
            (seen,) = refresh(services, settings_in(tmp_path))
            assert (seen.status, seen.url) == (status, f"{storage.url}/crm.json")
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert written
    assert not any(b"-signature" in content for content in written)
