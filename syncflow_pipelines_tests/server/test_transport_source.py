"""The client of a connector: what the configuration says, it does."""

import json
from pathlib import Path

import pytest

from syncflow_pipelines.config import BearerAuth, ConnectorConfig, Environment, HeaderAuth, NoAuth, Settings
from syncflow_pipelines.errors import ConfigurationError, SourceRefused
from syncflow_pipelines.transport import open_source
from syncflow_pipelines_tests.server.raw_server import RawServer, json_reply, reply


def settings(tmp_path: Path, **given: str) -> Settings:
    return Settings(config_dir=tmp_path, home=tmp_path, **given)  # type: ignore[arg-type]


def test_bearer_token_is_sent_as_it_is_now(tmp_path: Path) -> None:
    environment = {"ERP_TOKEN": "first"}
    auth = BearerAuth(token_env="ERP_TOKEN", environment=Environment(environment))
    with RawServer(reply()) as server:
        connector = ConnectorConfig("erp", server.url, auth=auth)
        for token in ("first", "second"):
            environment["ERP_TOKEN"] = token
            with open_source(connector, settings(tmp_path)) as source:
                source.get("/", validate=bytes)
        assert [request.headers["authorization"] for request in server.requests] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        (BearerAuth(token_env="T", environment=Environment({"T": "abcdef"})), "refused the token in T; replace it"),
        (
            HeaderAuth("X-Key", value_env="T", environment=Environment({"T": "abcdef"})),
            "refused the value of header X-Key in T; replace it",
        ),
        (NoAuth(), "refused a request without credentials; set the connector's auth"),
    ],
)
def test_refusal_says_which_credentials_were_refused(
    tmp_path: Path, auth: BearerAuth | HeaderAuth | NoAuth, said: str
) -> None:
    with RawServer(reply(401)) as server:
        connector = ConnectorConfig("erp", server.url, auth=auth)
        with open_source(connector, settings(tmp_path)) as source, pytest.raises(SourceRefused, match=said) as caught:
            source.get("/", validate=bytes)
    assert "abcdef" not in str(caught.value)


def test_refusal_names_the_file_of_the_token(tmp_path: Path) -> None:
    token_file = tmp_path / "erp.token"
    token_file.write_text("abcdef\n")
    with RawServer(reply(403)) as server:
        connector = ConnectorConfig("erp", server.url, auth=BearerAuth(token_file=token_file))
        with open_source(connector, settings(tmp_path)) as source, pytest.raises(SourceRefused, match=r"erp\.token"):
            source.get("/", validate=bytes)


def test_missing_token_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    auth = BearerAuth(token_env="ERP_TOKEN", environment=Environment({}))
    with pytest.raises(ConfigurationError, match="ERP_TOKEN"):
        open_source(ConnectorConfig("erp", "http://127.0.0.1:1", auth=auth), settings(tmp_path))


def test_proxy_of_the_settings_is_used_and_its_exceptions_hold(tmp_path: Path) -> None:
    with RawServer(json_reply("proxied")) as proxy:
        given = settings(tmp_path, http_proxy=f"http://127.0.0.1:{proxy.port}", no_proxy="internal")
        with open_source(ConnectorConfig("erp", "http://erp.invalid"), given) as source:
            assert source.get("/x", validate=json.loads).body == "proxied"
        assert proxy.requests[0].target == "http://erp.invalid/x"
        with open_source(ConnectorConfig("erp", proxy.url), given) as source:
            source.get("/x", validate=json.loads)
        assert proxy.requests[1].target == "/x"


def test_cancelled_is_passed_on(tmp_path: Path) -> None:
    connector = ConnectorConfig("erp", "http://127.0.0.1:1")
    with open_source(connector, settings(tmp_path), lambda: True) as source, pytest.raises(Exception, match="stopped"):
        source.get("/", validate=bytes)
