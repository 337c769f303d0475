"""An articulated body and the things around it, in one sequence.

Angles are radians from straight down, positive towards the facing direction; lengths are in body
heights; x points forward, y up, z to the performer's left; the ground is y = 0.
"""

from dataclasses import dataclass, field

import numpy as np

TAU = 2 * np.pi
Track = np.ndarray | float  # (T,), or the same in all frames
KNEE, SHIN, TORSO, UPPER, LOWER = 0.24, 0.24, 0.30, 0.16, 0.15


@dataclass(frozen=True)
class Style:
    """How one performer moves."""

    rate: float  # cycles a second
    vigour: float  # factor on the size of movements, about 1
    lean: float  # radians that the trunk leans forward of its usual place
    prop: float  # factor on the size of things, about 1: length of a stick, radius of a ball


@dataclass
class Scene:
    """One sequence's body and things."""

    pelvis: np.ndarray  # (T, 3)
    lean: Track  # trunk, forward of upright
    arms: tuple  # (left, right) of (shoulder angle, elbow bend)
    legs: tuple  # (left, right) of (hip angle, knee bend)
    roll: Track = 0.0  # of the body about the pelvis
    sticks: list = field(default_factory=list)  # (points (T, k, 3), width, colour name), joined
    balls: list = field(default_factory=list)  # (centre (T, 3), radius, colour name)


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
    shoulder, elbow = scene.arms[side]
    neck = scene.pelvis + TORSO * point(np.sin(scene.lean), np.cos(scene.lean))
    bent = shoulder + elbow
    elbow_at = neck + UPPER * point(np.sin(shoulder), -np.cos(shoulder))
    return elbow_at + point(LOWER * np.sin(bent), -LOWER * np.cos(bent), 0.1 - 0.2 * side)


def standing(u: np.ndarray, crouch: Track, style: Style, arms: tuple, reach: Track = 0) -> Scene:
    """A body on both feet with knees bent by `crouch` radians, `reach` forward."""
    bend = crouch + np.zeros_like(u)
    pelvis = point(reach, (KNEE + SHIN) * np.cos(bend / 2))
    legs = ((bend / 2 + 0.1, -bend), (bend / 2 - 0.1, -bend))
    return Scene(pelvis, style.lean, arms, legs)
