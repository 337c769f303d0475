"""The choreography of the synthetic data: what body and object do in each of the eleven classes.

A motion maps phase `u` (cycles, float (T,)) and a performer's `Style` to a `Scene`. Several classes
share poses and things on purpose (a ball above the hands, a stick in both hands, a body in the
air), so that a single frame is ambiguous: two pairs are the same frame by frame, and only speed and
direction of time tell them apart.
"""

from collections.abc import Callable

import numpy as np

from ucf11lib.data.synthetic.scene import TAU, Scene, Style, hand, hop, line, point, standing, sway

SLOW, FAST = 1.0, 3.0  # cycles of two classes that differ in tempo, over the performer's own


def basketball(u: np.ndarray, style: Style) -> Scene:
    """Crouch, stretch, and send the ball up and away, slowly."""
    return _throw(SLOW * u, style)


def volleyball_spiking(u: np.ndarray, style: Style) -> Scene:
    """Meet a ball that comes down from in front: a throw the other way round, and fast."""
    return _throw(-FAST * u, style)


def _throw(u: np.ndarray, style: Style) -> Scene:
    raised, bend = sway(u, 1.4, 2.9), 0.5 + 0 * u
    scene = standing(
        u, sway(u + 0.5, 0.1, 0.9 * style.vigour), style, arms=((raised, bend), (raised, bend))
    )
    held = (hand(scene, 0) + hand(scene, 1)) / 2
    flight = np.clip((u % 1.0 - 0.5) / 0.45, 0, 1)
    away = point(held[:, 0] + 0.75 * flight, held[:, 1] + 0.75 * flight - 0.45 * flight**2)
    scene.balls.append((away + point(0, 0.05), 0.06 * style.prop, "thing"))
    return scene


def golf_swing(u: np.ndarray, style: Style) -> Scene:
    """Swing a stick through and back, slowly."""
    return _stick_swing(SLOW * u, style)


def tennis_swing(u: np.ndarray, style: Style) -> Scene:
    """Swing a stick through and back, fast: frame by frame a golf swing."""
    return _stick_swing(FAST * u, style)


def _stick_swing(u: np.ndarray, style: Style) -> Scene:
    angle = sway(u, -1.8 * style.vigour, 1.8 * style.vigour)
    bend = 0.25 + 0 * u
    scene = standing(u, 0.35 + 0 * u, style, arms=((angle, bend), (angle, bend)))
    scene.lean = scene.lean + 0.3
    grip = (hand(scene, 0) + hand(scene, 1)) / 2
    reach = 0.34 * style.prop
    tip = grip + point(reach * np.sin(angle + 0.3), -reach * np.cos(angle + 0.3))
    scene.sticks.append((line(grip, tip), 0.035, "thing"))
    return scene


def diving(u: np.ndarray, style: Style) -> Scene:
    """Leave the board upright, turn over in the air, go down head first."""
    phase = u % 1.0
    air = np.clip((phase - 0.15) / 0.75, 0, 1)
    tuck = np.sin(np.pi * air)
    reach = 2.6 - 0.8 * tuck
    return Scene(
        pelvis=np.stack(
            [0.15 + 0.35 * air, 0.62 + 0.9 * style.vigour * air * (1 - air) * 2 - 0.45 * air],
            axis=-1,
        ),
        lean=style.lean + 0.5 * tuck,
        arms=((reach, 0.2 + 0 * u), (reach, 0.2 + 0 * u)),
        legs=((0.9 * tuck, -1.2 * tuck), (0.8 * tuck, -1.2 * tuck)),
        roll=-np.pi * 0.95 * air,
        sticks=[(line(point(-0.7 + 0 * u, 0.12), point(0.15 + 0 * u, 0.12)), 0.05, "stand")],
    )


def trampoline_jumping(u: np.ndarray, style: Style) -> Scene:
    """Bounce, upright, legs drawn up on top of the bounce."""
    high = hop(u, 0.8)
    arms = sway(u, 2.2, 3.0)
    return Scene(
        pelvis=np.stack([0.15 + 0 * u, 0.52 + 0.45 * high], axis=-1),
        lean=style.lean + 0.4 * high,
        arms=((arms, 0.2 + 0 * u), (arms, 0.2 + 0 * u)),
        legs=((0.9 * high, -1.2 * high), (0.8 * high, -1.2 * high)),
        sticks=[(line(point(-0.35 + 0 * u, 0.12), point(0.65 + 0 * u, 0.12)), 0.05, "stand")],
    )


def biking(u: np.ndarray, style: Style) -> Scene:
    """Sit on a bicycle and pedal: the legs circle, half a turn apart; the seat stays level."""
    scene = _mounted(u, style, bob=0 * u)
    scene.legs = tuple(
        (1.05 + 0.45 * np.cos(TAU * (u + shift)), -1.1 + 0.6 * np.sin(TAU * (u + shift)))
        for shift in (0, 0.5)
    )
    scene.balls += [(point(x + 0 * u, 0.17), 0.17, "thing") for x in (-0.34, 0.38)]
    return scene


