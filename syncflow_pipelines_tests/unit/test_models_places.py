"""Where models are looked for, from where they are imported, and when they count as changed."""

import os
from pathlib import Path
from textwrap import dedent

import pytest

from syncflow_pipelines.errors import ConfigurationError, ModelsError
from syncflow_pipelines.schemas.introspection.places import models_place, source_digest
from syncflow_pipelines.schemas.introspection.reader.failure import is_below
from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines_tests.unit.model_projects import SQLALCHEMY, TORTOISE, write

ROW = """
    class Row(Base):
        __tablename__ = "rows"
        id: Mapped[int] = mapped_column(primary_key=True)
"""


def package(folder: Path, *names: str) -> Path:
    for name in names:
        write(folder / name, __init__="")
    return folder


def test_modules_of_a_package_are_named_from_above_the_outermost(tmp_path: Path) -> None:
    package(tmp_path, "app", "app/models", "app/models/sub")
    write(tmp_path / "app" / "models", b="", a="", sub__DOT__c="", __main__="exit()")
    (tmp_path / "app" / "models" / "not-a-name.py").write_text("")
    place = models_place(tmp_path / "app" / "models")
    assert place.root == tmp_path
    assert place.modules == ("app.models", "app.models.a", "app.models.b", "app.models.sub", "app.models.sub.c")


def test_links_that_lead_back_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "app" / "models" / "sub", a="")
    (tmp_path / "app" / "models" / "sub" / "again").symlink_to(tmp_path / "app" / "models")
    (tmp_path / "app" / "models" / "up").symlink_to("..")
    (tmp_path / "app" / "models" / "itself").symlink_to(".")
    assert models_place(tmp_path / "app" / "models").modules == ("models.sub.a",)


def test_a_single_file_is_a_module_of_its_folder_or_package(tmp_path: Path) -> None:
    write(tmp_path, shop="")
    package(tmp_path, "app")
    write(tmp_path / "app", models="")
    assert models_place(tmp_path / "shop.py").modules == ("shop",)
    assert models_place(tmp_path / "app" / "models.py").modules == ("app.models",)


def test_a_folder_without_init_is_imported_from_above_it(tmp_path: Path) -> None:
    write(tmp_path / "models", a="", b="")
    place = models_place(tmp_path / "models")
    assert (place.root, place.modules) == (tmp_path, ("models.a", "models.b"))


def test_imports_say_that_the_root_is_further_up(tmp_path: Path) -> None:
    write(tmp_path / "src" / "database" / "models", __init__="", user="from src.database.enums import Role\n")
    write(tmp_path / "src" / "database", __init__="", enums="")
    place = models_place(tmp_path / "src" / "database" / "models")
    assert (place.root, place.modules[0]) == (tmp_path, "src.database.models")


def test_imports_of_others_do_not_move_the_root(tmp_path: Path) -> None:
    imports = "from tortoise.models import Model\nimport os.path\nfrom os.models import x\n"
    for name in ("tortoise", "elsewhere"):
        write(tmp_path / name / "models", __init__="", user=imports)
        assert models_place(tmp_path / name / "models").root == tmp_path / name


def test_a_given_path_is_the_root(tmp_path: Path) -> None:
    write(tmp_path / "src" / "app" / "models", __init__="")
    place = models_place(tmp_path / "src" / "app" / "models", [tmp_path / "lib", tmp_path / "src"])
    assert (place.root, place.modules) == (tmp_path / "src", ("app.models",))


@pytest.mark.parametrize("made", ["nothing", "empty"])
def test_a_path_without_models_is_refused(tmp_path: Path, made: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match=f"{made} (does not exist|holds no module)"):
        models_place(tmp_path / made)


def test_models_of_a_folder_below_src_find_what_they_import(tortoise_models: Introspector, tmp_path: Path) -> None:
    user = """
    from src.database.base import Stamped
    class User(Stamped): pass
    """
    base = """
    class Stamped(Model):
        made_at = fields.DatetimeField(auto_now_add=True)
        class Meta:
            abstract = True
    """
    models = write(tmp_path / "src" / "database" / "models", user=TORTOISE + user)
    write(tmp_path / "src" / "database", base=TORTOISE + base)
    reading = tortoise_models.read(models)
    assert [model.name for model in reading.source.models] == ["User"]
    assert [file.name for file in reading.files] == ["base.py", "user.py"]


def test_what_python_brings_is_nobodys_own_even_below_a_root_of_all() -> None:
    assert is_below("/app/models.py", ["/"])
    assert not is_below(str(os.__file__), ["/"])
    assert not is_below("/app/.venv/lib/python3.12/site-packages/sqlalchemy/__init__.py", ["/app"])
    assert not is_below("/application/models.py", ["/app"])


def test_the_digest_changes_with_whatever_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "models", __init__="", a="x = 1")
    elsewhere = write(tmp_path, base="") / "base.py"

    def digest() -> str:
        return source_digest("tortoise", folder, also=[elsewhere])

    seen = [digest()]
    for change in (
        lambda: write(folder, a="x = 2"),
        lambda: write(folder, b="x = 2"),
        lambda: write(folder, sub__DOT__c=""),
        lambda: (folder / "b.py").rename(folder / "d.py"),
        (folder / "d.py").unlink,
        lambda: write(tmp_path, base="y = 1"),
        elsewhere.unlink,
    ):
        change()
        seen.append(digest())
    assert len(set(seen)) == len(seen)
    assert source_digest("sqlalchemy", folder) != source_digest("tortoise", folder)


def test_the_digest_stays_whatever_else_lies_about(tmp_path: Path) -> None:
    folder = write(tmp_path / "models", __init__="", a="x = 1")
    before = source_digest("tortoise", folder)
    (folder / "__pycache__").mkdir()
    for name in ("__pycache__/a.cpython-311.pyc", "a.py~", ".a.py.swp", "notes.txt", "4913"):
        (folder / name).write_text("x")
    assert source_digest("tortoise", folder) == before
    assert source_digest("tortoise", folder, also=[folder / "a.py"]) == before


def test_the_digest_knows_the_orm_of_another_interpreter(tmp_path: Path) -> None:
    folder = write(tmp_path / "models", __init__="")
    found = set()
    for version in ("1.1.8", "1.1.9"):
        packages = tmp_path / version / "lib" / "python3.12" / "site-packages"
        (packages / f"tortoise_orm-{version}.dist-info").mkdir(parents=True)
        found.add(source_digest("tortoise", folder, python=tmp_path / version / "bin" / "python"))
    assert len(found) == 2


@pytest.mark.parametrize("generated", [None, "class Older: ...\n"])
def test_an_application_that_models_import_may_import_what_is_still_to_be_generated(
    sqlalchemy_models: Introspector, tmp_path: Path, generated: str | None
) -> None:
    package(tmp_path, "app")
    write(tmp_path / "app", models=f"{dedent(SQLALCHEMY)}{dedent(ROW)}from app import main\n")
    write(tmp_path / "app", main="from app.schemas_generated import RowCreate as Base\nclass RowCreate(Base): ...\n")
    output = tmp_path / "app" / "schemas_generated.py"
    if generated is not None:
        output.write_text(generated)
    reading = sqlalchemy_models.read(tmp_path / "app" / "models.py", output=output)
    assert [model.name for model in reading.source.models] == ["Row"]
    assert {file.name for file in reading.files} == {"__init__.py", "main.py", "models.py"}
    with pytest.raises(ModelsError, match=r"app/main\.py:1: (ModuleNotFoundError|ImportError)"):
        sqlalchemy_models.read(tmp_path / "app" / "models.py")
