"""A picture's spectrum in few bits: the strongest frequencies finely, the weak ones coarsely, the weakest not at all.

A spectrum is an array of SIDE x SIDE cosine amplitudes in grey levels, down the picture and across it; [0, 0] is its mean.
Amplitudes of about the same frequency make a band. Each band is kept at its own scale, with as many bits an amplitude as
make the error about the same in all bands: one bit more where the scale doubles.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 40
"""Frequencies kept: half waves across the picture, 0 to 39."""
FADES = (22.0, 44.0)
"""Half waves: up to the first they count fully, from there less and less, at the second no more."""
BYTES = 413
"""Of a packed spectrum."""
_EDGES = (1, 3, 6, 9, 12, 16, 20, 24, 28, 32, 36, SIDE)
"""Half waves, between rings of bands. The waves that run straight across or down are bands of their own: bars and lines
make them strong."""
_STEPS = 4
"""Of a scale, to twice as much."""
_LOWEST, _HIGHEST = -10 * _STEPS, 8 * _STEPS
"""The smallest scale, 2^-10 grey levels, and the largest, 2^8."""
_MOST = 8
"""Bits an amplitude."""
_BEND = (1, 1.44, 2.3, 2.6, 3, 3, 3, 3, 3)
"""By bits: how many scales wide the levels spread; those of two bits are near Lloyd and Max's for a Laplacian."""
_ERROR = np.array((2.0, 1.0, 0.432, 0.130, 0.0349, 0.0088, 0.0022, 0.00055, 0.00014), np.float32)
"""By bits: mean square error, in scales squared, where amplitudes are distributed as Laplace says."""

Array = NDArray[np.floating[Any]]


def fading(height: Array, width: Array, side: int = SIDE) -> Array:
    """How much each frequency counts, (n, side, side), where `height` and `width` (n) half waves are the last ones."""
    k = np.arange(side, dtype=np.float32)
    far = np.hypot(k[:, None] / height[:, None, None], k / width[:, None, None])
    start = FADES[0] / FADES[1]
    falling: Array = np.cos(np.clip((far - start) / (1 - start), 0, 1) * np.pi / 2) ** 2
    return falling


def _bands() -> NDArray[np.int64]:
    """The band of each frequency, (SIDE, SIDE); -1 for the mean and for the corner, which are not kept."""
    k = np.arange(SIDE)
    ring = np.digitize(np.hypot(k[:, None], k), _EDGES) - 1
    straight = np.minimum(k[:, None], k) <= 1
    return np.where((ring < 0) | (ring >= len(_EDGES) - 1), -1, 2 * ring + straight)


_BANDS = _bands()
BANDS = 2 * (len(_EDGES) - 1)
_PLACES = tuple(np.flatnonzero(_BANDS.ravel() == band) for band in range(BANDS))
_COUNTS = np.array([len(places) for places in _PLACES])
_COUNTING = fading(*np.full((2, 1), FADES[1], np.float32))[0]
_WEIGHTS = np.array([_COUNTING.ravel()[places].mean() for places in _PLACES], np.float32)
_NOTHING = np.zeros(0, np.uint8)
_SHIFTS = np.round(_STEPS * np.log2(_WEIGHTS)).astype(np.int64)


def _bits(scales: NDArray[np.int64], level: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bits an amplitude gets in each band, (n, BANDS)."""
    bits: NDArray[np.int64] = np.clip((scales + _SHIFTS - level[:, None]) // _STEPS, 0, _MOST)
    return bits


def _scale(codes: NDArray[np.int64]) -> Array:
    found: Array = np.exp2(np.minimum(codes + _LOWEST, _HIGHEST) / _STEPS).astype(np.float32)
    return found


def packed(spectrum: Array) -> tuple[NDArray[np.uint8], int, NDArray[np.uint8]]:
    """One spectrum as the scale of each band (BANDS), the level of all, and BYTES of amplitudes."""
    flat = spectrum.ravel()
    means = np.array([np.abs(flat[places]).mean() for places in _PLACES])
    scales = np.round(_STEPS * np.log2(np.maximum(means, 2.0 ** (_LOWEST / _STEPS)))).astype(np.int64) - _LOWEST
    scales = np.minimum(scales, _HIGHEST - _LOWEST)
    spent = _bits(np.broadcast_to(scales, (256, BANDS)), np.arange(256)) @ _COUNTS
    level = int((spent <= 8 * BYTES).argmax())
    bits = _bits(scales[None], np.array([level]))[0]
    bands = zip(_PLACES, _scale(scales), bits, strict=True)
    stream = np.concatenate([_NOTHING, *(_written(flat[places] / scale, n) for places, scale, n in bands if n)])
    return scales.astype(np.uint8), level, np.packbits(np.pad(stream, (0, 8 * BYTES - len(stream))))


def _written(amplitudes: Array, bits: int) -> NDArray[np.uint8]:
    """Amplitudes, in scales, as so many bits each: the sign, then the magnitude's level."""
    half = 1 << (bits - 1)
    level = np.minimum((1 - np.exp(-np.abs(amplitudes) / _BEND[bits])) * half, half - 1).astype(np.int64)
    codes = level + half * (amplitudes < 0)
    found: NDArray[np.uint8] = ((codes[:, None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8).ravel()
    return found


def _read(bits: NDArray[np.uint8]) -> Array:
    """The reverse of `_written`, for (n, amplitudes, bits)."""
    width = bits.shape[2]
    codes = bits.astype(np.int64) @ (1 << np.arange(width - 1, -1, -1))
    half = 1 << (width - 1)
    size = -_BEND[width] * np.log1p(-(codes % half + 0.5) / half)
    found: Array = np.where(codes >= half, -size, size).astype(np.float32)
    return found


def unpacked(scales: NDArray[np.uint8], level: NDArray[np.uint8], packed: NDArray[np.uint8]) -> tuple[Array, Array]:
    """n spectra, (n, SIDE, SIDE), their means nought, from what `packed` gave of each: (n, BANDS), (n), (n, BYTES).

    And of each the variance, in grey levels squared, by which packing blurred the picture (n).
    """
    codes = scales.astype(np.int64)
    bits, scale = _bits(codes, level.astype(np.int64)), _scale(codes)
    starts = np.cumsum(bits * _COUNTS, axis=1) - bits * _COUNTS
    stream = np.unpackbits(packed, axis=1)
    found = np.zeros((len(stream), SIDE * SIDE), np.float32)
    for band, (places, count) in enumerate(zip(_PLACES, _COUNTS, strict=True)):
        for n in range(1, _MOST + 1):
            rows = np.flatnonzero((bits[:, band] == n) & (starts[:, band] + n * count <= 8 * BYTES))
            if len(rows):
                spans = starts[rows, band][:, None] + np.arange(n * count)
                read = _read(stream[rows[:, None], spans].reshape(len(rows), count, n))
                found[rows[:, None], places] = read * scale[rows, band][:, None]
    error: Array = ((scale * _WEIGHTS) ** 2 * _ERROR[bits]) @ _COUNTS.astype(np.float32)
    return found.reshape(-1, SIDE, SIDE), error
