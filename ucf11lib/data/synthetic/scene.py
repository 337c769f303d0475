"""An articulated body and the things around it, in one sequence, and the shapes that are drawn.

Angles are radians from straight down, positive towards the facing direction; lengths are in body
heights; x points forward, y up, z to the performer's left; the ground is y = 0. What does not move
may lack the axis of time, T.
"""

from dataclasses import dataclass, field

import numpy as np

TAU = 2 * np.pi
KNEE, SHIN, TORSO, UPPER, LOWER = 0.24, 0.24, 0.30, 0.16, 0.15
Angle = np.ndarray | float


@dataclass(frozen=True)
class Style:
    """How one performer moves."""

    rate: float  # cycles a second
    vigour: float  # factor on the size of movements, about 1
    lean: float  # radians that the trunk leans forward of its usual place
    prop: float  # size of things, about 1: length of a stick, radius of a ball


@dataclass
class Scene:
    """One sequence's body and things."""

    pelvis: np.ndarray  # (T, 3)
    lean: Angle  # trunk, radians forward of upright
    arms: tuple  # (left, right) of (shoulder angle, elbow bend)
    legs: tuple  # (left, right) of (hip angle, knee bend)
    roll: Angle = 0.0  # rotation of the whole body about the pelvis
    sticks: list = field(default_factory=list)  # (points (T, k, 3), width, colour name), joined
    balls: list = field(default_factory=list)  # (centre (T, 3), radius, colour name)


def sway(u: np.ndarray, low: float, high: float) -> np.ndarray:
    """Go smoothly between `low` and `high`, once there and back a cycle."""
    return low + (high - low) * (0.5 - 0.5 * np.cos(TAU * u))


def hop(u: np.ndarray, airborne: float) -> np.ndarray:
    """Return the height, 0..1, of a jump that lasts `airborne` of each cycle."""
    phase = np.clip((u % 1.0) / airborne, 0, 1)
    return 4 * phase * (1 - phase)


def point(x: Angle, y: Angle, z: Angle = 0.0) -> np.ndarray:
    """Stack coordinates, broadcast over time, to (T, 3)."""
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1).astype(float)


def line(*points: np.ndarray) -> np.ndarray:
    """Stack points, broadcast over time, to (T, k, 3)."""
    return np.stack(np.broadcast_arrays(*points), axis=-2)


def direction(angle: Angle) -> np.ndarray:
    """Return the unit vector, (T, 3), of a limb at `angle`."""
    return point(np.sin(angle), -np.cos(angle))


def hands(scene: Scene) -> np.ndarray:
    """Return the middle of both hands, (T, 3), where both arms move alike and nothing rolls."""
    shoulder, elbow = scene.arms[0]
    neck = scene.pelvis + TORSO * point(np.sin(scene.lean), np.cos(scene.lean))
    return neck + UPPER * direction(shoulder) + LOWER * direction(shoulder + elbow)


def standing(u: np.ndarray, crouch: Angle, style: Style, arms: tuple, reach: Angle = 0.0) -> Scene:
    """A body on both feet, `reach` ahead of the middle, with knees bent by `crouch` radians."""
    bend = crouch + 0 * u
    return Scene(
        pelvis=point(reach, (KNEE + SHIN) * np.cos(bend / 2)),
        lean=style.lean + 0 * u,
        arms=arms,
        legs=((bend / 2 + 0.1, -bend), (bend / 2 - 0.1, -bend)),
    )


def body_shapes(scene: Scene) -> list[tuple[np.ndarray, float, str]]:
    """Return what to draw, back to front: points (T, k, 3), width in body heights, colour name.

    A single point is a disc.
    """
    roll = scene.roll + np.zeros(len(scene.pelvis))

    def joint(start: np.ndarray, angle: Angle, length: float) -> np.ndarray:
        return start + length * direction(angle + roll)

    neck = joint(scene.pelvis, np.pi - scene.lean, TORSO)
    head = joint(neck, np.pi - scene.lean, 0.11)

    def limbs(side: int, sign: int) -> list[tuple[np.ndarray, float, str]]:
        shoulder = neck + [0, 0, 0.10 * sign]
        hip = scene.pelvis + [0, 0, 0.06 * sign]
        upper, elbow_bend = scene.arms[side]
        elbow = joint(shoulder, upper, UPPER)
        thigh, knee_bend = scene.legs[side]
        knee = joint(hip, thigh, KNEE)
        return [
            (line(hip, knee, joint(knee, thigh + knee_bend, SHIN)), 0.085, "trousers"),
            (line(shoulder, elbow), 0.07, "shirt"),
            (line(elbow, joint(elbow, upper + elbow_bend, LOWER)), 0.055, "skin"),
        ]

    trunk = [(line(scene.pelvis, neck), 0.17, "shirt"), (line(head), 0.15, "skin")]
    balls = [(line(centre), 2 * radius, colour) for centre, radius, colour in scene.balls]
    return [*scene.sticks, *limbs(0, 1), *trunk, *limbs(1, -1), *balls]
