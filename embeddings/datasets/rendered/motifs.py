"""Repeating tiles of what formulas draw badly: flowers, spots of fur, and the net of lace."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from embeddings.datasets.rendered.vocabulary import Rgb

TILE = 256
_SUPERSAMPLING = 2
_CANVAS = TILE * _SUPERSAMPLING
_LEAF_GREENS: tuple[Rgb, ...] = ((72, 120, 66), (98, 140, 84), (48, 92, 70))


@lru_cache(maxsize=256)
def floral_tile(ground: Rgb, petals: Rgb, seed: int, count: int) -> NDArray[np.uint8]:
    """Flowers with leaves scattered evenly over a tile that repeats without a seam, (256, 256, 3) uint8."""
    random = np.random.default_rng([seed, 1])
    image = Image.new("RGB", (_CANVAS, _CANVAS), ground)
    draw = ImageDraw.Draw(image)
    num_petals = int(random.integers(4, 8))
    pointed = bool(random.random() < 0.35)
    second = _mix(petals, (255, 255, 255) if sum(petals) < 480 else (150, 60, 80), 0.4)
    leaf = _LEAF_GREENS[int(random.integers(len(_LEAF_GREENS)))]
    if np.abs(np.array(leaf) - np.array(ground)).sum() < 120:
        leaf = _mix(leaf, (235, 240, 220), 0.6)
    heart: Rgb = (244, 200, 70) if sum(petals) < 560 or petals[2] > 200 else (190, 110, 40)
    centers = _scatter(random, count)
    size = 0.50 * _CANVAS / count**0.5
    for index, (x, y) in enumerate(centers):
        turn = random.uniform(0, 2 * np.pi)
        radius = size * random.uniform(0.62, 1.0)
        color = petals if index % 3 else second
        for shift_x in (-_CANVAS, 0, _CANVAS):
            for shift_y in (-_CANVAS, 0, _CANVAS):
                at_x, at_y = x + shift_x, y + shift_y
                if -2 * size < at_x < _CANVAS + 2 * size and -2 * size < at_y < _CANVAS + 2 * size:
                    _leaves(draw, at_x, at_y, radius, turn, leaf)
                    _flower(draw, at_x, at_y, radius, turn, num_petals, pointed, color, heart)
    return _reduced(image)


@lru_cache(maxsize=256)
def leopard_tile(ground: Rgb, spots: Rgb, seed: int, count: int) -> NDArray[np.uint8]:
    """Broken rings with a darker heart on a tile that repeats without a seam, (256, 256, 3) uint8."""
    random = np.random.default_rng([seed, 2])
    image = Image.new("RGB", (_CANVAS, _CANVAS), ground)
    draw = ImageDraw.Draw(image)
    heart = _mix(ground, spots, 0.42)
    size = 0.46 * _CANVAS / count**0.5
    for x, y in _scatter(random, count):
        radius = size * random.uniform(0.55, 0.95)
        stretch, turn = random.uniform(0.7, 1.0), random.uniform(0, 2 * np.pi)
        angles = np.linspace(0, 2 * np.pi, 18, endpoint=False)
        wobble = 1 + 0.16 * np.sin(angles * 3 + turn) + random.uniform(-0.08, 0.08, 18)
        ring_x, ring_y = np.cos(angles) * radius * wobble, np.sin(angles) * radius * wobble * stretch
        arcs = [(start, int(random.integers(3, 6))) for start in (0, 6, 12)]
        for shift_x in (-_CANVAS, 0, _CANVAS):
            for shift_y in (-_CANVAS, 0, _CANVAS):
                at_x, at_y = x + shift_x, y + shift_y
                if not (-2 * size < at_x < _CANVAS + 2 * size and -2 * size < at_y < _CANVAS + 2 * size):
                    continue
                inner = [(at_x + 0.7 * a, at_y + 0.7 * b) for a, b in zip(ring_x, ring_y, strict=True)]
                draw.polygon(inner, fill=heart)
                for start, length in arcs:
                    indices = [(start + step) % 18 for step in range(length + 1)]
                    outer_line = [(at_x + ring_x[i], at_y + ring_y[i]) for i in indices]
                    inner_line = [(at_x + 0.58 * ring_x[i], at_y + 0.58 * ring_y[i]) for i in reversed(indices)]
                    draw.polygon(outer_line + inner_line, fill=spots)
    return _reduced(image)


@lru_cache(maxsize=64)
def lace_tile(seed: int, count: int) -> NDArray[np.uint8]:
    """How closely the thread lies: flowers and leaves on a fine net, (256, 256) uint8, 255 for solid thread."""
    random = np.random.default_rng([seed, 3])
    image = Image.new("L", (_CANVAS, _CANVAS), 40)
    draw = ImageDraw.Draw(image)
    step = _CANVAS // 16
    for position in range(-_CANVAS, 2 * _CANVAS, step):
        draw.line([(position, 0), (position + _CANVAS, _CANVAS)], fill=150, width=5)
        draw.line([(position, 0), (position - _CANVAS, _CANVAS)], fill=150, width=5)
    side = max(2, round(count**0.5))
    cell = _CANVAS / side
    num_petals = int(random.integers(5, 9))
    for row in range(side):
        for column in range(side):
            x = (column + (0.5 if row % 2 else 0.0)) * cell
            y = (row + 0.5) * cell
            turn = random.uniform(0, 0.5)
            for shift in (-_CANVAS, 0, _CANVAS):
                _lace_flower(draw, x + shift, y, 0.43 * cell, turn, num_petals)
    return _reduced(image)


def _scatter(random: np.random.Generator, count: int) -> list[tuple[float, float]]:
    """Points on the tile, each the farthest from its forerunners among a few tries; distances go around the edges."""
    points: list[tuple[float, float]] = []
    for _ in range(count):
        tries = random.uniform(0, _CANVAS, (12, 2))
        if points:
            gaps = np.abs(tries[:, None, :] - np.array(points)[None])
            nearest = np.hypot(*np.moveaxis(np.minimum(gaps, _CANVAS - gaps), -1, 0)).min(axis=1)
            tries = tries[[int(nearest.argmax())]]
        points.append((float(tries[0, 0]), float(tries[0, 1])))
    return points


def _flower(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    radius: float,
    turn: float,
    num_petals: int,
    pointed: bool,
    color: Rgb,
    heart: Rgb,
) -> None:
    edge = _mix(color, (40, 20, 30), 0.22)
    for fill, grow in ((edge, 1.0), (color, 0.86)):
        for petal in range(num_petals):
            angle = turn + 2 * np.pi * petal / num_petals
            spread = 0.95 * np.pi / num_petals
            if pointed:
                tip = (x + grow * radius * np.cos(angle), y + grow * radius * np.sin(angle))
                left = (x + 0.55 * radius * np.cos(angle - spread), y + 0.55 * radius * np.sin(angle - spread))
                right = (x + 0.55 * radius * np.cos(angle + spread), y + 0.55 * radius * np.sin(angle + spread))
                draw.polygon([(x, y), left, tip, right], fill=fill)
            else:
                size = grow * radius * min(0.48, 1.5 * np.sin(np.pi / num_petals))
                at_x, at_y = x + 0.55 * radius * np.cos(angle), y + 0.55 * radius * np.sin(angle)
                draw.ellipse((at_x - size, at_y - size, at_x + size, at_y + size), fill=fill)
    small = 0.24 * radius
    draw.ellipse((x - small, y - small, x + small, y + small), fill=heart)


def _leaves(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, turn: float, color: Rgb) -> None:
    for angle in (turn + 0.4, turn + 2.6):
        along = np.array([np.cos(angle), np.sin(angle)])
        beside = np.array([-along[1], along[0]])
        root, tip = np.array([x, y]) + along * radius * 0.5, np.array([x, y]) + along * radius * 1.65
        middle = (root + tip) / 2
        points = [root, middle + beside * radius * 0.26, tip, middle - beside * radius * 0.26]
        draw.polygon([(float(px), float(py)) for px, py in points], fill=color)


def _lace_flower(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, turn: float, num_petals: int) -> None:
    for petal in range(num_petals):
        angle = turn + 2 * np.pi * petal / num_petals
        size = radius * min(0.4, 1.3 * np.sin(np.pi / num_petals))
        at_x, at_y = x + 0.6 * radius * np.cos(angle), y + 0.6 * radius * np.sin(angle)
        draw.ellipse((at_x - size, at_y - size, at_x + size, at_y + size), fill=205, outline=255, width=6)
        inner = size * 0.5
        draw.ellipse((at_x - inner, at_y - inner, at_x + inner, at_y + inner), fill=85, outline=235, width=3)
    heart = 0.26 * radius
    draw.ellipse((x - heart, y - heart, x + heart, y + heart), fill=255)


def _mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _reduced(image: Image.Image) -> NDArray[np.uint8]:
    tile = np.asarray(image.resize((TILE, TILE), Image.Resampling.BOX), dtype=np.uint8)
    tile.setflags(write=False)
    return tile
