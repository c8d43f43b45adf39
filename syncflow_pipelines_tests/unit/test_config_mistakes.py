"""A wrong `connectors.yaml` is refused whole: file, line, path, what was found and what was expected."""

import pickle
from textwrap import dedent

import pytest

from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines_tests.unit.config_project import Project


def connector(line: str) -> str:
    """A file whose fourth line is the given one."""
    return f"connectors:\n- name: erp\n  base_url: https://erp.example.com\n  {line}\n"


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("auth: {type: oauth}", "auth.type: found 'oauth', expected one of bearer, header, none"),
        ("auth: {}", "auth.type: found nothing, expected one of bearer, header, none"),
        ("auth: {type: [bearer]}", "auth.type: found a list, expected one of bearer, header, none"),
        ("auth: s3cret", "auth: found a value that is not shown here, expected a mapping"),
        ("auth: [s3cret]", "auth: found a list, expected a mapping"),
        ("auth: {type: bearer}", "auth: found neither, expected exactly one of token_env and token_file"),
        (
            "auth: {type: bearer, token_env: A, token_file: b}",
            "auth: found both, expected exactly one of token_env and token_file",
        ),
        (
            "auth: {type: header, name: X}",
            "auth: found neither, expected exactly one of value_env and value_file",
        ),
        (
            "auth: {type: bearer, token_env: s3cret-1}",
            "auth.token_env: found something else, expected the name of an environment variable",
        ),
        (
            "auth: {type: bearer, token_env: 1234}",
            "auth.token_env: found something else, expected the name of an environment variable",
        ),
        ("auth: {type: bearer, token_file: [s3cret]}", "auth.token_file: found a list, expected a path"),
        (
            "auth: {type: bearer, token_env: A, token: s3cret}",
            "auth.token: found an unknown key, expected token_env, or another key that is known here",
        ),
        (
            "auth: {type: none, name: s3cret}",
            "auth.name: found an unknown key, expected type",
        ),
        (
            "auth: {type: header, value_env: A}",
            "auth.name: found nothing, expected the name of a header such as X-Api-Key",
        ),
        (
            "auth: {type: header, name: Host, value_env: A}",
            "auth.name: found something else, expected a header such as X-Api-Key, none that the connection needs",
        ),
        (
            "auth: {type: header, name: 'X: 1', value_env: A}",
            "auth.name: found something else, expected a header such as X-Api-Key, none that the connection needs",
        ),
        ("page_size: 1001", "page_size: found 1001, expected a whole number from 1 to 1,000 (MAX_PAGE_SIZE)"),
        ("page_size: 0", "page_size: found 0, expected a whole number from 1 to 1,000 (MAX_PAGE_SIZE)"),
        ("page_size: '5'", "page_size: found '5', expected a whole number from 1 to 1,000 (MAX_PAGE_SIZE)"),
        ("page_size: true", "page_size: found true, expected a whole number from 1 to 1,000 (MAX_PAGE_SIZE)"),
        ("page_size: 5.0", "page_size: found 5.0, expected a whole number from 1 to 1,000 (MAX_PAGE_SIZE)"),
        ("sync_interval_seconds: 0", "sync_interval_seconds: found 0, expected a whole number from 1 to 31,536,000"),
        ("concurrency: 65", "concurrency: found 65, expected a whole number from 1 to 64"),
        ("concurrency: 1_0", "concurrency: found '1_0', expected a whole number from 1 to 64"),
        ("concurrency: 010", "concurrency: found '010', expected a whole number from 1 to 64"),
        ("concurrency: 1:30", "concurrency: found '1:30', expected a whole number from 1 to 64"),
        ("timeout_s: 0", "timeout_s: found 0, expected a number from 0.1 to 3,600"),
        ("timeout_s: .inf", "timeout_s: found .inf, expected a number from 0.1 to 3,600"),
        ("timeout_s: 1e999", "timeout_s: found 1e999, expected a number from 0.1 to 3,600"),
        ("max_reject_ratio: 1.01", "max_reject_ratio: found 1.01, expected a number from 0 to 1"),
        ("max_reject_ratio: .nan", "max_reject_ratio: found .nan, expected a number from 0 to 1"),
        ("min_seen_ratio: 50%", "min_seen_ratio: found '50%', expected a number from 0 to 1"),
        ("max_retry_after_s: -1", "max_retry_after_s: found -1, expected a number from 0 to 86,400"),
        (
            "rowversion_overlap: -1",
            "rowversion_overlap: found -1, expected a whole number from 0 to 9,007,199,254,740,992",
        ),
        ("enabled: yes", "enabled: found 'yes', expected true or false"),
        ("enabled: 1", "enabled: found 1, expected true or false"),
        ("service: 5", "service: found 5, expected one line of text"),
        ("service: ''", "service: found '', expected one line of text"),
        ('service: "a\\nb"', r"service: found 'a\nb', expected one line of text"),
        ("ca_file: {}", "ca_file: found a mapping, expected a path"),
        ("entities: [orders]", "entities: found a list, expected a mapping"),
        ("entities: {orders: off}", "entities.orders: found 'off', expected a mapping"),
        (
            "entities: {a/b: {strategy: delta}}",
            "entities['a/b'].strategy: found 'delta', expected one of full, rowversion, hash",
        ),
        (
            "entities: {orders: {page_size: 2000}}",
            "entities.orders.page_size: found 2000, expected a whole number from 1 to 1,000 (MAX_PAGE_SIZE)",
        ),
        (
            "entities: {orders: {interval: 5}}",
            (
                "entities.orders.interval: found an unknown key, expected one of enabled, sync_interval_seconds, "
                "strategy, target_schema, target_table, page_size, concurrency, max_reject_ratio, min_seen_ratio, "
                "rowversion_overlap, history"
            ),
        ),
        (
            "base_ulr: x",
            "base_ulr: found an unknown key, expected base_url, or another key that is known here",
        ),
        (
            "target_schema: bridge",
            (
                "target_schema: found 'bridge', expected another schema than bridge (POSTGRES_SCHEMA), "
                "which holds SyncFlow's own tables"
            ),
        ),
        (
            "entities: {a: {target_schema: BRIDGE}}",
            (
                "entities.a.target_schema: found 'BRIDGE', expected another schema than bridge (POSTGRES_SCHEMA), "
                "which holds SyncFlow's own tables"
            ),
        ),
        (
            "entities: {a: {target_table: t}, b: {target_table: T}}",
            (
                "entities.b.target_table: found 'T', expected a table of its own, "
                "unlike connectors[0].entities.a.target_table"
            ),
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_path(project: Project, line: str, mistake: str) -> None:
    assert project.mistakes(connector(line)) == [f"connectors.yaml:4: connectors[0].{mistake}"]


@pytest.mark.parametrize(
    "schema", ["pg_temp", "information_schema", "a b", 'a"b', "1a", "x" * 64, "é" * 32, "a.b", "a-b", "5"]
)
def test_a_schema_that_postgresql_would_not_take_unquoted_is_refused(project: Project, schema: str) -> None:
    [mistake] = project.mistakes(connector(f"target_schema: '{schema}'"))
    assert mistake.startswith("connectors.yaml:4: connectors[0].target_schema: found ")


@pytest.mark.parametrize("name", ["''", "5", "erp/1", "1erp", "-erp", "erp erp", "é", "x" * 64, '"erp\\n"', "[erp]"])
def test_a_name_is_made_of_letters_digits_and_hyphens(project: Project, name: str) -> None:
    [mistake] = project.mistakes(f"connectors:\n- base_url: http://x\n  name: {name}\n")
    assert mistake.startswith("connectors.yaml:3: connectors[0].name: found ")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("erp.example.com", "text without http:// or https://"),
        ("ftp://erp.example.com", "a URL with another scheme"),
        ("https://", "a URL whose host or port cannot be read"),
        ("https:///path", "a URL whose host or port cannot be read"),
        ("https://erp:port", "a URL whose host or port cannot be read"),
        ("https://erp:99999", "a URL whose host or port cannot be read"),
        ("https://erp:0", "a URL whose host or port cannot be read"),
        ("https://[::1", "a URL whose host or port cannot be read"),
        ("https://u:s3cret@erp", "a URL with a user name or a password"),
        ("https://s3cret@erp", "a URL with a user name or a password"),
        ("https://erp/?token=s3cret", "a URL with a query or a fragment"),
        ("https://erp/#s3cret", "a URL with a query or a fragment"),
        ("https://erp/s3cret s3cret", "something that is no URL"),
        ("https://erp\\s3cret", "something that is no URL"),
        ("https://erp/é", "something that is no URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_told(project: Project, url: str, found: str) -> None:
    expected = "a URL such as https://erp.example.com, without user name, password, query or fragment"
    told = f"connectors.yaml:3: connectors[0].base_url: found {found}, expected {expected}"
    assert project.mistakes(f"connectors:\n- name: erp\n  base_url: '{url}'\n") == [told]
    project.environ["URL"] = url
    told = told.replace(f"found {found}", f"found '${{URL}}' ({found})")
    assert project.mistakes("connectors:\n- name: erp\n  base_url: ${URL}\n") == [told]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("connectors: 7", "connectors.yaml:1: connectors: found 7, expected a list"),
        ("\nconnectors: {name: erp}", "connectors.yaml:2: connectors: found a mapping, expected a list"),
        ("[]", "connectors.yaml:1: found a list, expected a mapping"),
        ("\n\n5", "connectors.yaml:3: found 5, expected a mapping"),
        (
            "\nconectors: []",
            (
                "connectors.yaml:2: conectors: found an unknown key, expected connectors, or another "
                "key that is known here"
            ),
        ),
        ("connectors:\n- 5", "connectors.yaml:2: connectors[0]: found 5, expected a mapping"),
        ("connectors:\n-", "connectors.yaml:2: connectors[0]: found nothing, expected a mapping"),
        (
            "connectors:\n- name: a\n\n  auth: {type: none}",
            "connectors.yaml:2: connectors[0].base_url: found nothing, expected a URL such as https://erp.example.com",
        ),
        (
            "connectors:\n- name:\n  base_url: http://a",
            "connectors.yaml:2: connectors[0].name: found nothing, expected a name",
        ),
    ],
)
def test_a_wrong_shape_is_told(project: Project, text: str, mistake: str) -> None:
    assert project.mistakes(text) == [mistake]


