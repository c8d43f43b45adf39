"""Diffs are shown so that nothing in a spec can be more than text."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from syncflow_pipelines.openapi.diff import RULES, Change, SpecDiff, Touched, as_json, as_markdown, as_text, compare
from syncflow_pipelines_tests.unit.diff_specs import Document, changed, spec_of

HOSTILE = [
    "[click](https://evil.example.com)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "`` ` ``` ` ```` [x](y) `",
    "`",
    "``",
    " `` ",
    "\n\n# Heading\n\n- [ ] item\n",
    "@everyone https://evil.example.com #1",
    "\x1b[31mred\x1b]8;;https://evil.example.com\x07link",
    "\u202egnp.exe \u2066 \u200b \u2028 \ud800",
    "| a | b |\r\n|---|---|",
    "\\`",
]


def diff_of(text: str, number: int = 1) -> SpecDiff:
    """A diff with that text in every place that a spec can fill."""
    operation = Touched(path=f"/{text}", method=text, id=text)
    change = Change("request-constraint-changed", "warning", (operation,), text, text, [text], text)
    worse = Change("request-type-changed", "breaking", (operation,) * 5, text, {text: text}, None, text)
    return SpecDiff((worse, *[change] * number))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def outside_of_code(markdown: str) -> str:
    """Markdown without its code spans, as CommonMark reads them: up to an equally long run of backticks."""
    return re.sub(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", markdown)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_spec_stands_outside_of_code_in_markdown(text: str) -> None:
    harmless, hostile = as_markdown(diff_of("x")), as_markdown(diff_of(text))
    assert outside_of_code(hostile) == outside_of_code(harmless)


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_hold_no_character_that_a_terminal_obeys(text: str) -> None:
    for shown in (as_text(diff_of(text)), as_markdown(diff_of(text))):
        assert all(character.isprintable() for line in shown.split("\n") for character in line)
        shown.encode()


def test_markdown_without_its_code_has_no_html() -> None:
    tags = Tags()
    tags.feed(outside_of_code(as_markdown(diff_of("<b>"))))
    assert tags.found == []


def test_markdown_ends_at_its_limit_and_says_what_is_left_out() -> None:
    text = as_markdown(diff_of("x" * 50, number=500), longest=2_000)
    assert len(text) < 2_100
    shown = sum(line.startswith("- ") for line in text.splitlines())
    assert text.endswith(f"\n\n... and {501 - shown} more")


def test_markdown_names_rules_places_operations_and_values() -> None:
    diff = changed(lambda doc: doc["paths"]["/pets"]["get"]["parameters"][0]["schema"].update(maximum=10))
    rule = f"**request-bound-narrowed** ({RULES['request-bound-narrowed'].meaning})"
    assert as_markdown(diff).splitlines() == [
        "**1 breaking change in 1 operation**",
        "",
        "### Breaking (1)",
        "",
        f"- {rule} · `query.limit` · `GET /pets` · `100 → 10`",
    ]


@pytest.mark.parametrize("width", [1, 40, 72, 200])
def test_lines_are_no_longer_than_asked(width: int) -> None:
    text = as_text(diff_of("word " * 100 + "y" * 500, number=3), width)
    assert max(map(len, text.splitlines())) <= max(width, 40)


def test_the_text_says_where_and_what_it_was() -> None:
    def edit(document: Document) -> None:
        document["paths"]["/pets"]["get"]["parameters"][0]["schema"]["maximum"] = 10
        document["components"]["schemas"]["Pet"]["properties"]["size"] = {"type": "integer"}

    assert as_text(changed(edit)).splitlines() == [
        "1 breaking change and 2 other changes in 3 operations",
        "",
        "BREAKING (1)",
        "  request-bound-narrowed: query.limit maximum has another value",
        "      in GET /pets",
        "      100 → 10",
        "",
        "INFO (2)",
        "  response-property-added: components.schemas.Pet#/size is new",
        "      in GET /pets, POST /pets",
        "  request-property-added: components.schemas.Pet#/size is new",
        "      in PUT /pets/{id}",
    ]


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isascii()])
def test_json_brings_every_text_back_as_it_was(text: str) -> None:
    (first, _) = json.loads(json.dumps(as_json(diff_of(text))))["changes"]
    assert (first["where"], first["message"], first["operations"][0]["path"]) == (text, text, f"/{text}")


def test_json_has_the_same_keys_whatever_there_is() -> None:
    empty, full = as_json(SpecDiff()), as_json(diff_of("x"))
    assert [*empty] == [*full] == ["summary", "is_empty", "is_breaking", "counts", "changes"]
    assert {tuple(change) for change in full["changes"]} == {
        ("rule", "severity", "operations", "where", "before", "after", "message")
    }


@pytest.mark.parametrize("value", ["x" * 10_000, ["y" * 10_000] * 10_000, {"a": ["z" * 10_000]}, 1 << 40_000], ids=type)
def test_large_values_are_cut(value: Any) -> None:
    def default(document: Document, value: Any) -> Document:
        document["paths"]["/a"] = {"get": {"parameters": [{"name": "a", "in": "query", "schema": {"default": value}}]}}
        return document

    old, new = (spec_of(default({"paths": {}}, value)) for value in (None, value))
    diff = compare(old, new)
    assert len(json.dumps(as_json(diff))) < 4_000
    assert len(as_text(diff)) < 1_000
    assert len(as_markdown(diff)) < 1_000


def test_a_diff_without_changes_is_one_line_in_every_form() -> None:
    assert as_text(SpecDiff()) == "No changes"
    assert as_markdown(SpecDiff()) == "**No changes**"
