"""From a scene's joint angles to the shapes that are drawn."""

import numpy as np

from ucf11lib.data.synthetic.scene import KNEE, LOWER, SHIN, TORSO, UPPER, Scene


def _joints(scene: Scene) -> dict[str, np.ndarray]:
    """Return body joints by name, each (T, 3), in body heights."""

    def step(start: np.ndarray, angle: np.ndarray, length: float) -> np.ndarray:
        turned = angle + roll
        return start + length * np.stack([np.sin(turned), -np.cos(turned), 0 * turned], axis=-1)

    roll = np.zeros(len(scene.pelvis)) + scene.roll
    neck = step(scene.pelvis, np.pi - scene.lean, TORSO)
    joints = {"pelvis": scene.pelvis, "neck": neck, "head": step(neck, np.pi - scene.lean, 0.11)}
    for side, z in ((0, 1.0), (1, -1.0)):
        shoulder = neck + [0, 0, 0.10 * z]
        hip = scene.pelvis + [0, 0, 0.06 * z]
        upper, bend = scene.arms[side]
        elbow = step(shoulder, upper, UPPER)
        thigh, knee_bend = scene.legs[side]
        knee = step(hip, thigh, KNEE)
        joints |= {
            f"shoulder{side}": shoulder,
            f"elbow{side}": elbow,
            f"hand{side}": step(elbow, upper + bend, LOWER),
            f"hip{side}": hip,
            f"knee{side}": knee,
            f"foot{side}": step(knee, thigh + knee_bend, SHIN),
        }
    return joints


def body_shapes(scene: Scene) -> list[tuple[np.ndarray, float, str]]:
    """Return what to draw, back to front: points (T, k, 3), width in body heights, colour name.

    A single point is a disc.
    """
    j = _joints(scene)

    def limb(names: str, side: int) -> np.ndarray:
        return np.stack([j[f"{name}{side}"] for name in names.split()], axis=1)

    shapes = list(scene.sticks)
    for side in (0, 1):
        if side == 1:
            shapes.append((np.stack([j["pelvis"], j["neck"]], axis=1), 0.17, "shirt"))
            shapes.append((j["head"][:, None], 0.15, "skin"))
        shapes.append((limb("hip knee foot", side), 0.085, "trousers"))
        shapes.append((limb("shoulder elbow", side), 0.07, "shirt"))
        shapes.append((limb("elbow hand", side), 0.055, "skin"))
    return shapes + [(centre[:, None], 2 * size, colour) for centre, size, colour in scene.balls]