def test_a_required_value_that_the_environment_leaves_empty_is_told(project: Project) -> None:
    project.environ["NAME"] = ""
    assert project.mistakes("connectors:\n- name: ${NAME}\n  base_url: http://a") == [
        "connectors.yaml:2: connectors[0].name: found '${NAME}' (nothing), expected a name"
    ]


@pytest.mark.parametrize("second", ["erp", "ERP", "Erp"])
def test_names_that_are_equal_but_for_case_are_refused(project: Project, second: str) -> None:
    text = f"connectors:\n- name: erp\n  base_url: http://a\n- base_url: http://b\n  name: {second}\n"
    [mistake] = project.mistakes(text)
    assert mistake.startswith(f"connectors.yaml:5: connectors[1].name: found '{second}', expected a name unlike conn")


def test_names_that_would_share_a_schema_are_refused(project: Project) -> None:
    [mistake] = project.mistakes("connectors: [{name: a-b, base_url: 'http://a'}, {name: a_B, base_url: 'http://a'}]")
    assert "connectors[1].name" in mistake


def test_a_connector_cannot_be_named_after_the_schema_of_metadata(project: Project) -> None:
    text = "connectors: [{name: Bridge, base_url: 'http://a'}]"
    [mistake] = project.mistakes(text)
    assert "connectors[0].target_schema: found nothing, which stands for the name, expected another schema" in mistake
    project.environ["POSTGRES_SCHEMA"] = "meta"
    assert project.connector(text).target_schema == "bridge"


