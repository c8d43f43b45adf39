"""Settings come from the environment and `.env`; a wrong value is refused with all the others."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import Settings, load_settings
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines_tests.unit.config_project import Project


def test_an_empty_environment_has_defaults(project: Project) -> None:
    settings = project.settings()
    assert settings == Settings(config_dir=project.folder / "config", home=project.folder / ".syncflow")
    assert (settings.schema, settings.default_sync_interval_s, settings.max_page_size) == ("bridge", 300, 1000)
    assert (settings.sync_worker_threads, settings.log_level, settings.run_retention_days) == (4, "INFO", 30)
    assert settings.history_retention_days == 365
    assert settings.dagster_url == "http://127.0.0.1:3000"
    assert settings.database_url is None


@pytest.mark.parametrize(
    ("name", "value", "setting", "expected"),
    [
        ("POSTGRES_SCHEMA", "meta", "schema", "meta"),
        ("DEFAULT_SYNC_INTERVAL_SECONDS", "60", "default_sync_interval_s", 60),
        ("MAX_PAGE_SIZE", "500", "max_page_size", 500),
        ("SYNC_WORKER_THREADS", "8", "sync_worker_threads", 8),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("LOG_LEVEL", "warn", "log_level", "WARNING"),
        ("SYNCFLOW_DAGSTER_URL", "HTTP://dagster:3000/", "dagster_url", "http://dagster:3000"),
        ("SYNCFLOW_RUN_RETENTION_DAYS", "7", "run_retention_days", 7),
        ("SYNCFLOW_HISTORY_RETENTION_DAYS", "90", "history_retention_days", 90),
        ("HTTP_PROXY", "proxy:3128", "http_proxy", "http://proxy:3128"),
        ("http_proxy", "http://u:p@proxy:3128/", "http_proxy", "http://u:p@proxy:3128"),
        ("HTTPS_PROXY", "http://proxy:3128", "https_proxy", "http://proxy:3128"),
        ("https_proxy", "https://proxy", "https_proxy", "https://proxy"),
        ("NO_PROXY", "localhost,.example.com", "no_proxy", "localhost,.example.com"),
        ("no_proxy", "*", "no_proxy", "*"),
    ],
)
def test_a_variable_sets_its_setting(project: Project, name: str, value: str, setting: str, expected: Any) -> None:
    assert getattr(project.settings({name: value}), setting) == expected


def test_a_proxy_in_lower_case_wins(project: Project) -> None:
    assert project.settings({"HTTP_PROXY": "upper:1", "http_proxy": "lower:1"}).http_proxy == "http://lower:1"


def test_an_empty_variable_counts_as_unset(project: Project) -> None:
    (project.folder / ".env").write_text("LOG_FILE=/var/log/syncflow.log\n")
    empty = {"LOG_FILE": "", "SYNC_WORKER_THREADS": "", "SYNCFLOW_DATABASE_URL": "", "SYNCFLOW_CONFIG_DIR": ""}
    settings = project.settings(empty)
    assert settings == Settings(config_dir=project.folder / "config", home=project.folder / ".syncflow")


def test_every_mistake_is_told_at_once_with_where_it_is(project: Project) -> None:
    (project.folder / ".env").write_text("# a comment\n\nMAX_PAGE_SIZE=many\nSYNC_WORKER_THREADS=0\n")
    mistakes = project.setting_mistakes({"LOG_LEVEL": "LOUD", "SYNC_WORKER_THREADS": "65", "POSTGRES_SCHEMA": "pg_x"})
    env = project.folder / ".env"
    assert mistakes[0] == f"{env}:3: MAX_PAGE_SIZE: found 'many', expected a whole number from 1 to 100,000"
    assert mistakes[1] == (
        "environment: LOG_LEVEL: found 'LOUD', expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL"
    )
    assert mistakes[2].startswith("environment: POSTGRES_SCHEMA: found 'pg_x', expected letters, digits")
    assert mistakes[3] == "environment: SYNC_WORKER_THREADS: found '65', expected a whole number from 1 to 64"
    assert len(mistakes) == 4


@pytest.mark.parametrize("value", ["1.5", "1e3", "0x10", "007", "1_000", "٣", "-1", "10" * 40, "true"])
def test_a_number_is_written_as_one(project: Project, value: str) -> None:
    [mistake] = project.setting_mistakes({"MAX_PAGE_SIZE": value})
    assert mistake.startswith("environment: MAX_PAGE_SIZE: found ")


@pytest.mark.parametrize(
    "environ",
    [
        {"SYNCFLOW_DATABASE_URL": "mysql://u:s3cret@h/d"},
        {"SYNCFLOW_DATABASE_URL": "host=h password=s3cret"},
        {"SYNCFLOW_DATABASE_URL": "postgresql://u:s3cret @h/d"},
        {"SYNCFLOW_DATABASE_URL": "postgresql://u:p/s3cret@h/d"},
        {"SYNCFLOW_DATABASE_URL": "postgresql://u:s3cret@h:port/d"},
        {"POSTGRES_PASSWORD": "s3cret\ud800"},
        {"POSTGRES_HOST": "u:s3cret@h"},
        {"HTTP_PROXY": "socks5://u:s3cret@h"},
        {"HTTPS_PROXY": "http://u:s3cret@h:port"},
        {"SYNCFLOW_DAGSTER_URL": "http://u:s3cret@h"},
    ],
)
def test_a_refused_secret_is_not_told(project: Project, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        project.settings(environ)
    assert len(refused.value.mistakes) == 1
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_settings_show_no_password(project: Project) -> None:
    settings = project.settings(
        {
            "SYNCFLOW_DATABASE_URL": "postgresql://user:s3cret@db/d?sslpassword=s3cret&sslmode=require",
            "HTTP_PROXY": "http://u:s3cret@proxy:1",
            "HTTPS_PROXY": "http://u:s3cret@proxy:1",
        }
    )
    for shown in (repr(settings), str(settings.shown())):
        assert "s3cret" not in shown
        assert "postgresql://user:***@db/d" in shown


def test_settings_survive_pickling(project: Project) -> None:
    for settings in (project.settings(), load_settings(None, project.folder)):
        assert pickle.loads(pickle.dumps(settings)) == settings


class TestFolders:
    def test_relative_paths_of_the_environment_start_at_the_working_folder(self, project: Project) -> None:
        settings = project.settings({"SYNCFLOW_HOME": "../state", "LOG_FILE": "logs/x.log"})
        assert settings.home == project.folder.parent / "state"
        assert settings.log_file == project.folder / "logs" / "x.log"

    def test_relative_paths_of_a_dotenv_start_at_its_folder(self, project: Project, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (project.folder / ".env").write_text("SYNCFLOW_HOME=./.state\n")
        settings = load_settings({"SYNCFLOW_CONFIG_DIR": str(project.folder / "config")}, elsewhere)
        assert settings.home == project.folder / ".state"

    def test_a_dotenv_of_the_working_folder_may_say_where_the_configuration_is(
        self, project: Project, tmp_path: Path
    ) -> None:
        (tmp_path / "other" / "conf").mkdir(parents=True)
        (tmp_path / "other" / ".env").write_text("LOG_LEVEL=ERROR\nMAX_PAGE_SIZE=5\n")
        (project.folder / ".env").write_text("SYNCFLOW_CONFIG_DIR=other/conf\nMAX_PAGE_SIZE=6\n")
        settings = project.settings()
        assert settings.config_dir == tmp_path / "other" / "conf"
        assert settings.project_dir == tmp_path / "other"
        assert (settings.log_level, settings.max_page_size) == ("ERROR", 6)

    def test_a_folder_of_configuration_that_is_named_must_exist(self, project: Project) -> None:
        [mistake] = project.setting_mistakes({"SYNCFLOW_CONFIG_DIR": "/no/such"})
        assert mistake == "environment: SYNCFLOW_CONFIG_DIR: found '/no/such', expected a folder that exists"

    def test_the_default_folder_need_not_exist(self, tmp_path: Path) -> None:
        assert load_settings({"SYNCFLOW_CONFIG_DIR": "./config"}, tmp_path).config_dir == tmp_path / "config"

    def test_home_cannot_be_a_file(self, project: Project) -> None:
        (project.folder / "state").write_text("")
        [mistake] = project.setting_mistakes({"SYNCFLOW_HOME": "state"})
        assert mistake.endswith("expected a folder, or nothing yet")

    def test_a_tilde_is_the_home_of_the_user(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(project.folder))
        assert project.settings({"SYNCFLOW_HOME": "~/state"}).home == project.folder / "state"
        assert project.settings({"SYNCFLOW_HOME": "~no-such-user/state"}).home.name == "state"

    def test_paths_are_absolute_wherever_one_is(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(project.folder)
        assert load_settings({}, Path("config/..")).config_dir == project.folder / "config"

    def test_a_working_folder_that_is_gone_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        with pytest.raises(ConfigurationError, match="working folder is gone"):
            load_settings({})


class TestDatabase:
    @pytest.mark.parametrize(
        "scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg", "POSTGRESQL"]
    )
    def test_any_scheme_of_postgresql_becomes_the_plain_one(self, project: Project, scheme: str) -> None:
        url = f"{scheme}://u:p%40@h:5433/d?sslmode=require"
        settings = project.settings({"SYNCFLOW_DATABASE_URL": url})
        assert settings.database_url == "postgresql://u:p%40@h:5433/d?sslmode=require"

    @pytest.mark.parametrize("url", ["postgresql://a:1,b:2/d", "postgresql:///d?host=/run", "postgresql://[::1]:5/d"])
    def test_what_libpq_takes_is_taken(self, project: Project, url: str) -> None:
        assert project.settings({"SYNCFLOW_DATABASE_URL": url}).database_url == url

    def test_parts_are_quoted(self, project: Project) -> None:
        parts = {"HOST": "db", "PORT": "5433", "DB": "a/b", "USER": "u@x", "PASSWORD": "p:/?#[]@ %é"}
        settings = project.settings({f"POSTGRES_{name}": value for name, value in parts.items()})
        assert settings.database_url == ("postgresql://u%40x:p%3A%2F%3F%23%5B%5D%40%20%25%C3%A9@db:5433/a%2Fb")

    def test_the_url_goes_before_the_parts(self, project: Project) -> None:
        environ = {"SYNCFLOW_DATABASE_URL": "postgresql://h/d", "POSTGRES_HOST": "other"}
        assert project.settings(environ).database_url == "postgresql://h/d"

    @pytest.mark.parametrize("name", ["POSTGRES_SCHEMA", "POSTGRES_PORT"])
    def test_a_schema_or_a_port_names_no_database(self, project: Project, name: str) -> None:
        assert project.settings({name: "5432" if name == "POSTGRES_PORT" else "meta"}).database_url is None

    def test_a_socket_and_an_ipv6_address_are_hosts(self, project: Project) -> None:
        socket = project.settings({"POSTGRES_HOST": "/var/run/postgresql", "POSTGRES_DB": "d", "POSTGRES_PORT": "6"})
        assert socket.database_url == "postgresql:///d?host=%2Fvar%2Frun%2Fpostgresql&port=6"
        assert project.settings({"POSTGRES_HOST": "::1"}).database_url == "postgresql://[::1]/"
