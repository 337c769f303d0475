"""The explorer in a real browser: two runs of one store, with names that are markup."""

import itertools
import json
import shutil

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
from sklearn.metrics import confusion_matrix

from ucf11lib import models, paths
from ucf11lib.report import explore
from ucf11lib.runs import Run

HOSTILE = "</script><script>hacked=1</script><img src=x onerror=hacked=1>"
CARDS = "return [...document.querySelectorAll('.card')].map(card => Number(card.dataset.i))"
SELECTED = "return [...document.querySelectorAll('#matrix [aria-pressed=true]')].map(b => b.title)"
FOCUSED = "return Number(document.activeElement.dataset.i)"
PLAYS = "return document.activeElement.querySelector('video')?.paused === false"
STAGE = "return document.querySelector('.stage video')?.src"
LOADED = "return arguments[0].querySelector('video')?.videoWidth"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, trained, store):
    """Two runs with drawn answers on a store of which a class, its groups and clips are markup."""
    folder = tmp_path_factory.mktemp("explorer")
    shutil.copytree(store.path, folder / "store")
    for path in (folder / "store" / "store.json", folder / "store" / "index.csv"):
        path.write_text(path.read_text().replace("biking", HOSTILE))
    info = json.loads((folder / "store" / "store.json").read_text())
    info["sha256"]["index"] = paths.sha256(folder / "store" / "index.csv")
    (folder / "store" / "store.json").write_text(json.dumps(info))
    copies = []
    for seed, name in enumerate(("first", "second")):
        shutil.copytree(trained.path, folder / name)
        config = json.loads((folder / name / "config.json").read_text())
        config |= {"store": str(folder / "store"), "store_sha256": info["sha256"]}
        (folder / name / "config.json").write_text(json.dumps(config))
        answers = {key: trained.predictions[key] for key in ("index", "y_true")}
        noise = np.random.default_rng(seed).dirichlet(np.full(11, 0.3), len(answers["index"]))
        answers["y_prob"] = 0.6 * noise + 0.4 * np.eye(11)[answers["y_true"]]
        np.savez(folder / name / "predictions.npz", **answers)
        copies.append(Run.open(folder / name))
    return copies


@pytest.fixture(scope="module")
def page(runs):
    """The explorer of both runs, as an address."""
    return explore(runs, models.load).as_uri()


@pytest.fixture
def explorer(browser, page):
    """The browser with the page open."""
    browser.get(page)
    return browser


def until(explorer, script, expected, *arguments):
    """Wait until a script returns a value."""
    wait = WebDriverWait(explorer, 10, poll_frequency=0.02)
    try:
        wait.until(lambda browser: browser.execute_script(script, *arguments) == expected)
    except Exception:
        assert explorer.execute_script(script, *arguments) == expected
        raise


def choose(explorer, name, value):
    explorer.find_element("css selector", f"[name={name}] option[value='{value}']").click()


def answers(run):
    """The predicted and the true class of each held-out sequence, and its loss."""
    saved = run.predictions
    loss = -np.log(saved["y_prob"][np.arange(len(saved["index"])), saved["y_true"]])
    return saved["y_prob"].argmax(axis=1), saved["y_true"], loss.round(4)


def test_explore_each_cell_shows_its_sequences(explorer, runs):
    predicted, true, _ = answers(runs[0])
    confusion = confusion_matrix(true, predicted, labels=np.arange(11))
    assert len(set(confusion.ravel())) > 3
    for i, j in itertools.product(range(11), range(11)):
        cell = f"#matrix tbody tr:nth-child({i + 1}) td:nth-child({j + 2}) button"
        button = explorer.find_element("css selector", cell)
        assert button.text == (str(confusion[i, j]) if confusion[i, j] else "·")
        title = button.get_attribute("title")
        button.click()
        until(explorer, SELECTED, [title])
        assert explorer.switch_to.active_element.get_attribute("title") == title
        shown = explorer.execute_script(CARDS)
        assert sorted(shown) == np.flatnonzero((true == i) & (predicted == j)).tolist()


