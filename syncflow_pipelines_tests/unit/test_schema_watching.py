"""Following sources of schemas: what is generated when, and what is told."""

import queue
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from syncflow_pipelines.config import Settings, load_schema_sync, load_settings
from syncflow_pipelines.schemas.syncing import SchemaSyncer
from syncflow_pipelines.schemas.watching import Notice, SchemaWatch, is_module
from syncflow_pipelines_tests.unit.model_package import PRODUCT, ModelPackage
from syncflow_pipelines_tests.unit.text_workshop import TextWorkshop

PATIENCE_S = 0.4


@dataclass
class Watched:
    """A project whose sources `shop` and `crm` are followed."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    told: "queue.Queue[Notice]" = field(default_factory=queue.Queue)

    @property
    def settings(self) -> Settings:
        return load_settings(self.environ, self.folder)

    def configure(self, *names: str, debounce_s: float = 0.05) -> None:
        sources = "".join(f"  - {{name: {name}, type: auto, models_path: {name}.txt}}\n" for name in names)
        settings = f"settings: {{watch_debounce_seconds: {debounce_s}, generated_dir: out}}\n"
        file = self.folder / "config" / "schema_sync.yaml"
        file.parent.mkdir(exist_ok=True)
        file.with_name("new").write_text(f"sources:\n{sources}{settings}" if names else settings)
        file.with_name("new").rename(file)

    def say(self, name: str, text: str) -> None:
        draft = self.folder / f"{name}.draft"
        draft.write_text(text)
        draft.rename(self.folder / f"{name}.txt")

    def output(self, name: str) -> Path:
        return self.folder / "out" / f"{name}_schemas.py"

    def hear(self) -> tuple[str, str]:
        notice = self.told.get(timeout=60)
        return notice.source, notice.what

    def hear_error(self) -> str:
        notice = self.told.get(timeout=60)
        assert notice.what == "failed", notice
        return str(notice.error)


@contextmanager
def running(watch: SchemaWatch) -> Iterator[None]:
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield
    finally:
        watch.stop()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Followed, once both sources were generated."""
    project = Watched(tmp_path)
    project.configure("shop", "crm")
    for name in ("shop", "crm"):
        project.say(name, "A")
    workshop = TextWorkshop(project.settings)
    with running(SchemaWatch(project.settings, project.told.put, workshop=workshop, patience_s=PATIENCE_S)):
        assert sorted([project.hear(), project.hear()]) == [("crm", "generated"), ("shop", "generated")]
        yield project


def test_a_change_generates_the_source_that_changed_alone(watched: Watched) -> None:
    watched.say("shop", "A B")
    assert watched.hear() == ("shop", "generated")
    assert b"class B" in watched.output("shop").read_bytes()
    assert watched.told.empty()


def test_a_module_that_is_deleted_comes_back(tmp_path: Path) -> None:
    project = Watched(tmp_path)
    project.configure("shop")
    project.say("shop", "A")
    workshop = TextWorkshop(project.settings)
    SchemaSyncer(project.settings, workshop).sync(load_schema_sync(project.settings))
    with running(SchemaWatch(project.settings, project.told.put, workshop=workshop)):
        project.output("shop").unlink()
        assert project.hear() == ("shop", "generated")
    assert project.output("shop").exists()


def test_models_that_are_replaced_as_a_whole_are_noticed(watched: Watched) -> None:
    watched.say("new", "A C")
    (watched.folder / "new.txt").rename(watched.folder / "shop.txt")
    assert watched.hear() == ("shop", "generated")


def test_models_that_are_broken_for_a_moment_are_waited_out(watched: Watched) -> None:
    watched.say("shop", "broken")
    watched.say("crm", "A D")
    assert watched.hear() == ("crm", "generated")
    watched.say("shop", "A B")
    assert watched.hear() == ("shop", "generated")
    assert watched.told.empty()


def test_models_that_stay_broken_are_told_once_and_so_is_that_they_work_again(watched: Watched) -> None:
    old = watched.output("shop").read_bytes()
    watched.say("shop", "broken")
    assert watched.hear_error() == f"{watched.folder / 'shop.txt'}:1: broken"
    watched.say("shop", "broken still")
    watched.say("crm", "A B")
    assert watched.hear() == ("crm", "generated")
    assert watched.output("shop").read_bytes() == old
    watched.say("shop", "A")
    assert watched.hear() == ("shop", "recovered")
    (watched.folder / "shop.txt").unlink()
    assert watched.hear_error() == f"{watched.folder / 'shop.txt'} is not there"


def test_the_configuration_is_followed_too(watched: Watched) -> None:
    watched.say("new", "N")
    watched.configure("new", "shop", debounce_s=0.02)
    assert watched.hear() == ("new", "generated")
    watched.say("crm", "A B")
    watched.say("shop", "A B")
    assert watched.hear() == ("shop", "generated")
    watched.say("new", "M")
    assert watched.hear() == ("new", "generated")
    assert watched.told.empty()


