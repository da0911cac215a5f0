"""Garments drawn by code: what stands in for Fashion-MNIST without files and without a network.

Each class is a few shapes (capsules for sleeves and straps, ellipses for necklines, width profiles
for bodies) whose measures vary from image to image, on a slightly turned, shifted and scaled grid,
in a random fabric. Shirts, pullovers and coats share their outlines on purpose, as they do in the
photographs: what tells them apart is a collar or a line of buttons.
"""

from collections.abc import Callable

import torch
from torch import Tensor

_SIZE = 28
_PIXEL = 2 / _SIZE  # the canvas runs from -1 to 1, y downwards
_AT_A_TIME = 40  # images; their pixels stay in the processor's cache


def draw_garments(labels: Tensor, seed: int) -> Tensor:
    """Draw one image for each label.

    Args:
        labels: int64 classes (N,), 0 to 9 in the order of Fashion-MNIST.
        seed: the same seed and labels give the same images.

    Returns:
        uint8 images (N, 1, 28, 28), light garments on black.
    """
    generator = torch.Generator().manual_seed(seed)
    images = torch.zeros(len(labels), 1, _SIZE, _SIZE, dtype=torch.uint8)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine, threads would spend their time waiting for each other
    try:
        for label, draw in enumerate(_DRAW):
            for members in (labels == label).nonzero().squeeze(1).split(_AT_A_TIME):
                if len(members) > 0:
                    canvas = _Canvas(len(members), generator)
                    images[members, 0] = canvas.photograph(*draw(canvas))
    finally:
        torch.set_num_threads(num_threads)
    return images


