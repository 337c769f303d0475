"""Do half precision, or a processor without AVX512, change how accurate the models are?

The repaired models in bfloat16 and in float32, with the same seeds, splits and weights at the
start; then in float32 with oneDNN, which multiplies and convolves, limited to AVX2 by its own
switch (https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html).

Expect: differences within a seed of up to five points, in both directions; means alike.

    python -m ucf11lib study precision --force  # 39 trainings, estimated 80 min on 2 cores
"""

import os
from dataclasses import replace

from ucf11lib import figures, paths
from ucf11lib.runs import REPORTED, RunConfig
from ucf11lib.studies.speed import run_in_process
from ucf11lib.studies.study import Study, over
from ucf11lib.training import train_or_load

LIMITED = "float32, AVX2"
ISA = "AVX2"  # oneDNN's name of the instructions that it may use


def limited_row(config: RunConfig) -> list[dict]:
    """Train in a process whose oneDNN has no AVX512; return accuracy and seconds."""
    return [run_in_process(_train_limited, config, str(paths.runs_dir() / "avx2"), ISA)]


def _train_limited(config: RunConfig, runs: str, isa: str) -> dict:
    os.environ |= {"ONEDNN_MAX_CPU_ISA": isa, "UCF11_RUNS": runs}
    metrics = train_or_load(config, log=lambda line: None).metrics
    return {key: metrics[key] for key in ("accuracy", "seconds", "n_val")}


STUDY = Study(
    name="precision",
    question="Do half precision, or a processor without AVX512, change how accurate models are?",
    base=RunConfig.of(model="c3d"),
    axes={
        "model": over("model", REPORTED),
        "arithmetic": over("precision", ("bfloat16", "float32")),
    },
    seeds=(0, 1, 2, 3, 4),
    metrics=("accuracy", "seconds", "n_val"),
    figure=lambda table, note: figures.dots(
        table, condition="arithmetic", panel="model", note=note
    ),
)
LIMITED_AXES = STUDY.axes | {"arithmetic": {LIMITED: {"precision": "float32"}}}
LIMITED_STAGE = replace(STUDY, axes=LIMITED_AXES, seeds=(0, 1, 2), measure=limited_row)
STUDY = replace(STUDY, then=(LIMITED_STAGE,))
