"""A real browser, for the pages that this repository writes."""

import json
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FLAGS = ["headless=new", "no-sandbox", "disable-gpu", "disable-background-networking"]
FLAGS += ["no-first-run", "window-size=1300,900"]
LOCAL = ("file:", "data:", "blob:", "about:")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """Chromium; the test is skipped where it or its driver is missing."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in [*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, Service(driver))
    browser.set_network_conditions(offline=True, latency=0, throughput=0)
    browser.get("about:blank")  # instead of the page that it begins with
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium):
    """Chromium without a network; afterwards, no page asked for it or complained of anything."""
    for log in ("browser", "performance"):
        chromium.get_log(log)
    yield chromium
    assert [entry["message"] for entry in chromium.get_log("browser")] == []
    events = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    requests = [one for one in events if one["method"] == "Network.requestWillBeSent"]
    urls = [one["params"]["request"]["url"] for one in requests]
    assert urls
    assert [url for url in urls if not url.startswith(LOCAL)] == []
    chromium.get("about:blank")  # or its page plays on beside the tests that follow
