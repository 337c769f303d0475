import numpy as np
import pytest

from ucf11lib import models
from ucf11lib.runs import named_recipe


def test_r2plus1d_has_the_weights_of_3d_convolutions():
    """Tran et al., section 3.5: the channels between space and time are chosen so."""
    model = models.build("r2plus1d", named_recipe("repaired", "r2plus1d"))
    kernels = {layer.name: layer.kernel.shape for layer in model.layers if hasattr(layer, "kernel")}
    for name in ("block1_first", "block2_first", "block2_second", "block3_first", "block3_second"):
        space, time = kernels[f"{name}_space"], kernels[f"{name}_time"]
        assert (space[:3], time[:3]) == ((1, 3, 3), (3, 1, 1))
        weights = np.prod(space) + np.prod(time)
        assert weights == pytest.approx(27 * space[-2] * time[-1], rel=0.03)  # units are fours