def test_a_file_of_oats_which_says_what_the_services_are_is_followed_too(tmp_path: Path) -> None:
    project, oats = Watched(tmp_path), tmp_path / "oats.config.json"
    project.configure()
    (tmp_path / "config" / "schema_sync.yaml").write_text("sources:\n  - {name: crm, type: openapi}\n")
    oats.write_text("{")
    with running(SchemaWatch(project.settings, project.told.put, patience_s=0)):
        assert "expected a value" in project.hear_error()
        oats.write_text('{"services": 5}')
        assert "expected a mapping" in project.hear_error()


def test_a_configuration_that_cannot_be_used_is_told_and_the_one_of_before_holds(watched: Watched) -> None:
    file = watched.folder / "config" / "schema_sync.yaml"
    file.write_text("sources: 5")
    assert "expected a list" in watched.hear_error()
    watched.say("shop", "A B")
    assert watched.hear() == ("shop", "generated")
    watched.configure("shop", "crm")
    assert watched.hear() == ("", "recovered")


def test_while_the_flag_is_off_nothing_is_generated_and_nothing_is_forgotten(tmp_path: Path) -> None:
    project = Watched(tmp_path, {"SYNCFLOW_FLAG_SCHEMA_SYNC": "false"})
    project.configure("shop")
    project.say("shop", "A")
    looked = TextWorkshop(project.settings)
    with running(SchemaWatch(project.settings, project.told.put, workshop=looked)):
        with pytest.raises(queue.Empty):
            project.told.get(timeout=0.3)
        assert looked.made == []
        project.environ["SYNCFLOW_FLAG_SCHEMA_SYNC"] = "true"
        project.configure("shop", debounce_s=0.01)
        assert project.hear() == ("shop", "generated")


def test_only_the_sources_that_are_named_are_followed(tmp_path: Path) -> None:
    project = Watched(tmp_path)
    project.configure("shop", "crm")
    for name in ("shop", "crm"):
        project.say(name, "A")
    workshop = TextWorkshop(project.settings)
    with running(SchemaWatch(project.settings, project.told.put, names=["crm"], workshop=workshop)):
        assert project.hear() == ("crm", "generated")
    assert not project.output("shop").exists()


def test_what_models_import_elsewhere_is_followed_once_it_is_known(tmp_path: Path) -> None:
    project = Watched(tmp_path)
    project.configure("shop")
    project.say("shop", "A")
    project.say("mixins", "")
    workshop = TextWorkshop(project.settings, imported=(str(tmp_path / "mixins.txt"),))
    with running(SchemaWatch(project.settings, project.told.put, workshop=workshop)):
        assert project.hear() == ("shop", "generated")
        workshop.suffix = "B"
        project.say("mixins", "X")
        assert project.hear() == ("shop", "generated")


ORDER = PRODUCT.replace("Product", "Order").replace("products", "orders")


def test_models_that_are_created_renamed_and_deleted_are_followed(tmp_path: Path) -> None:
    package = ModelPackage(tmp_path / "project")
    told: queue.Queue[Notice] = queue.Queue()
    models = package.folder / "app" / "models"

    def hear_of(*names: str) -> None:
        """Returns once schemas of those models, and no others, were generated."""
        while True:
            notice = told.get(timeout=60)
            assert notice.what == "generated", notice
            if set(re.findall(r"class (\w+)Create", package.output.read_text())) == set(names):
                return

    with running(SchemaWatch(package.settings, told.put)):
        hear_of("Product")
        package.write("order", ORDER)
        hear_of("Product", "Order")
        (models / ".order.py.swp").write_text("a draft of an editor")
        (models / "order.py").rename(models / "orders.py")  # which changes no schema
        (models / "deep").mkdir()
        (models / "deep" / "__init__.py").touch()
        (models / "deep" / "item.py").write_text(ORDER.replace("Order", "Item").replace("orders", "items"))
        hear_of("Product", "Order", "Item")
        shutil.rmtree(models / "deep")
        (models / "orders.py").unlink()
        hear_of("Product")


@pytest.mark.parametrize("name", ["a.py", "deep/b.py", "__init__.py"])
def test_modules_are_followed(name: str) -> None:
    assert is_module(Path("/models", name))


@pytest.mark.parametrize(
    "name",
    [".a.py.swp", "a.py~", ".#a.py", "#a.py#", "4913", "a.py___jb_tmp___", "a.py___jb_old___", "a.pyc", "a.txt",
     ".a.py", "a.py.tmp", "a-copy.py", "a.1.py"],
)  # fmt: skip
def test_drafts_and_copies_of_editors_are_not(name: str) -> None:
    assert not is_module(Path("/models", name))
