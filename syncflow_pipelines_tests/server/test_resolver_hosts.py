"""A resolver answers to the names that it is meant to have, and not to that of a web page which leads to it."""

from pathlib import Path

import pytest

from syncflow_pipelines.codegen.runtime.hosts import BOUND, wrong_host
from syncflow_pipelines.config import RestOptions
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend
from syncflow_pipelines_tests.server.resolver_world import exchange, load_resolver, problem, serving, status
from syncflow_pipelines_tests.stored_specs import document


def is_answered(host: str, *allowed: str, bound: str = "127.0.0.1") -> bool:
    return wrong_host({"headers": [(b"host", host.encode())], BOUND: bound}, allowed) is None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "app.localhost",
        "127.0.0.1",
        "127.0.0.1:8080",
        "10.1.2.3:80",
        "[::1]",
        "[::1]:8080",
        "localhost.",
    ],
)
def test_localhost_and_addresses_are_answered(host: str) -> None:
    assert is_answered(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evillocalhost",
        "",
        "[evil]",
        "127.1",
        "a:b:c",
        "\xff",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    assert not is_answered(host)


@pytest.mark.parametrize(
    ("host", "allowed", "answered"),
    [
        ("api.example.com", "api.example.com", True),
        ("API.example.com:443", "api.example.com", True),
        ("api.example.com", "*.example.com", True),
        ("a.b.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("evilexample.com", "*.example.com", False),
        ("evil.example", "*", True),
        ("evil.example", "api.example.com", False),
    ],
)
def test_names_that_the_configuration_allows_are_answered(host: str, allowed: str, answered: bool) -> None:
    assert is_answered(host, allowed) is answered


def test_so_is_the_name_that_the_server_listens_on() -> None:
    assert is_answered("box.lan:8080", bound="box.lan")
    assert not is_answered("other.lan:8080", bound="box.lan")


def test_a_request_without_a_host_comes_from_no_web_page() -> None:
    assert wrong_host({"headers": []}, ()) is None


def test_a_refused_request_reaches_no_service_and_brings_no_credential_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETS_TOKEN", "s3cret")
    with RecordingBackend() as backend:
        module = load_resolver(
            tmp_path, document({"/pets": {"get": {}}}), backend.url,
            rest=RestOptions(), auth={"type": "bearer", "env": "PETS_TOKEN"},
        )  # fmt: skip
        with serving(module.create_app()) as port:
            answers = {
                host: exchange(port, f"GET /pets HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                for host in ("evil.example", f"127.0.0.1:{port}")
            }
    assert status(answers["evil.example"]) == 421
    refusal = problem(answers["evil.example"])
    assert (refusal["type"], "rest.allowed_hosts" in refusal["detail"]) == ("urn:syncflow:problem:wrong-host", True)
    assert status(answers[f"127.0.0.1:{port}"]) == 200
    (arrival,) = backend.arrivals
    assert arrival.header("authorization") == "Bearer s3cret"