class _Canvas:
    """The pixels of N images at once; its shapes return coverage in [0, 1], (N, 28, 28)."""

    def __init__(self, num_images: int, generator: torch.Generator) -> None:
        self.num_images, self.generator = num_images, generator
        axis = (torch.arange(_SIZE) + 0.5) * _PIXEL - 1
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        angle, size = self.between(-0.1, 0.1), self.between(0.85, 1.1)
        stretch = self.between(0.9, 1.1)
        self.x = ((x * angle.cos() - y * angle.sin()) / (size * stretch)) + self.between(-0.08, 0.08)
        self.y = ((x * angle.sin() + y * angle.cos()) / size) + self.between(-0.08, 0.08)
        self.side = self.x.abs()  # for shapes that are the same on the left and on the right

    def between(self, low: float, high: float) -> Tensor:
        """One uniform number an image, (N, 1, 1)."""
        return torch.empty(self.num_images, 1, 1).uniform_(low, high, generator=self.generator)

    def maybe(self, probability: float) -> Tensor:
        """1 for this share of the images, else 0, (N, 1, 1)."""
        return (self.between(0, 1) < probability).float()

    @staticmethod
    def inside(distance: Tensor) -> Tensor:
        """Coverage of a pixel from its distance to the edge, positive inside."""
        return (distance / _PIXEL + 0.5).clamp(0, 1)

    def rows(self, top: Tensor | float, bottom: Tensor | float) -> Tensor:
        return self.inside(self.y - top) * self.inside(bottom - self.y)

    def ellipse(self, x: Tensor | float, y: Tensor | float, rx: Tensor | float, ry: Tensor | float) -> Tensor:
        radius = (((self.x - x) / rx) ** 2 + ((self.y - y) / ry) ** 2).sqrt()
        return self.inside((1 - radius) * ry)

    def capsule(self, x: Tensor, start: tuple, end: tuple, width: tuple) -> Tensor:
        """A limb from start to end (x, y), its half width going from width[0] to width[1]."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        along = (((x - start[0]) * dx + (self.y - start[1]) * dy) / (dx**2 + dy**2)).clamp(0, 1)
        distance = ((x - start[0] - along * dx) ** 2 + (self.y - start[1] - along * dy) ** 2).sqrt()
        return self.inside(width[0] + (width[1] - width[0]) * along - distance)

    def fabric(self) -> Tensor:
        """Brightness of the cloth: plain, striped across or along, or checked, with folds."""
        across = (self.y * self.between(8, 25) + self.between(0, 6)).sin()
        along = (self.x * self.between(8, 25) + self.between(0, 6)).sin()
        pattern = across * self.maybe(0.3) + along * self.maybe(0.2)
        folds = (self.x * self.between(2, 6) + self.y * self.between(-4, 4) + self.between(0, 6)).sin()
        return self.between(0.35, 0.95) + self.between(0.05, 0.25) * pattern + self.between(0, 0.1) * folds

    def photograph(self, coverage: Tensor, brightness: Tensor) -> Tensor:
        """Light, grain and 8-bit rounding, (N, 28, 28) uint8."""
        grain = torch.randn(brightness.shape, generator=self.generator) * self.between(0.01, 0.08)
        light = 1 + self.x * self.between(-0.2, 0.2) + self.y * self.between(-0.2, 0.2)
        return (coverage * (brightness * light + grain).clamp(0.08, 1) * 255).round().to(torch.uint8)


def _torso(c: _Canvas, hem: Tensor, flare: Tensor, width: Tensor) -> Tensor:
    """Shoulders at y = -0.75, a waist, and a hem of its own width."""
    down = (c.y + 0.75).clamp(min=0)
    profile = width - 0.1 * down + flare * down**2
    shoulders = c.inside(c.y + 0.78 - 0.25 * (c.side - 0.15).clamp(min=0))
    return c.inside(profile - c.side) * shoulders * c.inside(hem - c.y)


def _sleeves(c: _Canvas, length: Tensor, spread: Tensor, width: tuple) -> Tensor:
    """Both arms, from the shoulder; length 0 is none, 0.4 a short sleeve, 1.2 a long one."""
    start = (0.36, -0.58)
    end = (0.36 + spread * length, -0.58 + length * (1 - spread**2).sqrt())
    return c.capsule(c.side, start, end, width)


def _top(c: _Canvas, *, width: tuple, hem: tuple, short: float, opening: float, collar: float) -> tuple[Tensor, Tensor]:
    """A top, by the range of its width and hem, and how often it has the other three."""
    short_sleeves, brightness = c.maybe(short), c.fabric()
    length = short_sleeves * c.between(0.3, 0.55) + (1 - short_sleeves) * c.between(1.0, 1.3)
    spread = short_sleeves * c.between(0.6, 0.9) + (1 - short_sleeves) * c.between(0.2, 0.42)
    body = _torso(c, c.between(*hem), c.between(-0.03, 0.08), c.between(*width))
    sleeves = _sleeves(c, length, spread, (c.between(0.15, 0.2), c.between(0.09, 0.16)))
    neck = c.ellipse(0, -0.82, c.between(0.14, 0.24), c.between(0.06, 0.24))
    has_opening, has_collar = c.maybe(opening), c.maybe(collar)
    seam = c.inside(0.03 - (c.side - 0.4).abs()) * body  # between arm and body
    brightness = brightness - 0.25 * seam
    front = c.inside(c.between(0.01, 0.05) - (c.x + c.between(-0.04, 0.04)).abs())
    brightness = brightness - has_opening * c.between(0.15, 0.5) * front
    lapel = c.inside(0.05 - (c.side - 0.22 - 0.3 * (c.y + 0.78)).abs()) * c.rows(-0.9, -0.45)
    brightness = brightness + has_collar * c.between(-0.4, 0.4) * lapel
    coverage = torch.maximum(body, sleeves) * (1 - neck * (1 - 0.7 * has_collar))
    return coverage, brightness


def _t_shirt(c: _Canvas) -> tuple[Tensor, Tensor]:
    coverage, brightness = _top(c, width=(0.36, 0.5), hem=(0.65, 0.95), short=0.97, opening=0.02, collar=0.02)
    width, height = c.between(0.1, 0.25), c.between(0.08, 0.25)
    printed = c.inside(width - c.side) * c.inside(height - (c.y + 0.15).abs())
    return coverage, brightness + c.maybe(0.4) * c.between(-0.5, 0.5) * printed


def _trouser(c: _Canvas) -> tuple[Tensor, Tensor]:
    hem, knee = c.between(0.75, 1.0), c.between(0.1, 0.28)
    leg = c.capsule(c.side, (0.17, -0.75), (knee + 0.05, hem), (c.between(0.17, 0.24), c.between(0.09, 0.18)))
    hips = c.inside(c.between(0.3, 0.4) - c.side) * c.rows(-0.92, c.between(-0.6, -0.35))
    brightness = c.fabric() - 0.2 * c.rows(-0.82, -0.76)
    return torch.maximum(leg, hips) * c.rows(-0.95, hem), brightness


def _pullover(c: _Canvas) -> tuple[Tensor, Tensor]:
    coverage, brightness = _top(c, width=(0.4, 0.52), hem=(0.5, 0.78), short=0.02, opening=0.04, collar=0.06)
    ribs = (c.y * c.between(14, 28)).sin() * c.between(0, 0.15)
    return coverage, brightness + ribs


def _dress(c: _Canvas) -> tuple[Tensor, Tensor]:
    hem = c.between(0.75, 1.0)
    body = _torso(c, hem, c.between(0.02, 0.16), c.between(0.24, 0.36))
    length = c.maybe(0.5) * c.between(0.2, 1.1)
    sleeves = _sleeves(c, length.clamp(min=0.05), c.between(0.2, 0.5), (0.11, 0.09)) * (length > 0)
    neck = c.ellipse(0, -0.85, c.between(0.1, 0.2), c.between(0.1, 0.35))
    belt = c.rows(-0.2, -0.1) * c.maybe(0.4) * c.between(-0.4, 0.3)
    return torch.maximum(body, sleeves) * (1 - neck), c.fabric() + belt


def _coat(c: _Canvas) -> tuple[Tensor, Tensor]:
    coverage, brightness = _top(c, width=(0.42, 0.56), hem=(0.78, 1.0), short=0.01, opening=0.97, collar=0.8)
    pockets = c.rows(0.3, 0.38) * c.inside(0.12 - (c.side - 0.28).abs())
    return coverage, brightness - c.maybe(0.7) * c.between(0.1, 0.4) * pockets


def _shirt(c: _Canvas) -> tuple[Tensor, Tensor]:
    coverage, brightness = _top(c, width=(0.3, 0.42), hem=(0.72, 1.0), short=0.3, opening=0.8, collar=0.9)
    buttons = c.inside(0.035 - c.side) * ((c.y * c.between(16, 22)).sin() > 0.5)
    return coverage, brightness + c.maybe(0.6) * c.between(-0.5, 0.4) * buttons


def _foot(c: _Canvas, instep: Tensor, toe: Tensor) -> tuple[Tensor, Tensor]:
    """A shoe from the side, its toe on the left: its coverage and the height of its sole."""
    sole = c.between(0.3, 0.5)
    rise = ((c.x + c.between(0.5, 0.7)) / c.between(0.7, 1.0)).clamp(0, 1)
    cap = (1 - ((c.x + 0.45) / 0.45).clamp(-1, 0) ** 2).sqrt()  # the round of the toe
    height = toe * cap + (instep - toe) * (3 - 2 * rise) * rise**2
    shape = c.inside(c.y - sole + height) * c.inside(sole - c.y)
    return shape * c.inside(c.x + 0.9) * c.inside(0.82 - c.x), sole


def _sandal(c: _Canvas) -> tuple[Tensor, Tensor]:
    sole = c.between(0.3, 0.5)
    heel = c.maybe(0.5) * c.between(0.15, 0.6)
    lift = heel * ((c.x + 0.2) / 1.1).clamp(0, 1) ** 1.3  # of the sole, under the heel
    coverage = c.inside(c.between(0.04, 0.09) - (c.y - sole + lift).abs()) * c.inside(0.85 - c.side)
    post = c.inside(0.07 - (c.x - 0.75).abs()) * c.inside(c.y - sole + lift)
    coverage = torch.maximum(coverage, post * c.inside(sole + 0.08 - c.y) * (heel > 0))
    above = c.inside(sole - lift - c.y)
    for left, right in ((-0.7, -0.35), (-0.3, 0.1), (0.3, 0.6)):
        x, rx, ry = c.between(left, right), c.between(0.14, 0.3), c.between(0.25, 0.5)
        level = sole - heel * ((x + 0.2) / 1.1).clamp(0, 1) ** 1.3
        strap = c.ellipse(x, level, rx, ry) - c.ellipse(x, level, rx - 0.1, ry - 0.1)
        coverage = torch.maximum(coverage, strap.clamp(min=0) * above * c.maybe(0.8))
    return coverage, c.fabric()


def _sneaker(c: _Canvas) -> tuple[Tensor, Tensor]:
    instep = c.between(0.5, 0.75)
    coverage, sole = _foot(c, instep, c.between(0.22, 0.35))
    opening = c.ellipse(c.between(0.45, 0.55), sole - instep, 0.22, c.between(0.06, 0.2))
    laces = c.inside(0.16 - (c.x + 0.05).abs()) * ((c.x * 35).sin() > 0.2) * c.inside(sole - 0.3 - c.y)
    stripe = c.inside(0.05 - (c.x - c.between(0.1, 0.4) + 0.4 * c.y).abs()) * c.maybe(0.5)
    brightness = c.fabric() - 0.3 * laces + c.between(-0.4, 0.4) * stripe
    white = c.inside(c.y - sole + c.between(0.08, 0.16))
    return coverage * (1 - opening), brightness + white * c.between(-0.3, 0.5)


def _bag(c: _Canvas) -> tuple[Tensor, Tensor]:
    top, bottom = c.between(-0.35, 0.0), c.between(0.5, 0.85)
    width, slant = c.between(0.55, 0.9), c.between(-0.15, 0.2)
    body = c.inside(width + slant * (c.y - 0.2) - c.side) * c.rows(top, bottom)
    rx, ry = width * c.between(0.4, 0.8), c.between(0.3, 0.6)
    ring = c.ellipse(0, top, rx, ry) - c.ellipse(0, top, rx - 0.12, ry - 0.1)
    flap = c.inside(0.03 - (c.y - top - c.between(0.12, 0.4)).abs()) * c.maybe(0.6)
    buckle = c.ellipse(0, top + 0.25, 0.1, 0.08) * c.maybe(0.5)
    handle = ring * c.inside(top - c.y) * c.maybe(0.85)
    return torch.maximum(body, handle), c.fabric() - 0.3 * flap + 0.4 * buckle


def _ankle_boot(c: _Canvas) -> tuple[Tensor, Tensor]:
    coverage, sole = _foot(c, c.between(0.5, 0.7), c.between(0.2, 0.35))
    shaft = c.inside(0.82 - c.x) * c.inside(c.x - c.between(0.1, 0.35) - 0.1 * c.y)
    shaft = shaft * c.rows(sole - c.between(0.95, 1.35), sole)
    heel = c.inside(c.x - c.between(0.35, 0.6)) * c.inside(0.82 - c.x) * c.rows(sole - 0.1, sole + c.between(0, 0.3))
    zip_line = c.inside(0.03 - (c.x - 0.5).abs()) * c.maybe(0.5) * c.between(-0.3, 0.4)
    return torch.maximum(torch.maximum(coverage, shaft), heel), c.fabric() + zip_line


_DRAW: list[Callable[[_Canvas], tuple[Tensor, Tensor]]] = [
    _t_shirt, _trouser, _pullover, _dress, _coat, _sandal, _shirt, _sneaker, _bag, _ankle_boot,
]  # fmt: skip