def test_explore_sorts_and_compares(explorer, runs):
    (first, true, loss), (second, _, other_loss) = map(answers, runs)
    assert explorer.execute_script(CARDS) == np.argsort(-loss, kind="stable").tolist()
    choose(explorer, "show", "differ")
    until(explorer, f"{CARDS}.length", int((first != second).sum()))
    choose(explorer, "show", "all")
    both = "return [form.elements.run.value, form.elements.other.value]"
    assert explorer.execute_script(both) == ["0", "1"]
    other = explorer.find_element("css selector", "[name=other] option[value='0']")
    assert not other.is_enabled()  # a run is compared with another one
    choose(explorer, "run", "1")
    until(explorer, CARDS, np.argsort(-other_loss, kind="stable").tolist())
    choose(explorer, "show", "wrong")
    until(explorer, f"{CARDS}.length", int((second != true).sum()))


def test_explore_back_restores_the_filter(explorer, runs):
    predicted, true, _ = answers(runs[0])
    choose(explorer, "show", "wrong")
    wrong = int((predicted != true).sum())
    until(explorer, f"{CARDS}.length", wrong)
    explorer.find_element("css selector", "#matrix tbody tr:nth-child(3) th button").click()
    until(explorer, f"{CARDS}.length", int((true == 2).sum()))
    explorer.back()
    until(explorer, f"{CARDS}.length", wrong)
    explorer.back()
    until(explorer, f"{CARDS}.length", len(true))
    explorer.get(explorer.current_url.partition("#")[0] + "#run=9&sort=x&true=-1&card=1e9")
    until(explorer, f"{CARDS}.length", len(true))


def test_explore_keyboard(explorer):
    def press(key):
        explorer.switch_to.active_element.send_keys(key)

    cards = explorer.execute_script(CARDS)
    press(Keys.ARROW_RIGHT)
    until(explorer, FOCUSED, cards[0])
    press(Keys.ARROW_RIGHT)
    until(explorer, FOCUSED, cards[1])
    press(Keys.ARROW_DOWN)
    below = cards.index(explorer.execute_script(FOCUSED))
    assert below > 2
    press(Keys.ARROW_UP)
    until(explorer, FOCUSED, cards[1])
    until(explorer, PLAYS, True)
    press(Keys.SPACE)
    until(explorer, PLAYS, False)
    press("f")
    until(explorer, "return document.querySelector('dialog').open", True)
    press(Keys.ARROW_RIGHT)
    until(explorer, "return location.hash.includes(arguments[0])", True, f"card={cards[2]}")
    clip = explorer.execute_script(STAGE)
    press("c")
    until(explorer, f"{STAGE} !== arguments[0]", True, clip)
    stage = explorer.find_element("css selector", ".stage")
    until(explorer, LOADED, 64, stage)
    paused = "return document.querySelector('.stage video').paused"
    until(explorer, paused, False)
    press(Keys.SPACE)  # on the button "Pause"
    until(explorer, paused, True)
    press("c")
    until(explorer, STAGE, clip)
    assert explorer.execute_script(paused)  # as the reader left it
    press(Keys.ESCAPE)
    until(explorer, "return document.querySelector('dialog').open", False)
    until(explorer, FOCUSED, cards[2])


def test_explore_every_sequence_plays_while_it_is_in_view(explorer):
    cards = explorer.find_elements("css selector", ".card")
    for card in cards:
        explorer.execute_script("arguments[0].scrollIntoView()", card)
        until(explorer, LOADED, 64, card)
    assert len(explorer.find_elements("css selector", "video")) < len(cards)


def test_explore_names_are_text(explorer, runs):
    explorer.find_element("css selector", "#matrix tbody tr:nth-child(2) th button").click()
    until(explorer, "return document.querySelector('.card .true').textContent", HOSTILE)
    explorer.find_element("css selector", ".card").click()
    place = "return document.getElementById('zoom-place').textContent.includes(arguments[0])"
    until(explorer, place, True, HOSTILE)
    assert len(explorer.find_elements("css selector", "#track button")) == 2  # one a sequence
    assert explorer.execute_script("return window.hacked ?? document.images.length") == 0
    assert explorer.execute_script("return document.scripts.length") == 2
