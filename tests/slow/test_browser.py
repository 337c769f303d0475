"""A real browser: films play in exported notebooks, and controls redraw in JupyterLab."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--no-first-run", "--window-size=1200,1000"]
TOKEN = "browser-test"
SETUP = """\
import numpy as np
from ucf11lib import figures
from ucf11lib.figures.widgets import explore
frames = np.random.default_rng(0).integers(0, 256, (6, 30, 16, 16, 3), dtype=np.uint8)
y_true = np.arange(6) % 2
y_prob = np.stack([np.linspace(0, 1, 6), np.linspace(1, 0, 6)], axis=1)
answers = {"index": np.arange(6), "y_true": y_true, "y_prob": y_prob}"""
PLAY = 'figures.play(frames[:2], ["walking", "diving"], note="drawn")'
PICKER = 'figures.picker(frames, {"c3d": answers}, ("walking", "diving"), note="drawn")'
SLIDER = """\
counts = {epoch: np.diag([epoch, 2]) for epoch in (1, 2, 3)}
figures.epoch_slider({"c3d": counts}, ("walking", "diving"), note="drawn")"""
# Some releases of Chromium give the page no focus, without which no widget is the current one.
RUN_ALL = """
const [panel] = jupyterapp.shell.widgets("main");
jupyterapp.shell.activateById(panel.id);
const run = () => jupyterapp.commands.execute("notebook:run-all-cells");
panel.sessionContext.ready.then(run).then(arguments[0]);
"""
pytestmark = pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="no chromium and chromedriver")


@pytest.fixture
def browser(tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(120)
    yield driver
    driver.quit()


def notebook(*cells):
    cells = list(map(nbformat.v4.new_code_cell, cells))
    kernel = {"name": "python3", "display_name": "Python 3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def wait(browser, condition, seconds=60):
    """Wait for a condition; elements may be missing yet, or be replaced in the meantime."""
    missing = (NoSuchElementException, StaleElementReferenceException)
    waiting = WebDriverWait(browser, seconds, ignored_exceptions=missing)
    return waiting.until(lambda driver: condition())


def errors(browser):
    """The console's errors, apart from scripts on other hosts that are out of reach."""
    lines = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    return [line for line in lines if line["source"] != "network"]


def test_exported_notebook_plays_and_shows_controls_as_pictures(browser, tmp_path):
    executed = NotebookClient(notebook(SETUP, PLAY, PICKER, SLIDER)).execute()
    assert "widgets" not in executed.metadata
    kinds = {kind for cell in executed.cells for out in cell.outputs for kind in out["data"]}
    assert kinds == {"text/html", "text/plain"}
    page = tmp_path / "page.html"
    page.write_text(HTMLExporter(embed_images=True).from_notebook_node(executed)[0])
    browser.get(page.as_uri())
    films = wait(browser, lambda: browser.find_elements(By.TAG_NAME, "video"))
    assert len(films) == 2
    for film in films:
        wait(browser, lambda film=film: film.get_property("readyState") >= 2)
        times = []
        for _ in range(3):
            times.append(film.get_property("currentTime"))
            time.sleep(0.3)
        assert len(set(times)) == 3
        pictures = [film.screenshot_as_png]
        time.sleep(0.5)
        assert film.screenshot_as_png != pictures[0]
    assert len(browser.find_elements(By.CSS_SELECTOR, "img[src^='data:image/png']")) == 1
    assert errors(browser) == []


@contextlib.contextmanager
def jupyter_lab(folder):
    """Start JupyterLab on a free port with folders of its own; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "IPYTHONDIR")}
    own |= {"JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "HOME": str(folder)}
    options = [f"--port={port}", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    options += ["--LabApp.expose_app_in_browser=True", f"--IdentityProvider.token={TOKEN}"]
    options += [f"--ServerApp.root_dir={folder}"]
    command = [sys.executable, "-m", "jupyterlab", *options]
    with (folder / "lab.log").open("w") as log:
        lab = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log, cwd=folder)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and lab.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={TOKEN}", timeout=5)
                break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/lab"
    finally:
        lab.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            lab.wait(30)
        lab.kill()


def first(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, f".jp-OutputArea-output {selector}")


def test_controls_redraw_in_jupyterlab(browser, tmp_path):
    nbformat.write(notebook(SETUP, PICKER, SLIDER), tmp_path / "small.ipynb")
    with jupyter_lab(tmp_path) as address:
        browser.get(f"{address}/tree/small.ipynb?token={TOKEN}")
        wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "[data-status=idle]"))
        browser.execute_async_script(RUN_ALL)
        wait(browser, lambda: first(browser, "video").get_property("currentTime") > 0)
        assert first(browser, "video").get_attribute("title").startswith("walking")
        Select(first(browser, "select")).select_by_visible_text("diving")
        wait(browser, lambda: first(browser, "video").get_attribute("title")[:6] == "diving")
        source = first(browser, "img").get_attribute("src")
        handle = browser.find_elements(By.CSS_SELECTOR, ".noUi-handle")[-1]
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", handle)
        ActionChains(browser).click(handle).send_keys(Keys.ARROW_RIGHT).perform()
        wait(browser, lambda: first(browser, "img").get_attribute("src") != source)
        browser.save_screenshot(str(tmp_path / "lab.png"))
        assert "Traceback" not in browser.find_element(By.CSS_SELECTOR, ".jp-Notebook").text
        assert errors(browser) == []
