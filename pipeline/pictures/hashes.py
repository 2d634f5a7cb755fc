"""What a picture looks like, in 768 hexadecimal digits: enough to find its copies among a million, and to tell look-alikes apart.

The picture is cut down to what lies on its ground (a page to its print), whatever the size, and kept as
- the signs of its 256 broadest waves: a hash by which candidates are found (after PDQ, github.com/facebook/ThreatExchange);
- its spectrum in 289 bytes, fine enough to lay two pictures over each other and look where they differ;
- 16 colours, its size, and what was cut away.
Where there is nothing to tell a picture by (flat, a gradient, two halves, a few pixels of print), it says so.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.pictures.spectra import BANDS, BYTES, SIDE, Array, packed

LAYOUT = np.dtype(
    [
        ("signs", "<u8", 4),  # of the 256 broadest waves
        ("telling", "u1"),  # 1: what else is here tells it from other pictures; 0: it does not
        ("size", "<u2", 2),  # of the frame, in pixels: width, height
        ("whole", "<u2", 2),  # of the picture, in pixels
        ("place", "u1", 2),  # of the frame's middle, in 255ths of the picture: across, down
        ("mean", "u1"),  # grey
        ("colours", "u1", 32),  # Cb, then Cr, in 4 x 4 cells of the frame, row by row
        ("scales", "u1", BANDS),
        ("level", "u1"),
        ("spectrum", "u1", BYTES),
    ]
)
"""Of a hash: its bytes."""
DIGITS = 2 * LAYOUT.itemsize
SHARP = 0.6
"""Half waves that a pixel of the frame's side still carries: what is smaller, a re-encoding may blur."""
_FINE = 128
"""Pixels: the frame is made so large on a side before its spectrum is taken."""
_VIEW = 128
"""Pixels on a side of the view in which margins are looked for."""
_PLAIN, _MARGIN = 8, 0.95
"""A picture has a ground where this share of its edge is within so many grey levels of one."""
_PRINT, _FAINT = 24, 0.3
"""Grey levels from the ground at which print begins; close up, also this share of the strongest."""
_REACH = 16
"""Pixels: as far around print a JPEG may have marks, and no farther a close look may cut."""
_SLIM, _SMALL = 3, 5
"""A frame is at most so many times longer than narrow, and at least such a part of the picture's side."""
_COARSE = 12
"""Half waves across: what is broader is no detail. Gradients have nothing else."""
_DETAIL, _WAVES, _WAVES_CLOSE = 1.0, 9.0, 14.0
"""A picture tells something by detail of so many grey levels, if it is as much as that of so many equal waves that fill
the frame: more, where margins were cut and a few pixels may fill it. A horizon has 2, a blurred street 10; a word of four
letters, 10 pixels high, 11; such words of 12 pixels and more that have 14 were never confused."""
_FEW = 10
"""Half waves at least that its frame's pixels carry, on either side."""

Box = tuple[float, float, float, float]


def _broadest() -> NDArray[np.int64]:
    k = np.arange(SIDE)
    far = np.hypot(k[:, None], k).ravel()
    return np.lexsort((np.arange(SIDE * SIDE), far))[1:257]


_SIGNS = _broadest()
_WAVE = np.cos(np.pi * np.outer(np.arange(_FINE) + 0.5, np.arange(SIDE)) / _FINE).astype(np.float32)
_WAVE[:, 1:] *= math.sqrt(2)
_WAVE /= _FINE
DETAILED = np.hypot(np.arange(SIDE)[:, None], np.arange(SIDE)) >= _COARSE
"""Which frequencies of a spectrum are detail: (SIDE, SIDE)."""


def hashed(image: Image.Image) -> str:
    """The hash of an RGB picture, as rebuilt: DIGITS hexadecimal digits. The same pixels give the same hash."""
    record = np.zeros((), LAYOUT)
    grey = image.convert("L")
    box, ground = _frame(grey)
    spectrum = _WAVE.T @ _pixels(grey, box, ground) @ _WAVE
    width, height = box[2] - box[0], box[3] - box[1]
    middle = (box[0] + box[2]) / 2 / image.width, (box[1] + box[3]) / 2 / image.height
    record["signs"] = np.packbits(spectrum.ravel()[_SIGNS] > 0, bitorder="little").view("<u8")
    cut = box != (0, 0, *image.size)
    record["telling"] = _telling(spectrum, min(width, height), _WAVES_CLOSE if cut else _WAVES)
    record["size"] = round(width), round(height)
    record["whole"] = image.size
    record["place"] = round(255 * middle[0]), round(255 * middle[1])
    record["mean"] = round(min(max(float(spectrum[0, 0]), 0), 255))
    record["colours"] = _colours(image, box)
    record["scales"], record["level"], record["spectrum"] = packed(spectrum)
    return record.tobytes().hex()


