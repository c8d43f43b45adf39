"""The command for Django, in a real project of Django REST Framework, with both generators."""

import signal
import sys
from pathlib import Path

import pytest

from syncflow_pipelines.openapi.exporting.scaffolds import write_scaffold
from syncflow_pipelines.openapi.parsing import parse
from syncflow_pipelines_tests.e2e.project_folder import unused_port
from syncflow_pipelines_tests.frameworks.guide import GuideProject, commands_of

pytestmark = [pytest.mark.frameworks, pytest.mark.e2e, pytest.mark.timeout(600)]

SCAFFOLD, ONCE, WATCH = commands_of("Django REST Framework")

PROJECT = {
    "manage.py": """\
import os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
execute_from_command_line(sys.argv)
""",
    "settings.py": """\
SECRET_KEY = "x"
DEBUG = True
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "drf_spectacular", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {"TITLE": "Shop", "VERSION": "2.0.0"}
""",
    "urls.py": """\
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.routers import DefaultRouter
from shop.views import VIEWS
router = DefaultRouter()
for name, view in VIEWS.items():
    router.register(name, view, basename=name)
urlpatterns = [path("", include(router.urls)), path("api/schema/", SpectacularAPIView.as_view())]
""",
    "shop/__init__.py": "",
    "shop/models.py": """\
from django.db import models
class Order(models.Model):
    number = models.CharField(max_length=20)
    total = models.DecimalField(max_digits=10, decimal_places=2)
""",
    "shop/views.py": """\
from rest_framework import serializers, viewsets
from shop.models import Order
class OrderSerializer(serializers.ModelSerializer):
    class Meta:
        model = Order
        fields = ["id", "number", "total"]
class Orders(viewsets.ModelViewSet):
    queryset = Order.objects.all()
    serializer_class = OrderSerializer
VIEWS = {"orders": Orders}
""",
}


@pytest.fixture
def shop(guide: GuideProject) -> GuideProject:
    """A project with drf-spectacular."""
    guide.write(PROJECT)
    write_scaffold("django", guide.path / "shop")
    return guide


def without_spectacular(shop: GuideProject) -> None:
    settings = PROJECT["settings.py"].replace('"drf_spectacular", ', "").partition("REST_FRAMEWORK")[0]
    urls = [line for line in PROJECT["urls.py"].splitlines() if "drf_spectacular" not in line]
    shop.write({
        "settings.py": settings,
        "urls.py": "\n".join(urls).replace(', path("api/schema/", SpectacularAPIView.as_view())', ""),
    })  # fmt: skip


def with_more_views(shop: GuideProject) -> None:
    views = PROJECT["shop/views.py"].replace('{"orders": Orders}', '{"orders": Orders, "returns": Orders}')
    shop.write({"shop/views.py": views})


def test_drf_spectacular_writes_the_document_only_where_it_changed(shop: GuideProject, django_packages: Path) -> None:
    ended = shop.run(ONCE, PYTHONPATH=str(django_packages))
    assert ended.stderr == f"OpenAPI document written to {shop.spec}\n"
    document = parse(shop.spec.read_bytes())
    assert document["info"] == {"title": "Shop", "version": "2.0.0"}
    assert shop.paths() == ["/api/schema/", "/orders/", "/orders/{id}/"]
    assert document["components"]["schemas"]["Order"]["properties"]["total"]["format"] == "decimal"
    before = shop.spec.stat()
    assert shop.run(ONCE, PYTHONPATH=str(django_packages)).stderr == ""
    assert (shop.spec.stat().st_ino, shop.spec.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(shop.path.glob("*.draft")) == []


def test_the_built_in_generator_is_used_without_it(shop: GuideProject, django_packages: Path) -> None:
    without_spectacular(shop)
    shop.run(f"{ONCE} --title Warehouse", PYTHONPATH=str(django_packages))
    document = parse(shop.spec.read_bytes())
    assert document["info"] == {"title": "Warehouse", "version": "1.0.0"}
    assert shop.paths() == ["/orders/", "/orders/{id}/"]
    assert document["paths"]["/orders/"]["get"]["operationId"] == "listOrders"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_code_is_followed_until_a_signal(number: signal.Signals, shop: GuideProject, django_packages: Path) -> None:
    without_spectacular(shop)
    with shop.running(WATCH, PYTHONPATH=str(django_packages)) as follower:
        follower.wait_for("/orders/", "/orders/{id}/")
        changed = ("/orders/", "/orders/{id}/", "/returns/", "/returns/{id}/")
        follower.wait_for_change(lambda: with_more_views(shop), *changed)
        follower.signal_group(number)
        assert follower.process.wait(timeout=60) in (0, 130, -number)


def test_a_server_of_django_is_followed_by_specs_run(shop: GuideProject, django_packages: Path) -> None:
    line = f'syncflow specs run -- "{sys.executable}" manage.py runserver {unused_port()}'
    with shop.running(line, PYTHONPATH=f"{shop.folder.environment()['PYTHONPATH']}:{django_packages}") as backend:
        backend.wait_for("/api/schema/", "/orders/", "/orders/{id}/")
        backend.end()


def test_a_second_scaffold_keeps_the_packages_of_the_app_and_refuses_to_replace_the_command(
    shop: GuideProject,
) -> None:
    shop.run(f"{SCAFFOLD} --force")
    package = shop.path / "shop" / "management" / "__init__.py"
    package.write_text("# mine\n")
    refused = shop.folder.syncflow("specs", "export", "--scaffold", "django", "shop", "--json")
    assert (refused.returncode, "export_openapi.py is there already" in refused.stderr) == (2, True)
    shop.run(f"{SCAFFOLD} --force")
    assert package.read_text() == "# mine\n"
