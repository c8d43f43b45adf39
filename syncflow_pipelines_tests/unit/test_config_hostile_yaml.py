"""No file can do more than be refused."""

import os
import socket
import time
from pathlib import Path

import pytest

from syncflow_pipelines.config import load_connectors
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines_tests.unit.config_project import Project

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{this}: &{this} [{', '.join([f'*{before}'] * 9)}]\n" for before, this in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGHS, "connectors.yaml:6: found too many values, aliases counted in full"),
        ("a: &a [*a]", "connectors.yaml:1: found an alias"),
        ("a: 1\nb: *s3cret", "connectors.yaml:2: found an alias"),
        ("[" * 100_000, "connectors.yaml:1: found values that are nested too deep, expected 32 levels or less"),
        ("{a: " * 100_000, "connectors.yaml:1: found values that are nested too deep"),
        ("- " * 100_000, "connectors.yaml:1: found values that are nested too deep"),
        ("? " * 100_000, "connectors.yaml:1: found values that are nested too deep"),
        ("- 1\n" * 300_000, "found too many values"),
        ("#" * 3_000_000, "connectors.yaml: found a larger file, expected 2,097,152 bytes or less"),
        ("a: !!python/object/apply:os.system ['touch hacked']", "connectors.yaml:1: found a tag"),
        ("a: !s3cret", "connectors.yaml:1: found a tag (text that begins with !), expected no tag; quotes, if it is"),
        ("\na: !!str x", "connectors.yaml:2: found a tag"),
        ("connectors:\n\t- name: a", "connectors.yaml:2: found a tab in the indentation, expected spaces"),
        ("a: 1\n  \tb: 2", "connectors.yaml:2: found a tab in the indentation, expected spaces"),
        ("a: 1\nb: [1, 2\n", "connectors.yaml:2: found a mistake in the YAML ("),
        ("a: 'b", "connectors.yaml:1: found a mistake in the YAML ("),
        ("a: 1\n b: 2", "connectors.yaml:2: found a mistake in the YAML (mapping values are not allowed"),
        ("a: {b: ${C}}", "connectors.yaml:1: found a ${…} without quotes between braces or brackets, expected quotes"),
        ("a: 1\n---\nb: 2", "connectors.yaml:2: found a second document (---), expected one document in a file"),
        ("? [a]\n: b", "connectors.yaml:1: found a list or a mapping as a key, expected text as a key"),
        ("<<: {a: 1}", "connectors.yaml:1: found a merge key (<<), expected text as a key"),
        ("%YAML 9.0\n---\na: 1", "found a mistake in the YAML"),
        ("a: 1\nb: \x00", "connectors.yaml:2: found the character U+0000, expected printable text"),
        ("a: 1\nb: \x1b[31m\nc: \u2028", "connectors.yaml:2: found the character U+001B"),
    ],
)
def test_a_hostile_text_is_refused_at_once(project: Project, text: str, told: str) -> None:
    start = time.process_time()
    mistakes = project.mistakes(text.encode())
    assert time.process_time() - start < 5
    assert told in "\n".join(mistakes)
    assert "s3cret" not in "\n".join(mistakes)
    assert not list(Path.cwd().glob("hacked"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: 1\nb: é".encode("latin-1"), "connectors.yaml:2: found bytes that are not UTF-8, expected UTF-8 text"),
        ("a: 1".encode("utf-16"), "connectors.yaml:1: found UTF-16 text, expected UTF-8 text"),
        ("a: 1".encode("utf-16-le"), "connectors.yaml:1: found the character U+0000"),
        (b"\x1f\x8b\x08\x00", "found bytes that are not UTF-8"),
        (b"a: \xed\xa0\x80", "found bytes that are not UTF-8"),
    ],
)
def test_what_is_not_utf8_is_refused(project: Project, content: bytes, told: str) -> None:
    assert any(told in mistake for mistake in project.mistakes(content))


def refusal_of(project: Project) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_connectors(project.settings())
    return str(refused.value)


def test_a_folder_is_no_file(project: Project) -> None:
    project.file.mkdir()
    assert "found something that is no file, expected a file" in refusal_of(project)


def test_a_link_that_leads_nowhere_is_not_taken_for_an_absent_file(project: Project) -> None:
    project.file.symlink_to("nowhere")
    assert "found something that is no file" in refusal_of(project)


def test_a_link_to_itself_is_refused(project: Project) -> None:
    project.file.symlink_to(project.file)
    assert "cannot be used" in refusal_of(project)


def test_a_pipe_or_a_socket_is_not_waited_for(project: Project) -> None:
    os.mkfifo(project.file)
    assert "found something that is no file" in refusal_of(project)
    project.file.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(project.file))
        assert "found something that is no file" in refusal_of(project)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_a_file_that_may_not_be_read_is_refused(project: Project) -> None:
    project.file.write_text("")
    project.file.chmod(0)
    assert "Permission denied" in refusal_of(project)


def test_words_of_older_yaml_are_text(project: Project) -> None:
    text = "connectors: [{name: no, base_url: 'http://a', service: 2024-01-01, entities: {on: {}, 1: {}, ~: {}}}]"
    connector = project.connector(text)
    assert (connector.name, connector.service, set(connector.entities)) == ("no", "2024-01-01", {"on", "1", "~"})
