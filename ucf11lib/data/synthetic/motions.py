"""The choreography of the synthetic data: what body and object do in each of the eleven classes.

A motion maps phase `u` (cycles, float (T,)) and a performer's `Style` to a `Scene`. Several classes
share poses and things on purpose (a ball above the hands, a stick in both hands, a body in the
air), so that a single frame is ambiguous. Two pairs are the same frame by frame, and only speed and
direction of time tell them apart.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from ucf11lib.data.synthetic.scene import TAU, Scene, Style, hands, hop, line, point, standing, sway

SLOW, FAST = 1.0, 3.0  # cycles of two classes that differ in tempo, over the performer's own


def throw(u: np.ndarray, style: Style, tempo: float) -> Scene:
    """Crouch, stretch, and send the ball up and away; backwards, meet one that comes down."""
    u = tempo * u
    raised = sway(u, 1.4, 2.9)
    crouch = sway(u + 0.5, 0.1, 0.9 * style.vigour)
    scene = standing(u, crouch, style, arms=((raised, 0.5), (raised, 0.5)))
    flight = np.clip((u % 1.0 - 0.5) / 0.45, 0, 1)
    away = hands(scene) + point(0.75 * flight, 0.75 * flight - 0.45 * flight**2)
    scene.balls.append((away + point(0, 0.05), 0.06 * style.prop, "thing"))
    return scene


def swing_stick(u: np.ndarray, style: Style, tempo: float) -> Scene:
    """Swing a stick through and back."""
    u = tempo * u
    angle = sway(u, -1.8 * style.vigour, 1.8 * style.vigour)
    scene = standing(u, 0.35, style, arms=((angle, 0.25), (angle, 0.25)))
    scene.lean = scene.lean + 0.3
    grip = hands(scene)
    reach = 0.34 * style.prop
    tip = grip + point(reach * np.sin(angle + 0.3), -reach * np.cos(angle + 0.3))
    scene.sticks.append((line(grip, tip), 0.035, "thing"))
    return scene


def diving(u: np.ndarray, style: Style) -> Scene:
    """Leave the board upright, turn over in the air, go down head first."""
    air = np.clip((u % 1.0 - 0.15) / 0.75, 0, 1)
    tuck = np.sin(np.pi * air)
    reach = 2.6 - 0.8 * tuck
    height = 0.62 + 0.9 * style.vigour * air * (1 - air) * 2 - 0.45 * air
    return Scene(
        pelvis=point(0.15 + 0.35 * air, height),
        lean=style.lean + 0.5 * tuck,
        arms=((reach, 0.2), (reach, 0.2)),
        legs=((0.9 * tuck, -1.2 * tuck), (0.8 * tuck, -1.2 * tuck)),
        roll=-np.pi * 0.95 * air,
        sticks=[(line(point(-0.7, 0.12), point(0.15, 0.12)), 0.05, "stand")],
    )


def trampoline_jumping(u: np.ndarray, style: Style) -> Scene:
    """Bounce, upright, legs drawn up on top of the bounce."""
    high = hop(u, 0.8)
    raised = sway(u, 2.2, 3.0)
    return Scene(
        pelvis=point(0.15, 0.52 + 0.45 * high),
        lean=style.lean + 0.4 * high,
        arms=((raised, 0.2), (raised, 0.2)),
        legs=((0.9 * high, -1.2 * high), (0.8 * high, -1.2 * high)),
        sticks=[(line(point(-0.35, 0.12), point(0.65, 0.12)), 0.05, "stand")],
    )


def biking(u: np.ndarray, style: Style) -> Scene:
    """Sit on a bicycle and pedal: the legs circle, half a turn apart; the seat stays level."""
    legs = tuple(
        (1.05 + 0.45 * np.cos(TAU * turn), -1.1 + 0.6 * np.sin(TAU * turn)) for turn in (u, u + 0.5)
    )
    scene = _mounted(u, style, 0 * u, legs)
    scene.balls += [(point(x, 0.17), 0.17, "thing") for x in (-0.34, 0.38)]
    return scene


def horse_riding(u: np.ndarray, style: Style) -> Scene:
    """Sit on a horse: the seat rises and falls with the gait, the rider's legs hang."""
    bob = 0.13 * style.vigour * np.sin(TAU * u)
    dangle = 0.18 * np.sin(TAU * u)
    legs = ((1.05 + dangle, -1.1 - dangle), (1.0 + dangle, -1.05 - dangle))
    scene = _mounted(u, style, bob, legs)
    for centre, lag in ((-0.32, 0.0), (0.36, 0.3)):
        step = 0.16 * np.sin(TAU * (u + lag))
        for side in (-1, 1):
            leg = line(point(centre, 0.5 + bob), point(centre + side * step, 0.0))
            scene.sticks.append((leg, 0.06, "thing"))
    return scene


