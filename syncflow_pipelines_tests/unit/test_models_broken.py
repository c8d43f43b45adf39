"""Models that cannot be read: what is said of them, and that nothing of theirs is left behind."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from syncflow_pipelines.errors import ConfigurationError, ModelsError
from syncflow_pipelines.schemas.introspection.running import Introspector, introspect
from syncflow_pipelines_tests.unit.model_projects import SQLALCHEMY, write

GOOD = (
    SQLALCHEMY
    + """
    class Good(Base):
        __tablename__ = "good"
        id: Mapped[int] = mapped_column(primary_key=True)
"""
)
ASKING = """
import sys
from pathlib import Path
from syncflow_pipelines.schemas.introspection.running import introspect
introspect("sqlalchemy", Path(sys.argv[1]), timeout_s=600)
"""


@pytest.fixture
def hasty() -> Iterator[Introspector]:
    """Waits for models no longer than a second."""
    with Introspector("sqlalchemy", timeout_s=1) as introspector:
        yield introspector


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class A(:\n", r"models/broken\.py:1: SyntaxError: invalid syntax"),
        ("\n\nx = [\n", r"models/broken\.py:3: SyntaxError: '\[' was never closed"),
        ("\nimport nowhere_at_all\n", r"models/broken\.py:2: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("from .good import Lost\n", r"models/broken\.py:1: ImportError: cannot import name 'Lost'"),
        ("x = 1\nraise ValueError('on purpose')\n", r"models/broken\.py:2: ValueError: on purpose"),
        ("raise SystemExit(3)\n", r"models/broken\.py:1: SystemExit: 3"),
        ("def f(): f()\nf()\n", r"models/broken\.py:1: RecursionError"),
        ("import os\nos._exit(7)\n", r"models cannot be read: it ended by itself \(status 7\)"),
        ("import os\nos.kill(os.getpid(), 11)\n", r"models cannot be read: it ended by itself \(SIGSEGV\)"),
        ("x = bytearray(1 << 62)\n", r"models/broken\.py:1: MemoryError"),
        ("raise ValueError('postgresql://me:s3cret@host/db is down')\n", r"postgresql://me:\*\*\*@host/db is down"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(
    sqlalchemy_models: Introspector, tmp_path: Path, text: str, said: str
) -> None:
    folder = write(tmp_path / "models", __init__="", good=GOOD, broken=text)
    with pytest.raises(ModelsError, match=said) as caught:
        sqlalchemy_models.read(folder)
    assert "s3cret" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    write(folder, broken="")
    assert [model.name for model in sqlalchemy_models.read(folder).source.models] == ["Good"]


def test_a_circular_import_is_called_one(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    folder = write(tmp_path / "models", __init__="", a="from .b import B\nA = 1\n", b="from .a import A\nB = 1\n")
    with pytest.raises(ModelsError, match=r"b\.py:1: ImportError: cannot import name 'A' .*circular import"):
        sqlalchemy_models.read(folder)


def test_two_models_of_one_name_are_named_with_both_places(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    other = GOOD.replace('"good"', '"other"')
    folder = write(tmp_path / "models", __init__="", first=GOOD, second=other)
    with pytest.raises(
        ModelsError, match=r"second\.py:10: two models are called Good: the other one is at .*first\.py:10; mend"
    ):
        sqlalchemy_models.read(folder)


def test_a_model_that_is_imported_under_two_names_is_called_that(tortoise_models: Introspector, tmp_path: Path) -> None:
    other = """
        import sys
        sys.path.insert(0, __file__.rpartition("/models/")[0])
        from models.user import User as Other
    """
    user = "from tortoise.models import Model\nclass User(Model): pass\n"
    write(tmp_path / "app", __init__="")
    folder = write(tmp_path / "app" / "models", __init__="", other=other, user=user)
    with pytest.raises(ModelsError, match=r"user\.py:2: User is imported twice, as .*; say in python_path"):
        tortoise_models.read(folder)


def test_a_module_that_another_one_hides_is_named(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    (tmp_path / "types.py").write_text("x = 1\n")
    with pytest.raises(ModelsError, match=r"types\.py:1: `import types` finds .*types\.py instead of this file"):
        sqlalchemy_models.read(tmp_path / "types.py")


def test_an_import_that_takes_too_long_is_ended(hasty: Introspector, tmp_path: Path) -> None:
    folder = write(tmp_path / "models", __init__="while True: pass")
    with pytest.raises(ModelsError, match=r"models cannot be read: it took longer than 1 s"):
        hasty.read(folder)
    assert [model.name for model in hasty.read(write(tmp_path / "good", __init__=GOOD)).source.models] == ["Good"]


def test_a_slow_import_within_the_time_is_waited_for(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    folder = write(tmp_path / "models", __init__="import time\ntime.sleep(1.2)\n" + _dedented(GOOD))
    assert [model.name for model in sqlalchemy_models.read(folder).source.models] == ["Good"]


def test_what_is_left_running_is_ended_with_it(hasty: Introspector, tmp_path: Path) -> None:
    text = """
        import subprocess, sys, time
        for own_session in (False, True):
            program = [sys.executable, "-c", "import time; time.sleep(600)"]
            child = subprocess.Popen(program, start_new_session=own_session)
            with open(__file__ + ".pids", "a") as file:
                print(child.pid, file=file)
        time.sleep(600)
    """
    folder = write(tmp_path / "models", __init__=text)
    with pytest.raises(ModelsError, match="took longer"):
        hasty.read(folder)
    hasty.close()
    pids = [int(line) for line in (folder / "__init__.py.pids").read_text().split()]
    assert len(pids) == 2
    _wait(lambda: not any(_is_alive(pid) for pid in pids))


def test_prints_and_threads_do_not_disturb_the_answer(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    noise = """
        import os, sys, threading, time
        print('{"source": {"models": []}}')
        sys.stderr.write("x" * 300_000)
        os.write(1, b'{"ended": "no"}\\n')
        os.close(0)
        threading.Thread(target=time.sleep, args=(600,)).start()
    """
    folder = write(tmp_path / "models", __init__="", good=GOOD, noise=noise)
    assert [model.name for model in sqlalchemy_models.read(folder).source.models] == ["Good"]


def test_nothing_of_one_reading_is_left_for_the_next(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    first = write(tmp_path / "first" / "models", __init__=GOOD)
    second = write(tmp_path / "second" / "models", __init__=GOOD.replace("Good", "Better"))
    names = [
        [model.name for model in sqlalchemy_models.read(folder).source.models] for folder in (first, second, first)
    ]
    assert names == [["Good"], ["Better"], ["Good"]]
    assert "models" not in sys.modules


def test_a_change_within_the_second_is_seen_and_nothing_is_written(
    sqlalchemy_models: Introspector, tmp_path: Path
) -> None:
    folder = write(tmp_path / "models", __init__="", good=GOOD)
    at = (folder / "good.py").stat().st_mtime
    sqlalchemy_models.read(folder)
    write(folder, good=GOOD.replace("Good", "Best"))
    os.utime(folder / "good.py", (at, at))
    assert [model.name for model in sqlalchemy_models.read(folder).source.models] == ["Best"]
    assert sorted(path.name for path in folder.iterdir()) == ["__init__.py", "good.py"]


def test_an_answer_beyond_every_measure_is_refused(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    text = (
        GOOD
        + """
    Good.__doc__ = "x" * 70_000_000
    """
    )
    folder = write(tmp_path / "models", __init__=text)
    with pytest.raises(ModelsError, match="more than 67,108,864 bytes"):
        sqlalchemy_models.read(folder)


def test_the_process_is_started_anew_after_it_was_killed(hasty: Introspector, tmp_path: Path) -> None:
    folder = write(tmp_path / "models", __init__=GOOD)
    hasty.read(folder)
    (child,) = [each for each in psutil.Process().children() if "sqlalchemy" in each.cmdline() and _is_of(each)]
    child.kill()
    with pytest.raises(ModelsError, match="did not answer"):
        hasty.read(folder)
    assert hasty.read(folder).source.models


@pytest.mark.parametrize("victim", ["the one that asks", "the one that holds the ORM"])
def test_nothing_outlives_a_process_that_is_killed(tmp_path: Path, victim: str) -> None:
    hanging = f"""
        import os, time
        with open({str(tmp_path / "pids")!r}, "w") as file:
            print(os.getppid(), os.getpid(), file=file)
        time.sleep(600)
    """
    folder = write(tmp_path / "models", __init__=hanging)
    command = [sys.executable, "-c", ASKING, str(folder)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL) as asker:
        _wait(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().endswith("\n"))
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        os.kill(asker.pid if victim == "the one that asks" else pids[0], signal.SIGKILL)
    assert len(pids) == 2
    _wait(lambda: not any(_is_alive(pid) for pid in pids))


def test_another_interpreter_reads_them_whatever_it_prints(tmp_path: Path) -> None:
    folder = write(tmp_path / "models", __init__=GOOD)
    source = introspect("sqlalchemy", folder, python=_interpreter(tmp_path, 'echo welcome; echo you >&2; exec {} "$@"'))
    assert [model.name for model in source.models] == ["Good"]


def _interpreter(folder: Path, script: str) -> Path:
    file = folder / "bare"
    file.write_text(f"#!/bin/sh\n{script.format(sys.executable)}\n")
    file.chmod(0o755)
    return file


def test_an_interpreter_without_the_orm_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "models", __init__=GOOD)
    bare = _interpreter(tmp_path, 'exec {} -S "$@"')
    with pytest.raises(ConfigurationError, match=r"bare cannot import sqlalchemy .*; install it there"):
        introspect("sqlalchemy", folder, python=bare)
    with pytest.raises(ConfigurationError, match="nowhere does not exist"):
        introspect("sqlalchemy", folder, python=tmp_path / "nowhere")


def _dedented(text: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in text.splitlines())


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_of(process: psutil.Process) -> bool:
    return process.create_time() >= max(each.create_time() for each in psutil.Process().children())


def _wait(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.02)
