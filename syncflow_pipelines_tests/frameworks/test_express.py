"""The files for Express, in a real application of Express with swagger-jsdoc."""

import json
import signal
import urllib.request
from pathlib import Path

import pytest

from syncflow_pipelines.openapi.exporting.scaffolds import write_scaffold
from syncflow_pipelines.openapi.parsing import parse
from syncflow_pipelines_tests.e2e.project_folder import unused_port, wait_until
from syncflow_pipelines_tests.frameworks.guide import GuideProject, commands_of, files_of

pytestmark = [pytest.mark.frameworks, pytest.mark.e2e, pytest.mark.timeout(600)]

SCAFFOLD, _, ONCE, WATCH = commands_of("Express")
SECOND = "/**\n * @openapi\n * /items:\n *   get:\n *     responses:\n *       200: { description: items }\n */\n"


@pytest.fixture
def shop(guide: GuideProject, node_modules: Path) -> GuideProject:
    """The application of the guide, with the files that are written for it."""
    guide.write(files_of("Express"))
    write_scaffold("express", guide.path)
    (guide.path / "node_modules").symlink_to(node_modules)
    return guide


def orders(shop: GuideProject) -> Path:
    return shop.path / "routes" / "orders.js"


def test_the_document_of_the_comments_is_written_only_where_it_changed(shop: GuideProject) -> None:
    shop.run(ONCE)
    document = parse(shop.spec.read_bytes())
    assert document["info"] == {"title": "My API", "version": "1.0.0"}
    assert document["paths"]["/orders"]["get"]["operationId"] == "listOrders"
    before = shop.spec.stat()
    shop.run(ONCE)
    assert (shop.spec.stat().st_ino, shop.spec.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    orders(shop).write_text(orders(shop).read_text() + SECOND)
    shop.run(ONCE)
    assert shop.paths() == ["/orders", "/items"]
    assert shop.spec.stat().st_ino != before.st_ino
    assert sorted(path.name for path in shop.path.glob("openapi*")) == [
        "openapi-export.cjs", "openapi-options.cjs", "openapi.json",
    ]  # fmt: skip


def test_a_mistake_in_a_comment_fails_and_leaves_the_file(shop: GuideProject) -> None:
    shop.run(ONCE)
    before = shop.spec.read_bytes()
    orders(shop).write_text(orders(shop).read_text() + SECOND.replace("responses:", "responses: ["))
    with pytest.raises(AssertionError, match="Error"):
        shop.run(ONCE)
    assert shop.spec.read_bytes() == before


def test_a_server_exports_as_it_starts_and_follows_its_comments_in_development(shop: GuideProject) -> None:
    port = str(unused_port())
    with shop.running("node server.js", NODE_ENV="development", PORT=port) as server:
        server.wait_for("/orders")
        text = orders(shop).read_text()
        orders(shop).write_text(text + SECOND.replace("responses:", "responses: ["))
        server.wait_for_output("OpenAPI document not written: ")
        assert shop.paths() == ["/orders"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/orders", timeout=60) as answer:
            assert json.load(answer) == []
        draft = shop.path / "draft"
        draft.write_text(text + SECOND)
        draft.rename(orders(shop))
        server.wait_for("/orders", "/items")
        (shop.path / "routes" / "more").mkdir()
        shop.write({"routes/more/parts.js": SECOND.replace("/items", "/parts")})
        server.wait_for_all("/orders", "/items", "/parts")
        server.end(signal.SIGTERM)


def test_a_server_in_production_follows_nothing_and_a_script_that_exports_ends(shop: GuideProject) -> None:
    shop.write({"once.js": "require('./openapi-export.cjs').exportOnStart();\n"})
    for environment in ("production", "development"):
        shop.spec.unlink(missing_ok=True)
        shop.run("node once.js", NODE_ENV=environment)
        assert shop.paths() == ["/orders"]


def test_without_a_server_the_comments_are_followed_until_ctrl_c(shop: GuideProject) -> None:
    with shop.running(WATCH) as follower:
        follower.wait_for("/orders")
        orders(shop).write_text(orders(shop).read_text() + SECOND)
        follower.wait_for("/orders", "/items")
        assert follower.end() == -signal.SIGINT


def test_a_project_of_es_modules_takes_the_same_files(shop: GuideProject) -> None:
    server = "import { exportOpenApi } from './openapi-export.cjs';\nconsole.log(exportOpenApi());\n"
    shop.write({"package.json": '{"type": "module"}', "server.js": server})
    orders(shop).unlink()
    shop.write({"routes/items.js": f"{SECOND}export default null;\n"})
    assert shop.run("node server.js").stdout == "true\n"
    assert shop.run("node server.js").stdout == "false\n"
    assert shop.paths() == ["/items"]


def test_a_folder_that_cannot_be_written_does_not_keep_the_server_from_starting(shop: GuideProject) -> None:
    options = shop.path / "openapi-options.cjs"
    options.write_text(options.read_text().replace("'openapi.json'", "'/proc/nowhere/openapi.json'"))
    port = str(unused_port())
    with shop.running("node server.js", PORT=port) as server:
        server.wait_for_output("OpenAPI document not written: ")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/orders", timeout=60) as answer:
            assert json.load(answer) == []
        server.end()


def test_files_that_are_there_are_not_touched_without_force(shop: GuideProject) -> None:
    (shop.path / "openapi-export.cjs").unlink()
    options = shop.path / "openapi-options.cjs"
    options.write_text("mine")
    refused = shop.folder.syncflow("specs", "export", "--scaffold", "express")
    assert (refused.returncode, "is there already; --force replaces it" in refused.stderr) == (2, True)
    assert options.read_text() == "mine"
    assert not (shop.path / "openapi-export.cjs").exists()
    shop.run(f"{SCAFFOLD} --force")
    shop.run(ONCE)
    wait_until(lambda: shop.paths() == ["/orders"], "the document")