def test_tables_of_two_connectors_are_told_apart_by_their_schemas(project: Project) -> None:
    text = """
        connectors:
          - {name: a, base_url: 'http://a', entities: {x: {target_table: t}}}
          - {name: b, base_url: 'http://b', entities: {x: {target_table: t}}}
        """
    assert len(project.connectors(text)) == 2
    [mistake] = project.mistakes(text.replace("'http://b'", "'http://b', target_schema: A"))
    assert mistake.startswith("connectors.yaml:4: connectors[1].entities.x.target_table: found 't'")


def test_keys_are_there_once(project: Project) -> None:
    text = "connectors:\n- name: a\n  base_url: http://a\n  name: b\n  entities:\n    x: {}\n    x: {}\n"
    assert project.mistakes(text) == [
        "connectors.yaml:4: found the key 'name' again (first on line 2), expected every key once",
        "connectors.yaml:7: found the key 'x' again (first on line 6), expected every key once",
    ]


def test_keys_are_not_filled(project: Project) -> None:
    assert project.mistakes(connector("entities: {'${X}': {}}")) == [
        "connectors.yaml:4: connectors[0].entities: found a ${…} in a key, expected keys as they are, without ${…}"
    ]


def test_every_mistake_of_every_kind_is_told_at_once_in_the_order_of_lines(project: Project) -> None:
    project.environ["SECRET"] = "s3cret"
    text = """\
        connectors:
          - name: erp
            base_url: ftp://erp
            auth: {type: bearer}
            page_size: ${SECRET}
          - name: ERP
            timeout_s: 0
            timeout_s: 1
            colour: red
            base_url: ${NOWHERE}
            service: !secret x
          - nothing
        extra: true
        """
    with pytest.raises(ConfigurationError) as refused:
        project.connectors(text)
    lines = [int(mistake.split(":")[1]) for mistake in refused.value.mistakes]
    assert lines == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert refused.value.message == f"{project.file} cannot be used: 11 mistakes"
    assert "s3cret" not in str(refused.value)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)