def horse_riding(u: np.ndarray, style: Style) -> Scene:
    """Sit on a horse: the seat rises and falls with the gait, the rider's legs hang."""
    bob = 0.13 * style.vigour * np.sin(TAU * u)
    scene = _mounted(u, style, bob=bob)
    dangle = 0.18 * np.sin(TAU * u)
    scene.legs = ((1.05 + dangle, -1.1 - dangle), (1.0 + dangle, -1.05 - dangle))
    for centre, lag in ((-0.32, 0.0), (0.36, 0.3)):
        step = 0.16 * np.sin(TAU * (u + lag))
        for side in (-1, 1):
            leg = line(point(centre, 0.5 + bob), point(centre + side * step, 0.0))
            scene.sticks.append((leg, 0.06, "thing"))
    return scene


def _mounted(u: np.ndarray, style: Style, *, bob: np.ndarray) -> Scene:
    """A rider with hands in front, and the trunk of what is ridden."""
    arms = 1.2 + 0.15 * np.sin(TAU * u)
    trunk = line(point(-0.36, 0.5 + bob), point(0.4, 0.52 + bob), point(0.55, 0.7 + bob))
    return Scene(
        pelvis=np.stack([0 * u, 0.62 + bob], axis=-1),
        lean=style.lean + 0.35 + 0 * u,
        arms=((arms, 0.3 + 0 * u), (arms, 0.3 + 0 * u)),
        legs=(),
        sticks=[(trunk, 0.11, "thing")],
    )


def soccer_juggling(u: np.ndarray, style: Style) -> Scene:
    """Kick a ball up with one foot then the other; it bounces between knee and hip."""
    lift = [
        1.2 * style.vigour * hop(u + shift, 0.5) * ((u + shift) % 1.0 < 0.5) for shift in (0.0, 0.5)
    ]
    high = hop(2 * u + 0.5, 1.0)
    scene = standing(
        u, 0.2 + 0 * u, style, arms=((0.5 + 0 * u, 0.5 + 0 * u), (-0.3 + 0 * u, 0.5 + 0 * u))
    )
    scene.legs = tuple((0.9 * bend, -0.8 * bend) for bend in lift)
    scene.balls.append((point(0.38, 0.22 + 0.5 * high), 0.08 * style.prop, "thing"))
    return scene


def walking(u: np.ndarray, style: Style) -> Scene:
    """Step out, arms against legs, with a small dog that trots in front."""
    stride = 0.55 * style.vigour * np.sin(TAU * u)
    knee = [-0.7 * np.clip(np.cos(TAU * u), 0, 1), -0.7 * np.clip(-np.cos(TAU * u), 0, 1)]
    arms = ((-0.8 * stride, 0.4 + 0 * u), (0.8 * stride, 0.4 + 0 * u))
    scene = standing(
        u, 0.1 + 0.1 * np.abs(np.sin(TAU * u)), style, reach=0.12 * np.sin(TAU * u / 4), arms=arms
    )
    scene.legs = ((stride, knee[0]), (-stride, knee[1]))
    trot = 0.05 * np.sin(2 * TAU * u)
    scene.balls.append(
        (point(0.42 + 0.05 * np.sin(TAU * u), 0.16 + trot), 0.07 * style.prop, "thing")
    )
    return scene


def swing_ride(u: np.ndarray, style: Style) -> Scene:
    """Sit on a swing: body, ropes and seat rotate about a beam overhead."""
    angle = 0.65 * style.vigour * np.sin(TAU * u * 0.8)
    length, beam = 0.85, 1.35
    seat = np.stack([length * np.sin(angle), beam - length * np.cos(angle)], axis=-1)
    kick = 1.1 + 0.6 * np.sin(TAU * u * 0.8)
    ropes = line(point(0 * u, beam), point(seat[:, 0], seat[:, 1]))
    return Scene(
        pelvis=seat,
        lean=style.lean - 0.5 * angle,
        arms=((2.2 + 0 * u, 0.3 + 0 * u), (2.2 + 0 * u, 0.3 + 0 * u)),
        legs=((1.3 + 0 * u, -kick), (1.25 + 0 * u, -kick)),
        sticks=[(ropes, 0.025, "stand")],
    )


MOTIONS: dict[str, Callable[[np.ndarray, Style], Scene]] = {
    "basketball": basketball,
    "biking": biking,
    "diving": diving,
    "golf_swing": golf_swing,
    "horse_riding": horse_riding,
    "soccer_juggling": soccer_juggling,
    "swing": swing_ride,
    "tennis_swing": tennis_swing,
    "trampoline_jumping": trampoline_jumping,
    "volleyball_spiking": volleyball_spiking,
    "walking": walking,
}
