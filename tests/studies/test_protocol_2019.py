import pandas as pd

from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.studies.protocol_2019 import CURVES, STUDY, WIDER, draw


def points():
    return {
        config: labels for stage in STUDY.stages([]) for config, labels in stage.points().items()
    }


def test_runs_are_2019s_recipe_and_stop():
    for config, labels in points().items():
        name = config.model if config.model in REPORTED else "vgg9"
        recipe = RunConfig.of(model=name, recipe="2019").recipe
        assert (config.recipe.target_accuracy, config.recipe.batch_size) == (0.75, 16)
        assert (config.recipe == recipe) == (labels["model"] != "vgg9 mean of softmaxes")
        assert config.health == (config.recipe.head == "logits")
        width = 0.5 if labels["model"].endswith("half width") else None
        assert config.profile.width == (width or RunConfig.of(model=name).profile.width)
        assert config.precision == "float32"


def test_runs_are_three_seeds_of_each():
    kinds = [(labels["split"], labels["model"]) for labels in points().values()]
    counts = pd.DataFrame(kinds, columns=["split", "model"]).value_counts()
    assert set(counts["random"]) == set(counts["group"]) == {3}
    assert {model for split, model in kinds if split == "group"} == {*REPORTED, *WIDER}
    assert len({model for split, model in kinds if split == "random"}) == 7


def test_draw_has_a_panel_a_model_with_losses_above_accuracies():
    rows = [
        {"model": model, "split": "random", "seed": seed}
        | {label: [0.1 * seed, 0.2, 0.3] for label in CURVES}
        for model in ("c3d", "vgg9 mean of logits") for seed in (0, 1)
    ]  # fmt: skip
    figure = draw(pd.DataFrame(rows), "note")
    assert [axes.get_title() for axes in figure.axes] == ["C3D", "VGG9 mean of logits", "", ""]
    losses, accuracies = figure.axes[::2]
    assert (losses.get_ylabel(), accuracies.get_ylabel()) == ("training loss", "held-out accuracy")
    assert list(losses.lines[1].get_xydata()[0]) == [1, 0.1]
