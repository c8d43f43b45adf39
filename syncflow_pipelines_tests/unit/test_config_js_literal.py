"""Objects of JavaScript and TypeScript modules, read without running them."""

import json
import subprocess
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncflow_pipelines.config.js_literal import exported_literal, json_literal, plain
from syncflow_pipelines.config.yaml_tree import Unreadable

VALUES = st.recursive(
    st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def read(code: str) -> Any:
    return plain(exported_literal(code).root)


def unread(code: str) -> list[tuple[int, tuple[str | int, ...], str]]:
    return [(one.line, one.location, one.code) for one in exported_literal(code).unread]


@pytest.mark.parametrize(
    "module",
    [
        "export default {a: 1}",
        "export default {a: 1};\n",
        "export default ({a: 1})",
        "export default {a: 1} as const",
        "export default {a: 1} satisfies Partial<Config<{b: string}>>",
        "export default defineConfig({a: 1})",
        "export default defineConfig({a: 1},)",
        "export default {a: 1}\nexport const other = f()",
        "export = {a: 1}",
        "module.exports = {a: 1}",
        "'use strict'\nmodule.exports = defineConfig({a: 1})",
        "const config = {a: 1}\nexport default config",
        "const config: Config = {a: 1}\nexport default defineConfig(config)",
        "const config: Config<X> = {a: 1};\nmodule.exports = config;",
        "import { defineConfig } from '@tryloop/oats'\n/* { */ export default defineConfig({a: 1})",
        "function f() { return {b: `}${'}'}`} }\nexport default {a: 1}",
        "const r = /[}/]{/g\nexport default {a: 1}",
        "// export default {a: 2}\nexport default {a: 1}",
    ],
)
def test_every_way_to_export_an_object_is_read(module: str) -> None:
    assert read(module) == {"a": 1}


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("'it\\'s'", "it's"),
        ('"a\\u0041\\x41\\u{1F600}\\n"', "aAA😀\n"),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\ud83d"', "\ufffd"),
        ("'a\\\nb'", "ab"),
        ("`a 'b' $c\n`", "a 'b' $c\n"),
        ("5_000", 5000),
        ("1e3", 1000),
        ("-2", -2),
        (".5", 0.5),
        ("[1, 'b', [],]", [1, "b", []]),
        ("{'a-b': {2: true,},}", {"a-b": {"2": True}}),
        ("(1)", 1),
        ("'x' as const", "x"),
        ("[1] as Array<{a: string, b: 2}>", [1]),
        ("'${HOME}'", "${HOME}"),
    ],
)
def test_a_value_that_is_written_out_is_what_it_is_in_javascript(code: str, value: object) -> None:
    assert read(f"export default {{ v: {code} }}") == {"v": value}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("process.env.PORT", "process.env.PORT"),
        ("process.env.PORT ?? 's3cret'", "process.env.PORT"),
        ("load('s3cret', {a: [1]})", "load"),
        ("`a${b}`", "code"),
        ("`a${`b${'}'}`}`", "code"),
        ("'a' + b", "code"),
        ("() => ({ a: 1, b })", "code"),
        ("async (x) => { return x, 1 }", "async"),
        ("function () { return {} }", "function"),
        ("/a[/}]b/g", "code"),
        ("{a: 1}.a", "code"),
        ("[1].map(x => x)", "code"),
        ("yes ? 1 : {b: 2}", "yes"),
        ("0x10", "0x10"),
        ("010", "010"),
        ("10n", "10n"),
        ("((((1))))()", "code"),
    ],
)
def test_what_only_running_code_would_tell_is_passed_over_with_its_line(code: str, name: str) -> None:
    module = f"export default {{\n before: 1,\n v: {code},\n after: 2 }}"
    assert read(module) == {"before": 1, "after": 2}
    assert unread(module) == [(3, ("v",), name)]


