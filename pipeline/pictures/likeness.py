"""Do two hashes belong to copies of one picture? They are laid over each other, and what still differs is looked at.

A copy may have been encoded anew, scaled, stretched or cropped a little: that moves and blurs, evenly, all over the
picture. Other words on the same page, another caption under the same photograph: that differs in places.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.hashes import DETAILED, SHARP
from pipeline.pictures.spectra import FADES, SIDE, Array, fading, unpacked

Records = NDArray[Any]
"""Hashes, as `hashes.LAYOUT` has it."""
Verdicts = NDArray[np.bool_]

COMPARED = ["signs", "telling", "size", "whole", "place", "mean", "colours"]
"""Fields that are cheap to compare."""
SHAPE, PLACE, SHADE, HUE = 1.1, 10, 16, 12
"""Frames of copies have the same shape, but for this factor, and lie at the same place, but for so many 255ths; between
their means lie at most so many grey levels, between Cb and Cr of their cells so many levels. Copies had 1.054, 4, 9, 7."""
FARTHEST = 0.07
"""Of the frame's side: as much as a side of the one may lie from the other's."""
COMMON = 0.5
"""Correlation of the detail of copies, at least: they have something in common, not only nothing that differs."""
_COARSE, _FINE = ((12, 24), (20, 32)), ((SIDE, 54), (SIDE, 54))
"""Half waves up to which pictures are laid over each other, and the pixels they are drawn with: coarse ones first, so as
not to lock on to the next line of print."""
_STIFF = 16.0
"""(Grey levels per picture's side)^2: where slopes are no steeper than that, nothing is moved."""
_SEEN, _BLOCKS = 3.0, 8.0
"""Grey levels by which copies differ anyway, and more where a half wave is but a pixel: what JPEG's blocks do."""
_OFF = 0.08
"""Half waves by which parts of copies may lie apart, or be blurred, after all."""
_EDGE = 2
"""Drawn pixels along the edge that are not compared: a crop may have taken what was there."""
_CLEARLY = ((4, 4), (1, 1)), 6.0
"""Where other pictures are told apart while still drawn coarsely: a window in drawn pixels, the steps between windows,
and by how much of the expected copies may differ in the worst. Copies stayed below 4.3."""
_MOST, _SPREAD = 1.2, 1.5
"""Copies differ by so much of the expected at most, all over; and in one place by more, this many times what all over."""
_WINDOWS = (((7, 7), (2, 2)), 1.8, 0.9), (((2, 18), (1, 4)), 2.0, 1.0), (((4, 22), (1, 4)), 1.1, 0.6)
"""Places, lines of print, lines of large print: by how much of the expected copies may differ in the worst, beyond what
they do all over; and those that were only encoded anew. Measured on the pictures of bench/near_duplicates.py, Pillow 13:
of the copies 99.5 % stay below 1.5, 1.7 and 0.9; pages of one layout with other words begin at 5, 7 and 4. Copies only
encoded anew stay below 0.5, 0.6 and 0.4; small captions on the same photograph begin at 0.8 in the last."""
_STILL = 0.005
"""Of the side: pictures of one size that lie on each other so exactly were neither scaled nor cropped."""


def comparable(first: Records, second: Records) -> Verdicts:
    """Whether two hashes each (n and n), or at least their `COMPARED`, may belong to copies at all."""
    found: Verdicts = (first["telling"] == 1) & (second["telling"] == 1)
    for name, most in (("mean", SHADE), ("place", PLACE), ("colours", HUE)):
        one, other = (hashes[name][found] for hashes in (first, second))
        near = np.maximum(one, other) - np.minimum(one, other) <= most
        found[found] = near if near.ndim == 1 else near.all(1)
    for name in ("size", "whole"):
        one, other = (np.log(np.maximum(hashes[name][found], 1).astype(np.float32)) for hashes in (first, second))
        found[found] = np.abs(one[:, 0] - one[:, 1] - other[:, 0] + other[:, 1]) <= np.log(SHAPE)
    return found


def alike(first: Records, second: Records, batch: int = 256) -> Verdicts:
    """Whether two hashes each (n and n) that are comparable belong to copies of one picture."""
    found = np.zeros(len(first), bool)
    for start in range(0, len(first), batch):
        part = slice(start, start + batch)
        found[part] = _alike(first[part], second[part])
    return found


@dataclass(frozen=True)
class _Pairs:
    """n pictures each, to be laid over each other."""

    one: Array
    other: Array
    """Spectra, (n, SIDE, SIDE)."""
    sides: Array
    """The last half waves that count, down and across, (n, 2)."""
    noise: Array
    """Variance by which they differ anyway, in (grey levels)^2, (n)."""
    moved: Array
    """By how much the one is to be moved to lie on the other: see `_drawn`."""

    def only(self, which: Verdicts) -> "_Pairs":
        """Some of them."""
        return _Pairs(*(getattr(self, field.name)[which] for field in fields(self)))

    def drawn(self, waves: int, pixels: int, which: Verdicts | bool = True) -> tuple[Array, Array]:
        """Both as `_drawn` has them, halfway to each other, up to so many half waves."""
        fades = (fading(*np.minimum(self.sides, waves).T) * which)[:, :waves, :waves]
        one, other = (spectra[:, :waves, :waves] * fades for spectra in (self.one, self.other))
        return _drawn(one, self.moved / 2, pixels), _drawn(other, -self.moved / 2, pixels)

    def closer(self, waves: int, pixels: int) -> "_Pairs":
        """Moved on, as least squares have it (Gauss, Newton)."""
        one, other = self.drawn(waves, pixels)
        down, across = (one[1:] + other[1:]) / 2
        ends = np.linspace(-1, 1, 2 * pixels + 1, dtype=np.float32)[1::2]
        slopes = np.stack([down, down * ends[:, None], across, across * ends], 1).reshape(-1, 4, pixels**2)
        weights = slopes @ slopes.transpose(0, 2, 1) + _STIFF * pixels**2 * np.eye(4, dtype=np.float32)
        pull = slopes @ (other[0] - one[0]).reshape(-1, pixels**2, 1)
        moved = self.moved + np.linalg.solve(weights, pull).reshape(-1, 2, 2)
        return replace(self, moved=np.clip(moved, -FARTHEST, FARTHEST))

    def differences(self, waves: int, pixels: int) -> tuple[Array, Array]:
        """How much they differ at each pixel but for the edge, and how much copies would: (grey levels)^2."""
        one, other = (_inner(drawn) for drawn in self.drawn(waves, pixels))
        steep = (one[1:] ** 2 + other[1:] ** 2) / 2 / np.minimum(self.sides, waves).T[:, :, None, None] ** 2
        return (one[0] - other[0]) ** 2, _OFF**2 * steep.sum(0) + self.noise[:, None, None]

    def common(self, waves: int, pixels: int) -> Array:
        """Correlation of their detail."""
        one, other = (_inner(drawn)[0] for drawn in self.drawn(waves, pixels, DETAILED))
        power = (one**2).sum((1, 2)) * (other**2).sum((1, 2))
        return (one * other).sum((1, 2)) / np.sqrt(power + 1e-9)  # type: ignore[no-any-return]


def _alike(first: Records, second: Records) -> Verdicts:
    pairs = _pairs(first, second)
    for step in _COARSE:
        pairs = pairs.closer(*step)
    window, most = _CLEARLY
    found = _worst(*pairs.differences(*_COARSE[-1]), *window) <= most
    pairs = pairs.only(found)
    for step in _FINE:
        pairs = pairs.closer(*step)
    differing, expected = pairs.differences(*_FINE[-1])
    everywhere = differing.mean((1, 2)) / expected.mean((1, 2))
    moved = np.abs(pairs.moved).sum(2).max(1)
    still = (moved <= _STILL) & (first["size"] == second["size"]).all(1)[found]
    even = [_worst(differing, expected, *window) <= np.where(still, least, most) + _SPREAD * everywhere
            for window, most, least in _WINDOWS]  # fmt: skip
    near, common = moved <= FARTHEST, pairs.common(*_FINE[-1]) >= COMMON
    found[found] = near & common & (everywhere <= _MOST) & np.all(even, axis=0)
    return found


def _pairs(first: Records, second: Records) -> _Pairs:
    one, blur = unpacked(first["scales"], first["level"], first["spectrum"])
    other, more = unpacked(second["scales"], second["level"], second["spectrum"])
    one[:, 0, 0], other[:, 0, 0] = first["mean"], second["mean"]
    pixels = np.minimum(first["size"], second["size"])[:, ::-1].astype(np.float32)
    blocks = _BLOCKS * FADES[1] / np.maximum(np.sqrt(pixels.prod(1)), FADES[1])
    noise = (_SEEN + blocks) ** 2 + blur + more
    return _Pairs(one, other, np.clip(SHARP * pixels, 1, FADES[1]), noise, np.zeros((len(first), 2, 2), np.float32))


def _drawn(spectra: Array, moved: Array, pixels: int) -> Array:
    """n pictures, moved, and how steep they are down and across, in grey levels a side: (3, n, pixels, pixels).

    `moved` (n, 2, 2): down and across, the part of the side by which the middle moves, and by which its ends do so more.
    """
    places = (np.arange(pixels, dtype=np.float32) + 0.5) / pixels
    at = places + moved[:, :, :1] + moved[:, :, 1:] * (2 * places - 1)
    k = np.arange(spectra.shape[1], dtype=np.float32)
    turn, strong = np.pi * at[..., None] * k, np.where(k > 0, np.sqrt(2), 1).astype(np.float32)
    wave, slope = np.cos(turn) * strong, -np.pi * k * np.sin(turn) * strong
    across = spectra @ np.concatenate([wave[:, 1], slope[:, 1]], 1).transpose(0, 2, 1)
    plain, steep = across[:, :, :pixels], across[:, :, pixels:]
    return np.stack([wave[:, 0] @ plain, slope[:, 0] @ plain, wave[:, 0] @ steep])


def _inner(drawn: Array) -> Array:
    return drawn[:, :, _EDGE:-_EDGE, _EDGE:-_EDGE]


def _worst(found: Array, expected: Array, window: tuple[int, int], step: tuple[int, int]) -> Array:
    """In which window is most found of what is expected, and how many times that; for each of n."""
    sums = []
    for values in (found, expected):
        corner = np.pad(values.cumsum(1, dtype=np.float64).cumsum(2), ((0, 0), (1, 0), (1, 0)))
        (down, across), (every, other) = window, step
        inside = (
            corner[:, down:, across:]
            - corner[:, :-down, across:]
            - corner[:, down:, :-across]
            + corner[:, :-down, :-across]
        )
        sums.append(inside[:, ::every, ::other])
    worst: Array = (sums[0] / sums[1]).max((1, 2))
    return worst
