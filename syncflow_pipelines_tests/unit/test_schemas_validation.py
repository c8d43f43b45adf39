"""Modules are examined in processes of their own, before they are written."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings

from syncflow_pipelines.errors import GenerationFailed
from syncflow_pipelines.schemas.examination.process import Examiner
from syncflow_pipelines.schemas.examination.validation import ValidationReport, validate_module
from syncflow_pipelines.schemas.model import FieldSpec, ModelSpec, Scalar, SchemaSource
from syncflow_pipelines.schemas.rendering.module import render
from syncflow_pipelines_tests.unit.schema_worlds import every_kind, hostile_sources

HELD = """
from collections.abc import Callable
from dataclasses import dataclass
from pydantic import BaseModel
@dataclass
class Held:
    call: Callable[[], None]
    more: 'list[Held]'
class A(BaseModel):
    held: list[Held]
"""
PICKY = "\n    @field_validator('b')\n    def no(cls, b): raise ValueError('never')"


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examiner]:
    with Examiner() as opened:
        yield opened


def problems(text: str, examiner: Examiner, *, must_take_samples: bool = True) -> list[str]:
    return [str(each) for each in validate_module(text, examiner, must_take_samples=must_take_samples).problems]


def test_a_module_of_every_kind_of_field_is_sound(examiner: Examiner) -> None:
    made = render(every_kind, name="shop", digest="d", with_relations=True)
    assert validate_module(made.text, examiner, exports=made.exports) == ValidationReport((), classes=11, samples=10)


def test_numbers_whose_digits_are_all_behind_the_point_are_sound(examiner: Examiner) -> None:
    rates = (
        FieldSpec("rate", Scalar("decimal", max_digits=2, decimal_places=2)),
        FieldSpec("share", Scalar("decimal", max_digits=4, decimal_places=4, ge=0, lt=1), nullable=True),
    )
    made = render(SchemaSource((ModelSpec("Discount", rates),)), name="shop", digest="d")
    assert validate_module(made.text, examiner, exports=made.exports) == ValidationReport((), classes=3, samples=3)


@settings(max_examples=15, deadline=None)
@given(source=hostile_sources)
def test_whatever_is_rendered_is_sound(examiner: Examiner, source: SchemaSource) -> None:
    made = render(source, name="shop", digest="d", with_relations=True)
    found = validate_module(made.text, examiner, exports=made.exports)
    assert found.problems == ()
    assert found.samples <= found.classes


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = (", "syntax: line 1: SyntaxError: '(' was never closed (schemas_under_examination.py, line 1)"),
        ("x = '\0'", "syntax: SyntaxError: source code string cannot contain null bytes"),
        ("\n\nfrom nowhere import x", "imports: line 3: ModuleNotFoundError: No module named 'nowhere'"),
        ("from enum import Enom", "imports: line 1: ImportError: cannot import name 'Enom' from 'enum' (.*)"),
        ("def f():\n    raise SystemExit(1)\nf()", "imports: line 2: SystemExit: 1"),
        ("import os\nos._exit(3)", r"imports: it ended the process that imported it \(exit status 3\)"),
        ("import os\nos.abort()", r"imports: it ended the process that imported it \(signal 6\)"),
        ("x = bytes(1 << 40)", "imports: line 1: MemoryError:"),
        ("__all__ = ['A']", "structure: A: it is in __all__ and nowhere else"),
        (
            "from pydantic import BaseModel\nclass A(BaseModel):\n    b: 'B'",
            "structure: A: PydanticUndefinedAnnotation: name 'B' is not defined .*",
        ),
        (
            "from pydantic import BaseModel\nclass B: ...\nclass A(BaseModel):\n    b: B",
            "imports: line 3: PydanticSchemaGenerationError: .*",
        ),
        (
            "import typing\nfrom pydantic import BaseModel\nclass A(BaseModel):\n    b: typing.Callable[[], int]",
            "structure: A: PydanticInvalidForJsonSchema: .*",
        ),
        (HELD, "structure: A: PydanticInvalidForJsonSchema: .*"),
        (
            f"from pydantic import BaseModel, field_validator\nclass A(BaseModel):\n    b: int{PICKY}",
            "structure: A: it refuses a sample: b: Value error, never",
        ),
    ],
)
def test_what_is_wrong_with_a_module_is_told_with_its_place(text: str, problem: str, examiner: Examiner) -> None:
    (found,) = problems(text, examiner)
    assert re.fullmatch(problem if ".*" in problem or "\\" in problem else re.escape(problem), found), found


def test_a_module_has_to_offer_what_was_to_be_generated(examiner: Examiner) -> None:
    (problem,) = validate_module("__all__ = []", examiner, exports=("A",)).problems
    assert (problem.stage, problem.where) == ("structure", "__all__")


def test_modules_of_other_generators_need_not_take_samples(examiner: Examiner) -> None:
    text = (
        "from __future__ import annotations\nfrom typing import Annotated\n"
        "from pydantic import BaseModel, Field, RootModel\n"
        "class A(BaseModel):\n    b: B | None = None\n    x: Annotated[str, Field(pattern='^a+$')]\n"
        "class B(RootModel[list[A]]):\n    root: list[A]\n"
    )
    assert problems(text, examiner, must_take_samples=False) == []
    assert problems(text, examiner) == []
    text = f"from pydantic import BaseModel, field_validator\nclass A(BaseModel):\n    b: int{PICKY}"
    assert problems(text, examiner, must_take_samples=False) == []


def test_one_module_leaves_nothing_behind_for_the_next(examiner: Examiner) -> None:
    assert problems("import sys, pydantic\nsys.path.clear()\npydantic.BaseModel = None", examiner) == []
    made = render(every_kind, name="shop", digest="d")
    assert validate_module(made.text, examiner, exports=made.exports).is_valid


def test_what_a_module_prints_and_reads_does_not_disturb(examiner: Examiner) -> None:
    text = "import os, sys\nprint('x' * 100_000)\nos.write(1, b'{}\\n')\nassert sys.stdin.read() == ''"
    assert problems(text, examiner) == []


def test_a_module_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    text = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(tmp_path / "pids")!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(600)
"""
    with Examiner(timeout_s=3) as examiner:
        assert problems(text, examiner) == ["imports: it took longer than 3 s"]
        wait_until_gone(tmp_path / "pids")
        assert problems("x = 1", examiner) == []