def test_parts_of_an_object_that_only_running_code_would_tell_are_passed_over() -> None:
    module = (
        "export default {\n...base,\n[key]: 1,\nshort,\nmethod() { return 1 },\nget it() { return 2 },\na: [1, ...b] }"
    )
    assert read(module) == {"a": [1, None]}
    assert unread(module) == [
        (2, (), "...base"),
        (3, (), "code"),
        (4, ("short",), "short"),
        (5, ("method",), "method"),
        (6, (), "get"),
        (7, ("a", 1), "...b"),
    ]


@pytest.mark.parametrize(
    ("module", "line", "found"),
    [
        ("", 1, "nothing that is exported"),
        ("const a = {}", 1, "nothing that is exported"),
        ("\nexport default build({a: 1})", 2, "an export that only running code would tell (build)"),
        ("export default () => ({a: 1})", 1, "an export that only running code would tell (code)"),
        ("export default config.dev", 1, "an export that only running code would tell (config.dev)"),
        ("const a = b\nconst b = a\nexport default a", 2, "an export that only running code would tell (a)"),
        ("export default {\n a: 'b", 2, "a text that does not end on its line"),
        ("export default {\n a: `b", 2, "a text that does not end"),
        ("export default {\n a: `${b", 2, "code in a template that does not end"),
        ("export default {\n a: 1\n /*", 3, "a comment that does not end"),
        ("export default {\n a: f(", 2, "a value or bracket that does not end"),
        ("export default {\n a: [1", 2, "the end of the file"),
        ("export default {\n a: 1\n b: 2 }", 3, "a word"),
        ("export default {\n a: ,}", 2, "the mark ','"),
        ("export default {a: 1]", 1, "the mark ']'"),
        ("export default " + "[" * 100_000, 1, "values that are nested too deep"),
        ("export default " + "{a: " * 20_000, 1, "values that are nested too deep"),
        ("export default " + "(" * 100_000, 1, "values that are nested too deep"),
        ("export default " + "`${" * 100_000, 1, "templates that are nested too deep"),
        ("export default [" + "1," * 200_000, 1, "too much code"),
    ],
)
def test_a_module_that_cannot_be_read_is_refused_with_the_line_at_once(module: str, line: int, found: str) -> None:
    start = time.process_time()
    with pytest.raises(Unreadable) as refused:
        exported_literal(module)
    assert time.process_time() - start < 5
    assert (refused.value.flaw.line, refused.value.flaw.found) == (line, found)


def test_code_that_is_read_in_vain_at_every_level_is_not_read_ever_again() -> None:
    start = time.process_time()
    assert unread("export default {v: " + "[" * 25 + "1, " * 5_000 + "]()" * 25 + "}") == [(1, ("v",), "code")]
    assert time.process_time() - start < 20


@pytest.mark.parametrize("text", ["", "[1", '{"a": 1} x', "{'a': 1}}", "nothing"])
def test_json_with_something_beside_its_value_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        json_literal(text)


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_all_json_is_read_as_json_is(value: object) -> None:
    assert plain(json_literal(json.dumps(value)).root) == value
    assert plain(json_literal(json.dumps(value, ensure_ascii=False, indent=1)).root) == value


@given(st.text(st.sampled_from("{}[]()`'\"$/*\\,:;.=>a1 \nexport default const as"), max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_text_does_more_than_be_refused(text: str) -> None:
    for module in (text, f"export default {{a: {text}}}"):
        with suppress(Unreadable):
            exported_literal(module)


@pytest.mark.slow
def test_node_reads_the_same_of_what_is_written_out() -> None:
    module = "{ a: 'it\\'s \\x41\\u{1F600}', b: [1e3, .5, -2, 5_000,], 'c-d': { 2: `x\ny`, }, e: true, f: 'a\\\nb' }"
    told = subprocess.run(
        ["node", "-p", f"JSON.stringify({module})"], capture_output=True, text=True, timeout=60, check=True
    )
    assert read(f"export default {module}") == json.loads(told.stdout)