def _telling(spectrum: Array, narrow: float, least: float) -> bool:
    """Whether there is enough in it to tell the picture from others: pixels on its frame's shorter side, and waves."""
    detail = spectrum * DETAILED
    power = float((detail**2).sum())
    if power < _DETAIL**2 or narrow * SHARP < _FEW:
        return False
    waves, places = np.abs(detail), (_WAVE @ detail @ _WAVE.T) ** 2
    filled = float(places.sum()) ** 2 / float((places**2).sum()) / places.size
    return float(waves.sum()) ** 2 / power * filled >= least


def _pixels(grey: Image.Image, box: Box, ground: int) -> Array:
    """What lies in the box, (_FINE, _FINE) grey levels; ground, where it is larger than the picture."""
    beyond = math.ceil(max(-box[0], -box[1], box[2] - grey.width, box[3] - grey.height, 0))
    if beyond:
        wide = Image.new("L", (grey.width + 2 * beyond, grey.height + 2 * beyond), ground)
        wide.paste(grey, (beyond, beyond))
        grey, box = wide, (box[0] + beyond, box[1] + beyond, box[2] + beyond, box[3] + beyond)
    return np.asarray(grey.resize((_FINE, _FINE), Image.Resampling.LANCZOS, box), np.float32)


def _colours(image: Image.Image, box: Box) -> NDArray[np.uint8]:
    within = max(box[0], 0), max(box[1], 0), min(box[2], image.width), min(box[3], image.height)
    cells = image.resize((4, 4), Image.Resampling.BOX, within).convert("YCbCr")
    return np.asarray(cells)[:, :, 1:].transpose(2, 0, 1).ravel()


def _frame(grey: Image.Image) -> tuple[Box, int]:
    """What lies on the picture's ground, without the margins, and the ground's grey level; all of it, if it has no ground.

    Found in steps, each on a closer view, so that the same is found at any size. The first step sees faint things too;
    the later ones look past the marks that a JPEG leaves around print, and cut no farther than those reach.
    """
    whole = (0.0, 0.0, float(grey.width), float(grey.height))
    view = _viewed(grey, whole)
    edge = np.concatenate([view[0], view[-1], view[:, 0], view[:, -1]])
    ground = int(np.median(edge))
    if (np.abs(edge - ground) <= _PLAIN).mean() < _MARGIN:
        return whole, ground
    box = first = _printed(np.abs(view - ground) > _PRINT, whole, margin=1)
    reach = _REACH + max(grey.size) / _VIEW
    for _ in range(5):
        far, before = np.abs(_viewed(grey, box) - ground), box
        close = _printed(far > max(_PRINT, _FAINT * np.quantile(far, 0.98)), box, margin=0)
        box = (
            min(close[0], first[0] + reach),
            min(close[1], first[1] + reach),
            max(close[2], first[2] - reach),
            max(close[3], first[3] - reach),
        )
        if box[2] - box[0] >= 0.9 * (before[2] - before[0]) and box[3] - box[1] >= 0.9 * (before[3] - before[1]):
            break
    return _fuller(box, grey.size), ground


def _viewed(grey: Image.Image, box: Box) -> NDArray[np.int16]:
    return np.asarray(grey.resize((_VIEW, _VIEW), Image.Resampling.BOX, box), np.int16)


def _printed(print_: NDArray[np.bool_], box: Box, margin: int) -> Box:
    """The part of the box in which there is print, and a margin of so many cells of the view; all of it, if there is none."""
    down, across = np.flatnonzero(print_.any(1)), np.flatnonzero(print_.any(0))
    if not len(down):
        return box
    cell = (box[2] - box[0]) / _VIEW, (box[3] - box[1]) / _VIEW
    return (
        box[0] + max(int(across[0]) - margin, 0) * cell[0],
        box[1] + max(int(down[0]) - margin, 0) * cell[1],
        box[0] + min(int(across[-1]) + 1 + margin, _VIEW) * cell[0],
        box[1] + min(int(down[-1]) + 1 + margin, _VIEW) * cell[1],
    )


def _fuller(box: Box, size: tuple[int, int]) -> Box:
    """As large as a frame must be, around the same middle."""
    width = max(box[2] - box[0], size[0] / _SMALL)
    height = max(box[3] - box[1], size[1] / _SMALL)
    width, height = max(width, height / _SLIM), max(height, width / _SLIM)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
