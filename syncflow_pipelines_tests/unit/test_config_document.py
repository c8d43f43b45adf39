"""The machinery of documents serves any file, not only connectors."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from syncflow_pipelines.config.document import EACH, Document, read_document, select
from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.config.explanations import Explanation
from syncflow_pipelines.config.section import HttpUrl, Section, Switch, Text, whole
from syncflow_pipelines.errors import ConfigurationError


class Mail(Section):
    type: Literal["mail"]
    to: list[Text]


class Hook(Section):
    type: Literal["hook", "webhook"]
    url: HttpUrl
    retries: Annotated[int, whole(0, 9)] = 3


class Watch(Section):
    targets: list[Annotated[Mail | Hook, Field(discriminator="type")]] = Field(default_factory=list)
    labels: dict[str, Text] = Field(default_factory=dict)
    by_name: dict[str, Annotated[Mail | Hook, Field(discriminator="type")] | None] = Field(default_factory=dict)
    quiet: Switch = Field(False, alias="is-quiet")


def read(folder: Path, text: str, **environ: str) -> Document:
    path = folder / "watch.yaml"
    path.write_text(text)
    document = read_document(path, Environment(environ))
    assert document is not None
    return document


def mistakes(document: Document, *checks: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        document.validated(Watch, checks=checks)
    return list(refused.value.mistakes)


def test_a_document_becomes_its_model(tmp_path: Path) -> None:
    text = """
is-quiet: ${QUIET}
targets:
  - {type: mail, to: [a@example.com]}
  - {type: webhook, url: "http://${HOST}/", retries: 0}
labels: {a: b}
by_name: {x: {type: mail, to: []}}
"""
    watch = read(tmp_path, text, QUIET="true", HOST="hooks").validated(Watch)
    assert watch.quiet
    assert watch.targets == [
        Mail(type="mail", to=["a@example.com"]),
        Hook(type="webhook", url="http://hooks", retries=0),
    ]
    assert watch.labels == {"a": "b"}
    assert watch.by_name == {"x": Mail(type="mail", to=[])}


def test_paths_hold_neither_tags_nor_marks_of_the_model(tmp_path: Path) -> None:
    text = """
targets:
  - {type: mail, to: [5], mail: 1}
  - {type: hook, hook: 1}
  - {type: webhook, url: "http://x", retries: 10}
  - {type: fax}
labels: {a: [b], b: 5}
by_name:
  x: {type: mail}
  y: {type: letter}
is-quiet: 1
quiet: true
"""
    assert [mistake.removeprefix("watch.yaml:") for mistake in mistakes(read(tmp_path, text))] == [
        "3: targets[0].mail: found an unknown key, expected one of type, to",
        "3: targets[0].to[0]: found 5, expected one line of text",
        "4: targets[1].hook: found an unknown key, expected one of type, url, retries",
        "4: targets[1].url: found nothing, expected a value",
        "5: targets[2].retries: found 10, expected a whole number from 0 to 9",
        "6: targets[3].type: found 'fax', expected one of mail, hook, webhook",
        "7: labels.a: found a list, expected one line of text",
        "7: labels.b: found 5, expected one line of text",
        "9: by_name.x.to: found nothing, expected a value",
        "10: by_name.y.type: found 'letter', expected one of mail, hook, webhook",
        "11: is-quiet: found 1, expected true or false",
        "12: quiet: found an unknown key, expected is-quiet, or another key that is known here",
    ]


def test_mistakes_between_values_are_told_with_the_others(tmp_path: Path) -> None:
    def unlike(data: Any) -> list[Explanation]:
        return [Explanation(location, "no b") for location, label in select(data, "labels", EACH) if label == "b"]

    document = read(tmp_path, "is-quiet: 1\nlabels:\n  a: b\n")
    assert [mistake.partition(": ")[2] for mistake in mistakes(document, unlike)] == [
        "is-quiet: found 1, expected true or false",
        "labels.a: found 'b', expected no b",
    ]


def test_a_value_that_cannot_be_filled_is_told_once(tmp_path: Path) -> None:
    document = read(tmp_path, "is-quiet: ${Q}\ntargets:\n- {type: '${T}'}\n")
    assert [mistake.split(",")[0] for mistake in mistakes(document)] == [
        "watch.yaml:1: is-quiet: found '${Q}'",
        "watch.yaml:3: targets[0].type: found '${T}'",
    ]


def test_values_are_selected_by_their_shape() -> None:
    data = {"a": [{"b": 1}, {"c": 2}, 3, {"b": 4}], "b": 5}
    assert list(select(data, "a", EACH, "b")) == [(("a", 0, "b"), 1), (("a", 3, "b"), 4)]
    assert list(select(data, EACH)) == [(("a",), data["a"]), (("b",), 5)]
    assert list(select(data, "b", EACH)) == list(select(data, "b", "c")) == list(select(5, EACH, "x")) == []
    assert list(select(["x"], "0")) == []


def test_an_absent_file_is_no_document(tmp_path: Path) -> None:
    assert read_document(tmp_path / "none.yaml", Environment({})) is None