def test_an_examiner_whose_process_was_killed_says_so_and_starts_another(tmp_path: Path) -> None:
    text = f"import os, time\nopen({str(tmp_path / 'pids')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    others = set(psutil.Process().children())
    examiner = Examiner()
    (child,) = set(psutil.Process().children()) - others
    told: list[str] = []

    def ask() -> None:
        try:
            problems(text, examiner)
        except GenerationFailed as error:
            told.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text() != "")
    child.kill()
    asking.join(60)
    assert told == ["the process that examines schemas has ended, so that none can be: it said nothing"]
    assert problems("x = 1", examiner) == []
    examiner.close()
    wait_until_gone(tmp_path / "pids")


def test_nothing_outlives_whoever_asked(tmp_path: Path) -> None:
    pids = "f'{os.getpid()} {os.getppid()}'"
    text = f"import os, time\nopen({str(tmp_path / 'pids')!r}, 'w').write({pids})\ntime.sleep(600)"
    program = (
        "import sys\nfrom syncflow_pipelines.schemas.examination.process import Examiner\n"
        "from syncflow_pipelines.schemas.examination.validation import validate_module\n"
        "validate_module(sys.argv[1], Examiner())"
    )
    with subprocess.Popen([sys.executable, "-c", program, text], cwd=Path(__file__).parents[2]) as asking:
        wait_for(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text() != "")
        asking.kill()
    wait_until_gone(tmp_path / "pids")


def test_closing_leaves_no_process() -> None:
    others = set(psutil.Process().children())
    with Examiner() as examiner:
        assert problems("x = 1", examiner) == []
        assert len(set(psutil.Process().children()) - others) == 1
    assert set(psutil.Process().children()) <= others


def test_threads_take_turns(examiner: Examiner) -> None:
    found: list[list[str]] = []
    texts = ["x = 1", "x = ("] * 4
    threads = [threading.Thread(target=lambda text=text: found.append(problems(text, examiner))) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(len, found)) == [0, 0, 0, 0, 1, 1, 1, 1]


def wait_until_gone(pids: Path) -> None:
    wait_for(lambda: not any(psutil.pid_exists(int(pid)) for pid in pids.read_text().split()))


def wait_for(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.02)
