"""Where and how the gateway listens: options, the environment, defaults."""

from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import load_settings
from syncflow_pipelines.config.serving import Serving, load_serving
from syncflow_pipelines.errors import ConfigurationError


def said(cwd: Path, environment: dict[str, str], **options: Any) -> Serving:
    return load_serving(load_settings(environment, cwd=cwd), **options)


def test_without_a_word_it_is_this_machine_and_port_8000(tmp_path: Path) -> None:
    assert said(tmp_path, {}) == Serving("127.0.0.1", 8000, None, None, False, 1, "uvicorn", None, 0.0)


def test_an_option_goes_before_api_host_and_that_before_host(tmp_path: Path) -> None:
    shell = {"HOST": "10.0.0.1", "PORT": "9000"}
    ours = {**shell, "API_HOST": "10.0.0.2", "API_PORT": "0"}
    assert (said(tmp_path, shell).host, said(tmp_path, shell).port) == ("10.0.0.1", 9000)
    assert (said(tmp_path, ours).host, said(tmp_path, ours).port) == ("10.0.0.2", 0)
    assert said(tmp_path, ours, host="[::1]", port=None).host == "::1"


def test_every_option_has_a_variable(tmp_path: Path) -> None:
    environment = {
        "LOG_LEVEL": "debug", "RELOAD": "true", "SYNCFLOW_SERVE_WORKERS": "2", "SYNCFLOW_SERVE_SERVER": "granian",
        "SYNCFLOW_SERVE_GRACE_PERIOD": "1.5", "SYNCFLOW_SERVE_DRAIN_DELAY": "3",
    }  # fmt: skip
    found = said(tmp_path, environment)
    assert (found.log_level, found.reload, found.workers, found.server) == ("DEBUG", True, 2, "granian")
    assert (found.grace_period_s, found.drain_delay_s) == (1.5, 3.0)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    environment = {"HOST": "http://x:1", "PORT": "70000", "RELOAD": "perhaps", "SYNCFLOW_SERVE_SERVER": "nginx"}
    with pytest.raises(ConfigurationError) as caught:
        said(tmp_path, environment)
    assert [mistake.split(":")[1].strip() for mistake in caught.value.mistakes] == [
        "HOST", "PORT", "RELOAD", "SYNCFLOW_SERVE_SERVER",
    ]  # fmt: skip
