"""`connectors.yaml` becomes connectors, with defaults and overrides in place."""

import pickle
from pathlib import Path

import pytest

from syncflow_pipelines.config import (
    BearerAuth,
    ConnectorConfig,
    EntityOverride,
    EntitySettings,
    HeaderAuth,
    NoAuth,
    load_connectors,
    load_settings,
)
from syncflow_pipelines_tests.unit.config_project import Project

SHORTEST = """
    connectors:
      - name: erp
        base_url: https://erp.example.com
        auth: {type: bearer, token_env: ERP_TOKEN}
    """

EVERYTHING = """
    connectors:
      - name: Erp-1
        base_url: HTTPS://erp.example.com:8443/root/
        auth:
          type: header
          name: X-Api-Key
          value_file: secrets/erp
          prefix: "Key "
        target_schema: sales
        sync_interval_seconds: 60
        concurrency: 8
        page_size: 250
        timeout_s: 5
        max_reject_ratio: 0
        min_seen_ratio: 1
        rowversion_overlap: 30
        history: true
        max_retry_after_s: 0.5
        ca_file: /etc/ssl/erp.pem
        service: erp
        enabled: false
        entities:
          work orders:
            enabled: true
            sync_interval_seconds: 10
            strategy: hash
            target_schema: other
            target_table: orders
            page_size: 5
            concurrency: 1
            max_reject_ratio: 0.1
            min_seen_ratio: .5
            rowversion_overlap: 0
            history: false
          items: {enabled: false}
          2024: {page_size: 7}
          nothing:
    """


def test_the_shortest_form_has_defaults(project: Project) -> None:
    connector = project.connector(SHORTEST)
    assert connector == ConnectorConfig(
        name="erp",
        base_url="https://erp.example.com",
        auth=BearerAuth(token_env="ERP_TOKEN"),
        target_schema="erp",
        sync_interval_seconds=300,
        concurrency=4,
        page_size=1000,
        timeout_s=60.0,
        max_reject_ratio=0.5,
        min_seen_ratio=0.1,
        rowversion_overlap=0,
        history=False,
        max_retry_after_s=120.0,
        ca_file=None,
        service=None,
        enabled=True,
        entities={},
    )


def test_everything_can_be_said(project: Project) -> None:
    connector = project.connector(EVERYTHING)
    assert connector == ConnectorConfig(
        name="Erp-1",
        base_url="https://erp.example.com:8443/root",
        auth=HeaderAuth("X-Api-Key", value_file=project.folder / "secrets/erp", prefix="Key "),
        target_schema="sales",
        sync_interval_seconds=60,
        concurrency=8,
        page_size=250,
        timeout_s=5.0,
        max_reject_ratio=0.0,
        min_seen_ratio=1.0,
        rowversion_overlap=30,
        history=True,
        max_retry_after_s=0.5,
        ca_file=Path("/etc/ssl/erp.pem"),
        service="erp",
        enabled=False,
        entities={
            "work orders": EntityOverride(True, 10, "hash", "other", "orders", 5, 1, 0.1, 0.5, 0, False),
            "items": EntityOverride(enabled=False),
            "2024": EntityOverride(page_size=7),
        },
    )


def test_an_entity_has_what_its_override_says_and_else_what_its_connector_says(project: Project) -> None:
    connector = project.connector(
        EVERYTHING.replace("enabled: false\n        entities", "enabled: true\n        entities")
    )
    assert connector.entity("work orders") == EntitySettings(
        True, 10, "hash", "other", "orders", 5, 1, 0.1, 0.5, 0, False
    )
    assert connector.entity("unheard") == EntitySettings(True, 60, None, "sales", None, 250, 8, 0.0, 1.0, 30, True)
    assert connector.entity("items").enabled is False
    assert connector.entity("2024").page_size == 7


def test_no_entity_of_a_disabled_connector_is_enabled(project: Project) -> None:
    assert project.connector(EVERYTHING).entity("work orders").enabled is False


def test_settings_are_the_defaults(project: Project) -> None:
    project.environ |= {"DEFAULT_SYNC_INTERVAL_SECONDS": "30", "MAX_PAGE_SIZE": "50"}
    connector = project.connector(SHORTEST)
    assert (connector.sync_interval_seconds, connector.page_size) == (30, 50)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "# nothing\n", "---\n", "{}", "null", "connectors:", "connectors: []", "connectors:\n#  - name: erp\n"],
)
def test_a_file_may_name_no_connectors(project: Project, text: str) -> None:
    assert project.connectors(text) == ()


def test_there_need_not_be_a_file(project: Project) -> None:
    assert load_connectors(project.settings()) == ()
    project.file.parent.rmdir()
    assert load_connectors(project.settings()) == ()


@pytest.mark.parametrize("auth", ["", "auth:", "auth: null", "auth: {type: none}"])
def test_a_source_may_want_no_credentials(project: Project, auth: str) -> None:
    text = f"connectors:\n- name: a\n  base_url: http://a\n  {auth}\n"
    assert project.connector(text).auth == NoAuth()


def test_a_schema_is_named_after_its_connector(project: Project) -> None:
    assert project.connector(SHORTEST.replace("name: erp", "name: ERP-West")).target_schema == "erp_west"


