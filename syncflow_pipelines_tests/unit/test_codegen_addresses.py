"""Where operations are: the host is the configured one, whatever a spec says."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.codegen.runtime.addresses import operations_url


@pytest.mark.parametrize(
    ("base_url", "server", "expected"),
    [
        ("https://api.example", "/", "https://api.example"),
        ("https://api.example", "/v1", "https://api.example/v1"),
        ("https://api.example", "v1/", "https://api.example/v1"),
        ("https://api.example", "https://elsewhere.example/v1/", "https://api.example/v1"),
        ("https://api.example/v1", "https://elsewhere.example/v1", "https://api.example/v1"),
        ("https://api.example/v1", "/v1/eu", "https://api.example/v1/eu"),
        ("https://api.example/gate", "/v1", "https://api.example/gate/v1"),
        ("https://api.example/gate", "https://elsewhere.example", "https://api.example/gate"),
        ("https://api.example", "https://[bad", "https://api.example"),
        ("https://api.example", "/a/../b", "https://api.example/b"),
        ("https://api.example", "/a b/é?x#y", "https://api.example/a%20b/%C3%A9"),
        ("https://api.example:8443", "//evil.example:1/x", "https://api.example:8443/x"),
    ],
)
def test_only_the_path_of_the_first_server_counts(base_url: str, server: str, expected: str) -> None:
    assert operations_url(base_url, [{"url": server}, {"url": "/second"}]) == expected


def test_variables_have_their_defaults() -> None:
    servers = [{"url": "https://{region}.example/{stage}/{unknown}", "variables": {"stage": {"default": "v2"}}}]
    assert operations_url("http://here", servers) == "http://here/v2"


def test_without_servers_it_is_the_configured_address() -> None:
    assert operations_url("http://here/x", []) == "http://here/x"


@given(st.text(max_size=60))
def test_no_server_leads_to_another_host(url: str) -> None:
    found = urlsplit(operations_url("https://user-api.example:8443/base", [{"url": url}]))
    assert (found.scheme, found.netloc, found.query, found.fragment) == ("https", "user-api.example:8443", "", "")
    assert found.geturl().isascii()
