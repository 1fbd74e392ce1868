"""Procedural scenes: what the demo's images show, how they are drawn, and how people caption them.

A scene is a background and one to five shapes in a unit square. The square is drawn into the centre of an
image of any size, so that a centre crop never cuts a shape off; only background lies outside it. Everything
is drawn at three times the size and reduced, because Pillow's drawing itself has no antialiasing.

Captions come from a small grammar in two manners: *terse* ("a small red circle above a large blue square")
and *full* ("this picture shows a small red circle above a large blue square. the background is grey."). Both
say only what is visible, so that a caption can be checked against its scene (`caption_is_right`).
"""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

COLOURS = {
    "red": (214, 40, 40),
    "green": (42, 157, 66),
    "blue": (38, 84, 214),
    "yellow": (250, 216, 40),
    "orange": (247, 127, 20),
    "purple": (126, 50, 168),
    "pink": (250, 130, 190),
    "black": (18, 18, 20),
    "white": (252, 252, 252),
}
BACKGROUNDS = {
    "grey": (150, 152, 156),
    "beige": (232, 216, 184),
    "sky blue": (158, 212, 242),
    "mint": (176, 232, 200),
    "brown": (112, 78, 52),
    "navy": (24, 34, 74),
}
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "diamond", "crescent")
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}
# Colours too close to a background to be told apart on it.
CLASHES = {("black", "navy"), ("white", "beige"), ("blue", "navy")}
RADII = {"small": (0.07, 0.09), "": (0.125, 0.145), "large": (0.185, 0.205)}
PLACES = {
    "in the middle": (0.5, 0.5),
    "at the top": (0.5, 0.22),
    "at the bottom": (0.5, 0.78),
    "on the left": (0.22, 0.5),
    "on the right": (0.78, 0.5),
    "in the top left corner": (0.22, 0.22),
    "in the top right corner": (0.78, 0.22),
    "in the bottom left corner": (0.22, 0.78),
    "in the bottom right corner": (0.78, 0.78),
}
RELATIONS = {
    "above": ("above", "over"),
    "below": ("below", "under"),
    "left": ("to the left of",),
    "right": ("to the right of",),
    "on": ("inside", "in front of"),
}
OPPOSITES = {"above": "below", "left": "right", "below": "above", "right": "left"}


@dataclass(frozen=True)
class Thing:
    """One shape; `size` is a key of RADII, centre and radius are fractions of the square's side."""

    shape: str
    colour: str
    size: str
    x: float
    y: float
    radius: float
    turn: float

    def phrase(self, article=True):
        words = [w for w in (self.size, self.colour, self.shape) if w]
        return " ".join((["an" if words[0][0] in "aeiou" else "a"] if article else []) + words)


@dataclass(frozen=True)
class Scene:
    """`kind` is single, pair, group or trio; `detail` is the place, relation, count or direction."""

    kind: str
    detail: str
    background: str
    things: tuple


def _thing(rng, background, size=None, x=0.5, y=0.5, taken=()):
    """A random thing that differs in colour from the background and from the colours `taken`."""
    size = rng.choice(list(RADII)) if size is None else size
    colours = [c for c in COLOURS if c not in taken and (c, background) not in CLASHES]
    jitter = 0.025
    return Thing(
        rng.choice(SHAPES),
        rng.choice(colours),
        size,
        x + rng.uniform(-jitter, jitter),
        y + rng.uniform(-jitter, jitter),
        rng.uniform(*RADII[size]),
        rng.uniform(-0.16, 0.16),
    )


