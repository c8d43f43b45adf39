"""Whatever a spec says, it never becomes code: modules differ in their literals alone."""

import ast
import keyword
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncflow_pipelines.codegen.building import ServiceBuild
from syncflow_pipelines.codegen.rendering import block, literal
from syncflow_pipelines.config.auth import HeaderAuth
from syncflow_pipelines.config.services import McpOptions, ServiceConfig
from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines_tests.server.mcp_world import body, operation, parameter, spec_of

NASTY = [
    '"', "'", '"""', "'''", "\\", "\\'", '\\"', "\n", "\r\n", "\0", "\x85", "\u2028", "{", "}", "{{", "}}", "{%", "%}",
    "{{ 7*7 }}", "{% raw %}", "{{ ''.__class__ }}", '{{ cycler.__init__.__globals__.os.popen("id").read() }}', "#}",
    '"""\nimport os\nos.abort()\n"""', "\"); __import__('os').abort() #", "f'{x}'", "%s", "$(id)", "`id`", "\u202e",
    "\u2066\u2069", "\u200b", "\ufeff", "\U000e0041", "é", "𝕏", "\ud800", "import", "None", "__import__", "../..",
    "a" * 300, *keyword.kwlist,
]  # fmt: skip

texts = st.one_of(
    st.sampled_from(NASTY), st.text(max_size=20), st.lists(st.sampled_from(NASTY), max_size=4).map("".join)
)


def build(folder: Path, spec: Spec, text: str) -> ServiceBuild:
    """A service all of whose free texts are that one."""
    header = HeaderAuth("X-Key", value_env="PETS_KEY", prefix=f"p{text}")
    service = ServiceConfig(
        "pets", "https://pets.example", ("/openapi.json",), ("mcp", "rest"), description=text, auth=header,
        mcp=McpOptions(forward_headers=(text,)),
    )  # fmt: skip
    return ServiceBuild(service, spec, folder, frozenset({"mcp", "rest"}))


def spec_saying(text: str) -> Spec:
    """A spec in which that text stands wherever somebody may write what they like."""
    schemas = {
        text or "x": {
            "type": "object",
            "title": text,
            "description": text,
            "properties": {text or "x": {"enum": [text]}},
        }
    }
    definition: dict[str, Any] = {
        "summary": text,
        "description": text,
        "tags": [text],
        "parameters": [
            parameter(text or "x", "query", {"default": text, "pattern": text}, description=text),
            parameter("X-Named", "header", description=text, style=text or "simple"),
        ],
        "responses": {"200": {"description": text, "content": {text or "x": {"schema": {"example": text}}}}},
        **body(
            text or "x", {"properties": {text or "x": {"description": text}}}, encoding={text: {"contentType": text}}
        ),
    }
    servers = ({"url": text, "description": text, "variables": {text: {"default": text}}},)
    return spec_of(operation("post", f"/{text}/{{{text}}}", definition), schemas=schemas, servers=servers, title=text)


def structure(source: bytes) -> str:
    """The module without its literals."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value = type(node.value).__name__
    return ast.dump(tree)


@pytest.fixture(scope="module")
def harmless() -> dict[str, str]:
    contents = build(Path("/generated"), spec_saying("fine"), "fine").contents()
    return {name: structure(content) for name, content in contents.items() if name.endswith(".py")}


@given(texts)
@settings(max_examples=200, deadline=None)
def test_the_structure_of_a_module_never_depends_on_the_spec(harmless: dict[str, str], text: str) -> None:
    contents = build(Path("/generated"), spec_saying(text), text).contents()
    sources = {name: content for name, content in contents.items() if name.endswith(".py")}
    assert {name: structure(content) for name, content in sources.items()} == harmless
    for content in sources.values():
        assert content.isascii()
        assert b"\0" not in content


@given(texts)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_module_of_a_hostile_spec_can_be_imported(text: str) -> None:
    with tempfile.TemporaryDirectory() as parent:
        contents = build(Path(parent), spec_saying(text), text).contents()
        for name, content in contents.items():
            Path(parent, name).write_bytes(content)
        assert runpy.run_path(str(Path(parent, "pets_mcp.py")))["mcp"].name == "Pets MCP Server"


@given(st.text(alphabet=st.characters() | st.sampled_from("'\"\\\n{}%"), max_size=40))
def test_a_literal_means_the_text(text: str) -> None:
    assert ast.literal_eval(literal(text)) == text
    assert ast.literal_eval(block({"a": [text, (text,)]})) == {"a": [text, (text,)]}


def test_literals_are_written_as_the_formatter_leaves_them(tmp_path: Path) -> None:
    quotes = [*NASTY, *(a + b for a in ("'", '"', "\\", "a") for b in ("'", '"', "''", '""'))]
    file = tmp_path / "literals.py"
    file.write_text("".join(f"x{index} = {literal(text)}\n" for index, text in enumerate(quotes) if len(text) < 80))
    subprocess.run([sys.executable, "-m", "ruff", "format", "--isolated", "--check", str(file)], check=True)


@pytest.mark.parametrize("name", ["class", "None", "import", "print", "mcp", "_x", "__init__", "type"])
def test_a_service_may_be_named_like_a_word_of_python(tmp_path: Path, name: str) -> None:
    service = ServiceConfig(name, "https://pets.example", ("/openapi.json",), ("mcp", "rest"))
    made = ServiceBuild(service, spec_saying("fine"), tmp_path, frozenset({"mcp", "rest"}))
    for file, content in made.contents().items():
        if file.endswith(".py"):
            assert file.removesuffix(".py").isidentifier()
            compile(content, file, "exec")


def test_directions_and_hidden_characters_are_not_shown_to_a_model(tmp_path: Path) -> None:
    hidden = "pay\u202e\u2066me\u200b\ufeff\U000e0041\x07 now"
    sizes = build(tmp_path, spec_saying(hidden), hidden).contents()
    assert b"payme now" in sizes["pets_mcp.py"]
