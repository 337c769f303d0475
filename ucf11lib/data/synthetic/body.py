"""From a scene's joint angles to the shapes that are drawn."""

import numpy as np

from ucf11lib.data.synthetic.scene import KNEE, LOWER, SHIN, TORSO, UPPER, Scene


def _joints(scene: Scene) -> dict[str, np.ndarray]:
    """Return body joints by name, each (T, 3), in body heights."""

    def step(start: np.ndarray, angle: np.ndarray, length: float) -> np.ndarray:
        turned = angle + roll
        return start + length * np.stack([np.sin(turned), -np.cos(turned), 0 * turned], axis=-1)

    zero = np.zeros(len(scene.pelvis))
    roll = zero + scene.roll
    pelvis = np.column_stack([scene.pelvis, zero])
    neck = step(pelvis, np.pi - scene.lean, TORSO)
    joints = {"pelvis": pelvis, "neck": neck, "head": step(neck, np.pi - scene.lean, 0.11)}
    for side, z in ((0, 1.0), (1, -1.0)):
        shoulder = neck + [0, 0, 0.10 * z]
        hip = pelvis + [0, 0, 0.06 * z]
        upper, bend = scene.arms[side]
        elbow = step(shoulder, zero + upper, UPPER)
        thigh, knee_bend = scene.legs[side]
        knee = step(hip, zero + thigh, KNEE)
        joints |= {
            f"shoulder{side}": shoulder,
            f"elbow{side}": elbow,
            f"hand{side}": step(elbow, zero + upper + bend, LOWER),
            f"hip{side}": hip,
            f"knee{side}": knee,
            f"foot{side}": step(knee, zero + thigh + knee_bend, SHIN),
        }
    return joints


def body_shapes(scene: Scene) -> list[tuple[np.ndarray, float, str]]:
    """Return what to draw, back to front: points (T, k, 3), width in body heights, colour name.

    A single point is a disc.
    """
    j = _joints(scene)

    def limb(names: str, side: int) -> np.ndarray:
        return np.stack([j[f"{name}{side}"] for name in names.split()], axis=1)

    shapes = [(points, width, colour) for points, width, colour in scene.sticks]
    for side in (0, 1):
        if side == 1:
            shapes.append((np.stack([j["pelvis"], j["neck"]], axis=1), 0.17, "shirt"))
            shapes.append((j["head"][:, None], 0.15, "skin"))
        shapes.append((limb("hip knee foot", side), 0.085, "trousers"))
        shapes.append((limb("shoulder elbow", side), 0.07, "shirt"))
        shapes.append((limb("elbow hand", side), 0.055, "skin"))
    return shapes + [
        (centre[:, None], 2 * radius, colour) for centre, radius, colour in scene.balls
    ]
