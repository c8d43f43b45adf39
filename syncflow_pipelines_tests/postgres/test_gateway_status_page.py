"""The status page and the documentation, in a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from syncflow_pipelines.config import Settings
from syncflow_pipelines_tests.e2e.project_folder import unused_port
from syncflow_pipelines_tests.postgres.gateway_served import PATIENCE_S, Served, serving, write_gateway
from syncflow_pipelines_tests.server.browser import browsing, complaints, in_a_browser
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend

pytestmark = [pytest.mark.browser, pytest.mark.slow, in_a_browser]

HOSTILE = "/</th><script>document.title='taken'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def _browser_once() -> Iterator[Chrome]:
    with browsing() as browser:
        yield browser


@pytest.fixture
def browser(_browser_once: Chrome) -> Chrome:
    complaints(_browser_once)
    return _browser_once


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """A gateway with an endpoint that does well, one that is broken, and one that was switched off."""
    with RecordingBackend() as backend:
        write_gateway(
            settings,
            {"name": "shop", "url": f"{backend.url}/shop/v1", "health_check_path": "/health"},
            {"name": "broken", "url": f"http://127.0.0.1:{unused_port()}", "health_check_path": "/health"},
            {"name": "old", "url": backend.url, "disabled": True},
            health_check={"enabled": True, "interval": 3600, "unhealthy_threshold": 1},
        )
        with serving(settings) as running:
            config = {"name": "hostile", "url": backend.url, "description": HOSTILE}
            running.client.post("/registry/endpoints", json={"config": config})
            for number in range(8):
                running.client.get(f"/orchestrator/shop/{number}")
                running.client.get(f"/orchestrator/broken/{number}")
            for name in ("shop", "broken"):
                running.client.post(f"/health/check/{name}")
            yield running


def row(browser: Chrome, name: str) -> list[str]:
    """The cells of the endpoint's row, its heading the first."""
    found = browser.find_element(By.XPATH, f"//tr[th[contains(., '{name}')]]")
    return [cell.text for cell in found.find_elements(By.XPATH, "./th|./td")]


def test_the_page_shows_how_every_endpoint_does(served: Served, browser: Chrome, tmp_path: Path) -> None:
    browser.get(f"{served.url}/status?refresh=0")
    assert browser.title == "Degraded · SyncFlow gateway"
    assert [cell.split("\n")[:2] for cell in row(browser, "broken")[1:3]] == [["■", "Unhealthy"], ["■", "Open"]]
    assert row(browser, "broken")[5:7] == ["8", "8"]
    assert [cell.split("\n") for cell in row(browser, "shop")[1:3]] == [["●", "Healthy"], ["●", "Closed"]]
    assert float(row(browser, "shop")[3]) <= float(row(browser, "shop")[4].replace(",", ""))
    assert row(browser, "old")[1] == "○\nDisabled"
    endpoints, errors = browser.find_elements(By.TAG_NAME, "table")
    assert [one.text for one in errors.find_elements(By.XPATH, ".//tbody/tr/td[2]")] == ["broken@v1"] * 5
    assert all(cell.get_attribute("scope") for cell in endpoints.find_elements(By.TAG_NAME, "th"))
    assert browser.find_elements(By.TAG_NAME, "script") == []
    assert complaints(browser) == []
    assert browser.save_screenshot(str(tmp_path / "light.png"))


def test_the_page_follows_by_itself_until_it_is_told_to_stop(served: Served, browser: Chrome) -> None:
    browser.get(f"{served.url}/status")
    served.client.get("/orchestrator/hostile/x")
    WebDriverWait(browser, PATIENCE_S).until(lambda _: row(browser, "hostile")[5] == "1")
    browser.find_element(By.LINK_TEXT, "stop that").click()
    assert browser.find_elements(By.CSS_SELECTOR, "meta[http-equiv=refresh]") == []


def test_both_colour_schemes_can_be_read(served: Served, tmp_path: Path) -> None:
    with browsing(is_dark=True) as dark:
        dark.get(f"{served.url}/status?refresh=0")
        assert _lightness(dark, "body") < 64
        assert dark.save_screenshot(str(tmp_path / "dark.png"))


def test_the_documentation_shows_every_operation(served: Served, browser: Chrome, tmp_path: Path) -> None:
    browser.get(f"{served.url}/docs")
    names = [one.get_attribute("id") for one in browser.find_elements(By.TAG_NAME, "article")]
    assert {"registerEndpoint", "reloadConfig", "getHealthSummary", "debugRoute"} <= set(names)
    assert complaints(browser) == []
    assert browser.save_screenshot(str(tmp_path / "docs.png"))


def _lightness(browser: Chrome, element: str) -> float:
    colour = browser.find_element(By.TAG_NAME, element).value_of_css_property("background-color")
    red, green, blue = (int(part) for part in colour.removeprefix("rgba(").split(",")[:3])
    return (red + green + blue) / 3
