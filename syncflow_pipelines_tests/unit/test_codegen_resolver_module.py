"""The source of a generated resolver: literals only, of any settings."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as thorough
from hypothesis import strategies as st

from syncflow_pipelines.codegen.resolver_module import render_resolver, resolver_class
from syncflow_pipelines.config import RestOptions, ServiceConfig
from syncflow_pipelines.errors import GenerationFailed

SERVICE = ServiceConfig("user-service", "http://users:8000/api", ("/openapi.json",), ("rest",))
HOSTILE = [
    '"',
    "'",
    '"""',
    "\\",
    "\n",
    "\r",
    "\u2028",
    "\u202e",
    "{{ x }}",
    "{% raw %}",
    "\x00",
    "\ud800",
    "${X}",
    "é",
    "print(1)",
]


def render(service: ServiceConfig = SERVICE, **described: Any) -> str:
    return render_resolver(service, **{"spec_file": "users_spec.json", "spec_digest": "ab12", **described})


def settings(source: str) -> dict[str, Any]:
    """The keywords of the one call that has the settings; each of them has to be a literal."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    call = next(each for each in calls if isinstance(each.func, ast.Name) and each.func.id == "stored_service")
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}


def test_the_settings_are_literals() -> None:
    service = replace(SERVICE, rest=RestOptions("validate", timeout_s=5, allowed_hosts=("*.example.com",)))
    auth = {"type": "bearer", "env": "USERS_TOKEN"}
    assert settings(render(service, auth=auth, dotenv_files=["../.env"], ca_file="ca.pem")) == {
        "name": "user-service",
        "base_url": "http://users:8000/api",
        "spec_file": "users_spec.json",
        "spec_digest": "ab12",
        "mode": "validate",
        "timeout_s": 5.0,
        "allowed_hosts": ("*.example.com",),
        "auth": auth,
        "dotenv_files": ("../.env",),
        "ca_file": "ca.pem",
    }


HOSTILE_TEXT = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=5)), max_size=6).map("".join)


@thorough(deadline=None, suppress_health_check=list(HealthCheck))
@given(HOSTILE_TEXT, HOSTILE_TEXT, HOSTILE_TEXT)
def test_no_text_becomes_code(name: str, url: str, file: str) -> None:
    source = render_resolver(
        replace(SERVICE, base_url=url),
        spec_file=file,
        spec_digest="",
        auth={"type": "header", "name": name, "env": file},
    )
    assert source.isascii()
    found = settings(source)
    assert (found["base_url"], found["spec_file"], found["auth"]["name"]) == (url, file, name)
    assert _shape(source) == _shape(render(auth={"type": "header", "name": "x", "env": "y"}))


def _shape(source: str) -> list[str]:
    """The program without its literals."""
    return [type(node).__name__ for node in ast.walk(ast.parse(source))]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("users", "UsersResolver"),
        ("user_service", "UserServiceResolver"),
        ("v2_API", "V2APIResolver"),
        ("x__y_", "XYResolver"),
    ],
)
def test_a_class_is_named_after_its_service(module: str, name: str) -> None:
    assert resolver_class(module) == name


@pytest.mark.parametrize("module", ["", "a b", "a:pass", "\u00e9", "1a", "a\n"])
def test_what_is_no_name_in_ascii_names_no_class(module: str) -> None:
    with pytest.raises(GenerationFailed):
        resolver_class(module)


BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
import syncflow_pipelines.codegen
import syncflow_pipelines.codegen.resolver_module
from syncflow_pipelines.errors import ConfigurationError
try:
    import syncflow_pipelines.codegen.runtime.resolver
except ConfigurationError as error:
    sys.exit(0 if "install syncflow-pipelines[resolver]" in str(error) else str(error))
sys.exit("it was imported")
"""


@pytest.mark.parametrize("library", ["aiohttp", "connexion", "jsonschema"])
def test_without_the_extra_only_resolvers_are_missing_and_say_so(library: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(blocked={library})], capture_output=True, text=True, cwd=Path.cwd()
    )
    assert ended.returncode == 0, ended.stderr