def _mounted(u: np.ndarray, style: Style, bob: np.ndarray, legs: tuple) -> Scene:
    """A rider with hands in front, and the trunk of what is ridden."""
    arm = (1.2 + 0.15 * np.sin(TAU * u), 0.3)
    trunk = line(point(-0.36, 0.5 + bob), point(0.4, 0.52 + bob), point(0.55, 0.7 + bob))
    sticks = [(trunk, 0.11, "thing")]
    return Scene(point(0, 0.62 + bob), style.lean + 0.35, (arm, arm), legs, sticks=sticks)


def soccer_juggling(u: np.ndarray, style: Style) -> Scene:
    """Kick a ball up with one foot then the other; it bounces between knee and hip."""
    scene = standing(u, 0.2, style, arms=((0.5, 0.5), (-0.3, 0.5)))
    lift = [1.2 * style.vigour * hop(turn, 0.5) * (turn % 1.0 < 0.5) for turn in (u, u + 0.5)]
    scene.legs = tuple((0.9 * bend, -0.8 * bend) for bend in lift)
    height = 0.22 + 0.5 * hop(2 * u + 0.5, 1.0)
    scene.balls.append((point(0.38, height), 0.08 * style.prop, "thing"))
    return scene


def walking(u: np.ndarray, style: Style) -> Scene:
    """Step out, arms against legs, with a small dog that trots in front."""
    stride = 0.55 * style.vigour * np.sin(TAU * u)
    arms = ((-0.8 * stride, 0.4), (0.8 * stride, 0.4))
    crouch = 0.1 + 0.1 * np.abs(np.sin(TAU * u))
    scene = standing(u, crouch, style, arms, reach=0.12 * np.sin(TAU * u / 4))
    left, right = (-0.7 * np.clip(turn, 0, 1) for turn in (np.cos(TAU * u), -np.cos(TAU * u)))
    scene.legs = ((stride, left), (-stride, right))
    dog = point(0.42 + 0.05 * np.sin(TAU * u), 0.16 + 0.05 * np.sin(2 * TAU * u))
    scene.balls.append((dog, 0.07 * style.prop, "thing"))
    return scene


def swing(u: np.ndarray, style: Style) -> Scene:
    """Sit on a swing: body, ropes and seat rotate about a beam overhead."""
    angle = 0.65 * style.vigour * np.sin(TAU * u * 0.8)
    length, beam = 0.85, 1.35
    seat = point(length * np.sin(angle), beam - length * np.cos(angle))
    kick = 1.1 + 0.6 * np.sin(TAU * u * 0.8)
    return Scene(
        pelvis=seat,
        lean=style.lean - 0.5 * angle,
        arms=((2.2, 0.3), (2.2, 0.3)),
        legs=((1.3, -kick), (1.25, -kick)),
        sticks=[(line(point(0, beam), seat), 0.025, "stand")],
    )


MOTIONS: dict[str, Callable[[np.ndarray, Style], Scene]] = {
    "basketball": partial(throw, tempo=SLOW),
    "biking": biking,
    "diving": diving,
    "golf_swing": partial(swing_stick, tempo=SLOW),
    "horse_riding": horse_riding,
    "soccer_juggling": soccer_juggling,
    "swing": swing,
    "tennis_swing": partial(swing_stick, tempo=FAST),
    "trampoline_jumping": trampoline_jumping,
    "volleyball_spiking": partial(throw, tempo=-FAST),
    "walking": walking,
}