@pytest.mark.parametrize("key", ["name", "base_url", "page_size", "enabled", "target_schema", "service", "ca_file"])
def test_a_secret_from_the_environment_is_told_by_its_variable(project: Project, key: str) -> None:
    project.environ["SECRET"] = "s3cret\n"
    fields = {"name": "erp", "base_url": "http://a", key: "'${SECRET}'"}
    text = "connectors:\n- " + "\n  ".join(f"{name}: {value}" for name, value in fields.items())
    [mistake] = project.mistakes(text)
    assert "'${SECRET}'" in mistake
    assert "s3cret" not in mistake


def test_a_default_in_the_file_is_not_told(project: Project) -> None:
    [mistake] = project.mistakes(connector("page_size: ${SIZE:-s3cret}"))
    assert "found '${SIZE:-…}' (filled from the environment), expected a whole" in mistake


def test_long_values_are_cut(project: Project) -> None:
    [mistake] = project.mistakes(connector(f"entities: {{a: {{strategy: {'x' * 1000}}}}}"))
    assert f"found '{'x' * 59}…', expected one of" in mistake
    [mistake] = project.mistakes(connector(f"{'y' * 1000}: 1"))
    assert len(mistake) < 500


def test_a_thousand_mistakes_are_counted(project: Project) -> None:
    mistakes = project.mistakes("connectors:\n" + "- 5\n" * 1234)
    assert len(mistakes) == 101
    assert mistakes[-1] == "and 1,134 more"


def test_windows_line_ends_and_a_byte_order_mark_do_not_move_lines(project: Project) -> None:
    text = dedent(connector("enabled: 7")).replace("\n", "\r\n")
    assert project.mistakes(b"\xef\xbb\xbf" + text.encode())[0].startswith("connectors.yaml:4: connectors[0].enabled")
    assert project.mistakes(text.replace("\r\n", "\r").encode())[0].startswith("connectors.yaml:4: ")