def draw_lots(rng):
    """A random scene."""
    background = rng.choice(list(BACKGROUNDS))
    kind = rng.choices(("single", "pair", "group", "trio"), (25, 45, 15, 15))[0]
    if kind == "single":
        place = rng.choice(list(PLACES))
        return Scene(kind, place, background, (_thing(rng, background, None, *PLACES[place]),))
    if kind == "pair":
        return _pair(rng, background)
    if kind == "trio":
        direction = rng.choice(("in a row", "stacked"))
        things = []
        for place in (0.19, 0.5, 0.81):
            x, y = (place, 0.5) if direction == "in a row" else (0.5, place)
            things.append(_thing(rng, background, "", x, y, [t.colour for t in things]))
        return Scene(kind, direction, background, tuple(things))
    count = rng.choice(list(COUNTS))
    model = _thing(rng, background, "small")
    spots = rng.sample([(x, y) for x in (0.2, 0.5, 0.8) for y in (0.2, 0.5, 0.8)], count)
    things = tuple(
        Thing(
            model.shape,
            model.colour,
            "small",
            x + rng.uniform(-0.05, 0.05),
            y + rng.uniform(-0.05, 0.05),
            model.radius,
            model.turn,
        )
        for x, y in spots
    )
    return Scene(kind, COUNTS[count], background, things)


def _pair(rng, background):
    """Two things of different colours, one above, beside, or in front of the other."""
    relation = rng.choices(("above", "left", "on"), (40, 40, 20))[0]
    if relation == "on":
        back = _thing(rng, background, "large")
        back = Thing(
            rng.choice(("circle", "square", "diamond")),
            back.colour,
            back.size,
            back.x,
            back.y,
            RADII["large"][1] * 1.5,
            back.turn,
        )
        front = _thing(rng, background, "small", back.x, back.y, [back.colour])
        return Scene("pair", "on", background, (front, back))
    near, far = rng.uniform(0.22, 0.27), rng.uniform(0.73, 0.78)
    spots = ((0.5, near), (0.5, far)) if relation == "above" else ((near, 0.5), (far, 0.5))
    first = _thing(rng, background, None, *spots[0])
    return Scene(
        "pair", relation, background, (first, _thing(rng, background, None, *spots[1], [first.colour]))
    )


# MARK: Drawing


def _corners(thing, angles_and_radii):
    return [
        (
            thing.x + thing.radius * r * math.sin(a + thing.turn),
            thing.y - thing.radius * r * math.cos(a + thing.turn),
        )
        for a, r in angles_and_radii
    ]


def _outline(thing):
    """The polygon of a shape that is one, as points of the unit square; None for the round ones."""
    full = 2 * math.pi
    regular = {"square": (4, full / 8, 1.2), "diamond": (4, 0.0, 1.2), "triangle": (3, 0.0, 1.2)}
    if thing.shape in regular:
        corners, start, stretch = regular[thing.shape]
        points = [(start + full * k / corners, stretch) for k in range(corners)]
        if thing.shape == "diamond":
            points = [(a, r * (1.25 if k % 2 == 0 else 0.8)) for k, (a, r) in enumerate(points)]
        return _corners(thing, points)
    if thing.shape == "star":
        return _corners(thing, [(full * k / 10, 1.3 if k % 2 == 0 else 0.55) for k in range(10)])
    if thing.shape == "cross":
        thin, long = 0.33, 1.15
        plan = [
            (thin, long),
            (thin, thin),
            (long, thin),
            (long, -thin),
            (thin, -thin),
            (thin, -long),
            (-thin, -long),
            (-thin, -thin),
            (-long, -thin),
            (-long, thin),
            (-thin, thin),
            (-thin, long),
        ]
        return _corners(thing, [(math.atan2(x, y), math.hypot(x, y)) for x, y in plan])
    return None


def render(scene, width, height, rng):
    """The scene as an RGB image; `rng` varies the shades a little and tilts the background's light."""
    scale = 3
    canvas = Image.new("RGB", (width * scale, height * scale), _shade(BACKGROUNDS[scene.background], rng, 10))
    side = min(canvas.size)
    left, top = (canvas.width - side) / 2, (canvas.height - side) / 2
    draw = ImageDraw.Draw(canvas)
    _light(canvas, draw, scene, rng)
    for thing in reversed(scene.things):
        colour = _shade(COLOURS[thing.colour], rng, 14)
        outline = _outline(thing)
        if outline:
            draw.polygon([(left + x * side, top + y * side) for x, y in outline], fill=colour)
            continue
        _draw_round(canvas, thing, colour, left, top, side)
    return canvas.reduce(scale)


