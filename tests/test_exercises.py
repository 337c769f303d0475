"""The exercises: solutions pass, blanks and wrong answers get the hint that helps."""

import re
import sys

import matplotlib
import nbformat
import numpy as np
import pytest

from ucf11lib import paths

FOLDER = paths.NOTEBOOKS / "exercises"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
BLANK = "blank"


def cells(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


def solution(name):
    """The solution's source for each blank."""
    return (FOLDER / "solutions" / f"{name[2:]}.py").read_text().split("# %%\n")


@pytest.fixture(scope="module", autouse=True)
def _checks_beside_the_notebooks():
    matplotlib.use("agg")
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return what an exercise's names are before its first blank; each is prepared once."""
    names = {}

    def prepare(name):
        if name not in names:
            names[name] = {}
            for cell in cells(name):
                if tagged(cell, BLANK):
                    break
                source = "\n".join(x for x in cell.source.splitlines() if x[:1] != "%")
                exec(source, names[name])
        return dict(names[name])

    return prepare


def answer(name, space, sources):
    """Fill the blanks in order and run all that follows the first of them."""
    sources, begun = iter(sources), False
    for cell in cells(name):
        begun = begun or tagged(cell, BLANK)
        if begun:
            exec(next(sources) if tagged(cell, BLANK) else cell.source, space)


def changed(name, old, new, blank=0):
    """The solution with one change."""
    sources = solution(name)
    assert old in sources[blank]
    sources[blank] = sources[blank].replace(old, new)
    return sources


ONE, TWO, THREE, FOUR, FIVE = NAMES
WRONG = {
    "small steps": (ONE, '{"head": "softmax", "inputs": "raw"}', '{"learning_rate": 1e-8}',
                    "small steps are not small gradients"),
    "moves no more": (ONE, '"double_softmax": {"head": "softmax"}',
                      '"double_softmax": {"head": "softmax", "inputs": "raw"}', "second fault"),
    "bounded": (ONE, '{"learning_rate": 10}', '{"head": "softmax"}', "it needs logits"),
    "not saturated": (ONE, '{"head": "softmax", "inputs": "raw"}', '{"head": "softmax"}',
                      "saturate the softmax"),
    "guess": (ONE, "math.log(math.e + 10) - 1", "math.log(11)", "not ln 11, a guess's loss"),
    "indices": (TWO, "store.clips[parts.validation], store.clips[parts.train]",
                "parts.validation, parts.train", "store indices never overlap"),
    "classes": (TWO, "store.groups[parts.validation], store.groups[parts.train]",
                "store.labels[parts.validation], store.labels[parts.train]",
                "a class is on both sides by design"),
    "verdict": (TWO, '"A": "video", "B": "group"', '"A": "group", "B": "video"', "verdict A"),
    "one kernel": (THREE, "middle, (1, 3, 3)", "middle, (3, 3, 3)", "first space"),
    "no bottleneck": (THREE, "Conv3D(middle", "Conv3D(channels", "the formula's 57 filters"),
    "linear": (THREE, "x = keras.layers.ReLU()(x)", "", "without a ReLU between"),
    "no gradient": (THREE, "x = keras.layers.ReLU()(x)",
                    "x = keras.ops.stop_gradient(keras.layers.ReLU()(x))", "gets no gradient"),
    "no padding": (THREE, ', padding="same"', "", "look at padding"),
    "batch": (FOUR, "return spectrum.reshape(n, -1)",
              "return (spectrum - spectrum.mean(axis=0)).reshape(n, -1)", "a leak"),
    "colours": (FOUR, "return spectrum.reshape(n, -1)",
                "return frames.mean(axis=(1, 2, 3))", "colours belong to the group"),
    "no mean": (FIVE, "weights * channels", "tf.cast(gradient, tf.float32) * channels",
                "the weights are means"),
    "all channels": (FIVE, "heat = np.maximum(tf.reduce_sum(weights * channels, axis=-1)[0], 0)",
                     "heat = np.maximum(weights * channels, 0)[0]", "sum over channels"),
    "not divided": (FIVE, "heat / heat.max()", "heat / heat.max() / 2", "the maximum is 0.5"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_solution_passes(name, prepared, capsys):
    capsys.readouterr()
    answer(name, prepared(name), solution(name))
    assert capsys.readouterr().out.count("right: ") == len(solution(name))


@pytest.mark.slow
@pytest.mark.parametrize("other", [{"learning_rate": 1}, {"learning_rate": 10, "head": "logits"}])
def test_other_right_answers_pass(other, prepared, capsys):
    answer(ONE, prepared(ONE), changed(ONE, '{"learning_rate": 10}', str(other)))
    assert "right: three faults" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_blank_gets_a_hint(name, prepared):
    space = prepared(name)
    blanks = [cell.source for cell in cells(name) if tagged(cell, BLANK)]
    for filled in range(len(blanks)):
        sources = solution(name)[:filled] + blanks[filled:]
        with pytest.raises(AssertionError, match="is still blank") as caught:
            answer(name, dict(space), sources)
        assert caught.value._render_traceback_() == [f"Not yet: {caught.value}"]


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG)
def test_wrong_answer_gets_its_hint(case, prepared):
    name, old, new, hint = WRONG[case]
    with pytest.raises(AssertionError, match=re.escape(hint)):
        answer(name, prepared(name), changed(name, old, new))


def test_wrong_answer_to_a_question_gets_its_hint(prepared):
    with pytest.raises(AssertionError, match="a network with random weights"):
        answer(FIVE, prepared(FIVE), changed(FIVE, '"b"', '"c"', blank=1))


def test_exercises_are_stripped_and_small():
    assert len(NAMES) == 5
    assert len((FOLDER / "checks.py").read_text().splitlines()) <= 200
    for name in NAMES:
        notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        assert notebook.cells[0].source.startswith(f"# Exercise {name[0]}: ")
        assert not [cell for cell in cells(name) if cell.outputs or cell.execution_count]
        assert np.all([len(cell.source.splitlines()) <= 20 for cell in cells(name)])
        assert sum(tagged(cell, "parameters") for cell in cells(name)) == 1
