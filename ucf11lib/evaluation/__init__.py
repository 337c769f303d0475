"""What a model's answers are worth, and what they rest on. A model is handed in, never built."""

# ruff: noqa: F401 - names for outsiders
from ucf11lib.evaluation.metrics import (
    chance_loss,
    expected_calibration_error,
    measure_predictions,
    pairs_table,
    pick_examples,
    reliability_table,
)
from ucf11lib.evaluation.perturbations import PERTURBATIONS, conditions_table
from ucf11lib.evaluation.predict import evaluate, formatted, make_predict
from ucf11lib.evaluation.saliency import explain
from ucf11lib.evaluation.videos import Classifier, predict_video