def _draw_round(canvas, thing, colour, left, top, side):
    """Circle, ring, crescent: a mask of discs, then the colour through it."""
    mask = Image.new("L", canvas.size, 0)
    draw = ImageDraw.Draw(mask)

    def disc(dx, radius, fill):
        x, y = left + (thing.x + dx) * side, top + thing.y * side
        draw.ellipse((x - radius * side, y - radius * side, x + radius * side, y + radius * side), fill=fill)

    disc(0, thing.radius * 1.05, 255)
    if thing.shape == "ring":
        disc(0, thing.radius * 0.6, 0)
    elif thing.shape == "crescent":
        disc(thing.radius * 0.5, thing.radius * 0.85, 0)
    canvas.paste(colour, (0, 0), mask)


def _light(canvas, draw, scene, rng):
    """A few broad bands, lighter or darker, so that a background is never one colour."""
    base, slope = BACKGROUNDS[scene.background], rng.uniform(-14, 14)
    shift = [rng.uniform(-6, 6) for _ in range(3)]
    bands = 12
    for band in range(bands):
        light = slope * (band / (bands - 1) - 0.5)
        colour = tuple(max(0, min(255, round(c + s + light))) for c, s in zip(base, shift))
        draw.rectangle(
            (0, canvas.height * band / bands, canvas.width, canvas.height * (band + 1) / bands), fill=colour
        )


def _shade(colour, rng, spread):
    return tuple(max(0, min(255, c + rng.randint(-spread, spread))) for c in colour)


# MARK: Captions


def describe(scene, rng):
    """What is in the scene, without its background."""
    things = scene.things
    if scene.kind == "single":
        return f"{things[0].phrase()} {scene.detail}"
    if scene.kind == "group":
        return (
            f"{scene.detail} {things[0].phrase(article=False)}{'es' if things[0].shape == 'cross' else 's'}"
        )
    if scene.kind == "trio":
        joined = f"{things[0].phrase()} and {things[1].phrase()} and {things[2].phrase()}"
        return f"{joined} {'in a row' if scene.detail == 'in a row' else 'from top to bottom'}"
    first, second, relation = things[0], things[1], scene.detail
    if relation in OPPOSITES and rng.random() < 0.4:
        first, second, relation = second, first, OPPOSITES[relation]
    return f"{first.phrase()} {rng.choice(RELATIONS[relation])} {second.phrase()}"


def terse_caption(scene, rng):
    """One phrase, mostly with the background."""
    body, ground = describe(scene, rng), scene.background
    return rng.choice(
        (f"{body} on a {ground} background", f"{body} on a {ground} background", f"{body} on {ground}", body)
    )


def full_caption(scene, rng):
    """A sentence about the shapes, then one about the background."""
    opening = rng.choice(
        ("this picture shows", "this picture shows", "the image shows", "here we see", "a drawing of")
    )
    ending = rng.choice(
        ("the background is {}.", "everything lies on a {} ground.", "behind it is plain {}.")
    )
    return f"{opening} {describe(scene, rng)}. {ending.format(scene.background)}"


def caption_is_right(caption, scene):
    """Whether the caption's first sentence names exactly the coloured shapes that the scene has."""
    words = caption.lower().split(".")[0].split()
    singular = {**{s: s for s in SHAPES}, **{s + "s": s for s in SHAPES}, "crosses": "cross"}
    said = sorted((a, singular[b]) for a, b in zip(words, words[1:]) if a in COLOURS and b in singular)
    things = scene.things[:1] if scene.kind == "group" else scene.things
    seen = sorted((t.colour, t.shape) for t in things)
    return said == seen and (scene.kind != "group" or scene.detail in words)


def scenes(seed, count):
    """`count` scenes with the generator that draws each one's shades and words."""
    for index in range(count):
        rng = random.Random(f"{seed}/{index}")
        yield draw_lots(rng), rng
