"""An articulated body and the things around it, in one sequence.

Angles are radians from straight down, positive towards the facing direction; lengths are in body
heights; x points forward, y up, z to the performer's left; the ground is y = 0.
"""

from dataclasses import dataclass, field

import numpy as np

TAU = 2 * np.pi
KNEE, SHIN, TORSO, UPPER, LOWER = 0.24, 0.24, 0.30, 0.16, 0.15


@dataclass(frozen=True)
class Style:
    """How one performer moves.

    Attributes:
        rate: cycles a second.
        vigour: factor on the size of movements, about 1.
        lean: radians that the trunk leans forward of its usual place.
        prop: size of things, about 1: length of a stick, radius of a ball.
    """

    rate: float
    vigour: float
    lean: float
    prop: float


@dataclass
class Scene:
    """One sequence's body and things; every array is (T,) or (T, 2) or (T, k, 3).

    Attributes:
        pelvis: (T, 2), forward and up.
        lean: trunk, radians forward of upright.
        arms: (left, right) of (shoulder angle, elbow bend).
        legs: (left, right) of (hip angle, knee bend).
        roll: rotation of the whole body about the pelvis.
        sticks: (points (T, k, 3), width, colour name) drawn as joined lines.
        balls: (centre (T, 3), radius, colour name).
    """

    pelvis: np.ndarray
    lean: np.ndarray
    arms: tuple
    legs: tuple
    roll: np.ndarray | float = 0.0
    sticks: list = field(default_factory=list)
    balls: list = field(default_factory=list)


def sway(u: np.ndarray, low: float, high: float) -> np.ndarray:
    """Go smoothly between `low` and `high`, once there and back a cycle."""
    return low + (high - low) * (0.5 - 0.5 * np.cos(TAU * u))


def hop(u: np.ndarray, airborne: float) -> np.ndarray:
    """Return the height, 0..1, of a jump that lasts `airborne` of each cycle."""
    phase = np.clip((u % 1.0) / airborne, 0, 1)
    return 4 * phase * (1 - phase)


def point(x, y, z=0.0) -> np.ndarray:
    """Stack coordinates, broadcast over time, to (T, 3)."""
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1).astype(float)


def line(*points: np.ndarray) -> np.ndarray:
    """Stack points, broadcast over time, to (T, k, 3)."""
    return np.stack(np.broadcast_arrays(*points), axis=-2)


def hand(scene: Scene, side: int) -> np.ndarray:
    """Return where a hand is, (T, 3), without roll; `side` 0 is left."""
    shoulder_angle, elbow = scene.arms[side]
    neck = scene.pelvis + TORSO * np.stack([np.sin(scene.lean), np.cos(scene.lean)], axis=-1)
    elbow_at = neck + UPPER * np.stack([np.sin(shoulder_angle), -np.cos(shoulder_angle)], axis=-1)
    bent = shoulder_angle + elbow
    at = elbow_at + LOWER * np.stack([np.sin(bent), -np.cos(bent)], axis=-1)
    return point(at[:, 0], at[:, 1], 0.1 if side == 0 else -0.1)


def standing(
    u: np.ndarray, crouch: np.ndarray, style: Style, reach: np.ndarray | float = 0.0, **parts
) -> Scene:
    """A body on both feet with knees bent by `crouch` radians."""
    zero = np.zeros_like(u)
    bend = crouch + zero
    height = (KNEE + SHIN) * np.cos(bend / 2)
    return Scene(
        pelvis=np.stack([zero + reach, height], axis=-1),
        lean=style.lean + zero,
        arms=parts.pop("arms"),
        legs=((bend / 2 + 0.1, -bend), (bend / 2 - 0.1, -bend)),
        **parts,
    )
