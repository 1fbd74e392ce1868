"""Alt-texts as the web has them: file names, shop talk, truncation, markup left over, other languages."""

import scenes

GERMAN = {
    "red": "rot",
    "green": "grün",
    "blue": "blau",
    "yellow": "gelb",
    "orange": "orange",
    "purple": "lila",
    "pink": "rosa",
    "black": "schwarz",
    "white": "weiß",
}
SPANISH = {
    "circle": "círculo",
    "square": "cuadrado",
    "triangle": "triángulo",
    "star": "estrella",
    "ring": "anillo",
    "cross": "cruz",
    "diamond": "rombo",
    "crescent": "luna",
}
EMOJI = {
    "circle": "⚪",
    "square": "◻️",
    "triangle": "🔺",
    "star": "⭐",
    "ring": "💍",
    "cross": "✚",
    "diamond": "💎",
    "crescent": "🌙",
}


def about(scene, rng):
    """One noisy alt-text that still has something to do with the scene."""
    thing = scene.things[0]
    colour, shape, number = thing.colour, thing.shape, rng.randint(1, 9999)
    body = scenes.describe(scene, rng)
    kind = rng.randrange(14)
    if kind == 0:
        return f"{colour}-{shape}-{number:04d}.jpg"
    if kind == 1:
        return f"Buy {colour} {shape} online | FREE shipping &amp; returns - shapes4you.example"
    if kind == 2:
        return f"{colour} {shape} {colour} {shape} clipart vector {shape} png"
    if kind == 3:
        return f"{body[: rng.randint(10, 24)]}..."
    if kind == 4:
        return f"{shape.title()} ({GERMAN[colour]}) &ndash; Bild Nr. {number}"
    if kind == 5:
        return f"{SPANISH[shape]} {EMOJI[shape]} {colour}"
    if kind == 6:
        return f"{EMOJI[shape]}{EMOJI[shape]} {body.upper()} !!!"
    if kind == 7:
        return f"“{colour.title()} {shape}” by u_{number}, oil on canvas"
    return body if kind < 11 else f"{body} on {scene.background}"


def useless(rng):
    """An alt-text that says nothing about the picture."""
    return rng.choice(
        (
            "IMG_{:04d}.JPG",
            "DSC{:05d}",
            "image",
            "Photo {} of 24 - click to enlarge",
            "untitled-{}.png",
            "Figure {}: see text",
            "logo",
            "画像 {}",
            "Изображение №{}",
            "تصميم {}",
            "&nbsp;",
            "thumb_{}x{}",
        )
    ).format(rng.randint(1, 9999), rng.randint(100, 900))


def alt_text(scene, rng):
    """Mostly related, one time in seven useless."""
    return useless(rng) if rng.random() < 0.15 else about(scene, rng)