def test_relative_files_start_beside_the_folder_of_configuration(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    project.environ["HOME"] = str(tmp_path)
    text = SHORTEST.replace("token_env: ERP_TOKEN", "token_file: ../token").replace(
        "auth:", "ca_file: ca.pem\n        auth:"
    )
    connector = project.connector(text)
    assert connector.auth == BearerAuth(token_file=project.folder.parent / "token")
    assert connector.ca_file == project.folder / "ca.pem"


def test_home_is_filled_in_as_the_settings_have_it(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    text = "connectors: [{name: a, base_url: 'http://a', ca_file: '${SYNCFLOW_HOME:-x}/ca.pem'}]"
    project.file.write_text(text)
    for environ, home in (({}, ".syncflow"), ({"SYNCFLOW_HOME": "state"}, "state")):
        settings = load_settings({"SYNCFLOW_CONFIG_DIR": str(project.file.parent), **environ}, elsewhere)
        assert settings.home == elsewhere / home
        assert load_connectors(settings)[0].ca_file == elsewhere / home / "ca.pem"


def test_a_mounted_secret_keeps_its_path(project: Project) -> None:
    # Kubernetes replaces what the link points at.
    (project.folder / "data-1").mkdir()
    (project.folder / "data-1" / "token").write_text("one")
    (project.folder / "data-2").mkdir()
    (project.folder / "data-2" / "token").write_text("two")
    data = project.folder / "data"
    data.symlink_to("data-1")
    auth = project.connector(SHORTEST.replace("token_env: ERP_TOKEN", "token_file: data/token")).auth
    assert auth.headers() == {"Authorization": "Bearer one"}
    data.unlink()
    data.symlink_to("data-2")
    assert auth.headers() == {"Authorization": "Bearer two"}


def test_a_token_may_be_in_the_dotenv(project: Project) -> None:
    (project.folder / ".env").write_text("ERP_TOKEN='s3cr$t'\n")
    assert project.connector(SHORTEST).auth.headers() == {"Authorization": "Bearer s3cr$t"}


class TestFilling:
    TEXT = """
        connectors:
          - name: ${NAME}
            base_url: https://${HOST:-erp.example.com}/${PATH_:-}
            sync_interval_seconds: ${INTERVAL:-15}
            timeout_s: "${TIMEOUT}"
            enabled: ${ENABLED}
            service: ${SERVICE}
            target_schema: ${SCHEMA:-}
            entities: {items: {strategy: "${STRATEGY}", page_size: '${SIZE:-5}'}}
        """

    def test_values_come_from_the_environment_and_the_dotenv(self, project: Project) -> None:
        project.environ = {"NAME": "erp", "TIMEOUT": "2.5", "ENABLED": "false", "SERVICE": "123", "STRATEGY": "full"}
        (project.folder / ".env").write_text("NAME=overruled\nHOST=from-dotenv\n")
        connector = project.connector(self.TEXT)
        assert connector.name == "erp"
        assert connector.base_url == "https://from-dotenv"
        assert (connector.sync_interval_seconds, connector.timeout_s, connector.enabled) == (15, 2.5, False)
        assert (connector.service, connector.target_schema) == ("123", "erp")
        assert connector.entities["items"] == EntityOverride(strategy="full", page_size=5)

    def test_every_variable_that_is_unset_is_named_with_its_line(self, project: Project) -> None:
        mistakes = project.mistakes(self.TEXT)
        assert [mistake.split(": ")[0] for mistake in mistakes] == [f"connectors.yaml:{n}" for n in (3, 6, 7, 8, 10)]
        assert mistakes[0] == (
            "connectors.yaml:3: connectors[0].name: found '${NAME}', "
            "expected the environment variable NAME to be set (or a default: ${NAME:-…})"
        )

    def test_filled_text_is_plain_text(self, project: Project) -> None:
        project.environ = {"NAME": "erp", "TIMEOUT": "2", "ENABLED": "true", "SERVICE": "s", "STRATEGY": "full"}
        connector = project.connector(self.TEXT)
        assert type(connector.name) is type(connector.service) is type(connector.base_url) is str

    def test_a_value_from_the_environment_is_never_yaml(self, project: Project) -> None:
        project.environ = {"NAME": "erp", "SERVICE": "[a, {b: c}] # !!x *y"}
        text = "connectors: [{name: '${NAME}', base_url: 'http://a', service: '${SERVICE}'}]"
        assert project.connector(text).service == "[a, {b: c}] # !!x *y"

    def test_comments_and_escapes_are_not_filled(self, project: Project) -> None:
        text = "# ${NOTHING}\nconnectors: [{name: a, base_url: 'http://a', service: 'x$${NOTHING}'}] # ${NOTHING}"
        assert project.connector(text).service == "x${NOTHING}"


def test_anchors_and_aliases_can_be_used(project: Project) -> None:
    text = """
        connectors:
          - name: erp
            base_url: http://erp
            entities:
              items: &often {sync_interval_seconds: 10, page_size: 5}
              orders: *often
        """
    connector = project.connector(text)
    assert connector.entities["items"] == connector.entities["orders"] == EntityOverride(None, 10, page_size=5)


def test_connectors_survive_pickling_and_can_be_hashed(project: Project) -> None:
    connector = project.connector(EVERYTHING)
    assert pickle.loads(pickle.dumps(connector)) == connector
    assert hash(connector) == hash(project.connector(EVERYTHING))
