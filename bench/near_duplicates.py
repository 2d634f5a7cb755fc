"""Copies of pictures must be found, and other pictures must not be taken for copies: recall, false merges, time, memory.

    python bench/near_duplicates.py [--quick]

Copies of a few hundred pictures are encoded anew, scaled, stretched, cropped, and all of it at once; each must join its
original. Many thousand other pictures must each stand for itself: parts of photographs that overlap, turned, mirrored, as
negatives; pages of one layout with other words; flat ones, gradients, halves. All these, copies of one in a hundred, and
random bits make up a million, grouped in a process of its own. Figures: recall by kind of copy and of picture, false
merges by kind of picture, seconds and peak memory for the million, and beside them what a 64-bit pHash at a distance of 8
does with the same pictures. Figures that begin with `limit` are of what it is not made for: known limits.
"""

import argparse
import io
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
from likenesses import BEYOND, COPIES, file, lookalikes, originals, others
from numpy.typing import NDArray
from PIL import Image

from pipeline.pictures.groups import groups
from pipeline.pictures.hashes import LAYOUT, hashed
from pipeline.pictures.parts import Unfit
from pipeline.pictures.rebuild import rebuilt

_READ = 10_000
"""Hashes read at once: to unpack them all together takes several times their size."""
FAR = 8
"""Bits that the pHash may differ in."""
_k = np.arange(32)
COSINES = np.cos(np.pi * np.outer(_k[:8], 2 * _k + 1) / 64)
Hashes = tuple[list[str], NDArray[np.uint64]]
"""Ours, and the pHash."""


def figure(name: str, value: float, unit: str = "ratio") -> None:
    print(f"figure {name} {round(value, 4):g} {unit}", flush=True)


def phash(image: Image.Image) -> int:
    """As imagehash does it: the signs, about their median, of the 64 broadest waves of 32 x 32 grey pixels."""
    small = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
    waves = COSINES @ small @ COSINES.T
    return int.from_bytes(np.packbits(waves > np.median(waves)).tobytes(), "big")


def both(data: bytes) -> tuple[str, int]:
    try:
        image = rebuilt(data).image
    except Unfit:  # one colour only
        image = Image.open(io.BytesIO(data)).convert("RGB")
    return hashed(image), phash(image)


def hashes(files: Iterable[bytes]) -> Hashes:
    with ProcessPoolExecutor(2) as processes:
        ours, plain = zip(*processes.map(both, files, chunksize=32), strict=True)
    return list(ours), np.array(plain, np.uint64)


def near(hash_: np.uint64, hashes: NDArray[np.uint64]) -> bool:
    return bool((np.bitwise_count(hashes ^ hash_) <= FAR).any())


def merged(kind: str, found: Hashes) -> int:
    """How many of different pictures do not stand for themselves; prints it."""
    ours, plain = found
    number = int((groups(ours) != np.arange(len(ours))).sum())
    figure(f"{kind}", number, "pictures")
    figure(f"phash64_{kind}", sum(near(h, plain[:n]) for n, h in enumerate(plain)), "pictures")
    return number


def recalls(quick: bool) -> int:
    """Print how many copies are found; returns how many of the different pictures, or copies, joined another picture."""
    kinds = originals(quick)
    pictures = [(kind, picture) for kind, made in kinds.items() for picture in made]
    first = hashes(file(picture) for _, picture in pictures)
    made = {
        name: hashes(make(picture, random.Random(n)) for n, (_, picture) in enumerate(pictures))
        for name, make in (COPIES | BEYOND).items()
    }
    number = len(pictures)
    joined = groups(first[0] + [hash_ for name in COPIES for hash_ in made[name][0]])
    false = int((joined % number != np.arange(len(joined)) % number).sum())
    found = joined[number:].reshape(len(COPIES), number) == np.arange(number)
    figure("near_duplicate_recall", found.mean())
    for name, row in zip(COPIES, found, strict=True):
        figure(f"recall_{name}", row.mean())
    for kind in kinds:
        figure(f"recall_of_{kind}", found[:, [k == kind for k, _ in pictures]].mean())
    for name in BEYOND:
        beyond = groups(first[0] + made[name][0])[number:] == np.arange(number)
        figure(f"limit_recall_{name}", beyond.mean())
    plain = {name: np.bitwise_count(first[1] ^ made[name][1]) <= FAR for name in COPIES | BEYOND}
    figure("phash64_recall", np.mean([plain[name] for name in COPIES]))
    for name, row in plain.items():
        figure(f"phash64_recall_{name}", row.mean())
    figure("pictures_copied", number, "pictures")
    told = np.array([np.frombuffer(bytes.fromhex(h), LAYOUT)["telling"][0] for h in first[0]])
    figure("pictures_that_tell_nothing", 1 - told.mean())
    return false


def million(ours: list[str], copies: list[str], total: int) -> int:
    """Group them all, filled up with random ones, in a process of its own; returns how many merged falsely."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hashes.parquet"
        rest = randomised(ours, total - len(ours) - len(copies))
        pl.DataFrame({"hash": pl.concat([pl.Series(ours), rest, pl.Series(copies)])}).write_parquet(
            path, row_group_size=_READ
        )
        del rest
        subprocess.run([sys.executable, __file__, "--group", path], check=True)
        joined = np.load(path.with_suffix(".npy"))
    found = joined[-len(copies) :] == np.arange(len(copies))
    figure("recall_among_1m", found.mean())
    another = ~found & (joined[-len(copies) :] < total - len(copies))
    figure("copies_that_joined_an_overlapping_part", (another & (joined[-len(copies) :] < len(ours))).sum(), "pictures")
    strange = another & (joined[-len(copies) :] >= len(ours))
    return int((joined[: -len(copies)] != np.arange(total - len(copies))).sum() + strange.sum())


def randomised(ours: list[str], number: int) -> pl.Series:
    """Hashes of random signs and amplitudes, all of one size, shade and colour, so that nothing else tells them apart."""
    chance, parts = np.random.default_rng(0), []
    real = np.frombuffer(bytes.fromhex("".join(ours)), LAYOUT)
    real = real[real["telling"] == 1]
    for start in range(0, number, 50_000):
        part = real[chance.integers(0, len(real), min(50_000, number - start))]
        for field in ("size", "whole", "place", "mean", "colours"):
            part[field] = real[field][0]
        for field in ("signs", "spectrum"):
            part[field] = np.frombuffer(chance.bytes(part[field].nbytes), part[field].dtype).reshape(part[field].shape)
        parts.append(pl.Series([record.tobytes().hex() for record in part]))
    return pl.concat(parts)


def group(path: Path) -> None:
    """In a fresh process."""
    lazy, number = pl.scan_parquet(path), pl.scan_parquet(path).select(pl.len()).collect().item()
    parts = [lazy.slice(start, _READ).collect()["hash"] for start in range(0, number, _READ)]
    read = pl.concat(parts, rechunk=False)
    del parts
    figure("hash_group_read_rss", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB")
    began = time.perf_counter()
    joined = groups(read)
    figure(
        f"hash_group_{len(read) // 1000}k" if len(read) < 10**6 else "hash_group_1m", time.perf_counter() - began, "s"
    )
    figure("hash_group_rss", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB")
    np.save(path.with_suffix(".npy"), joined)


def rate(quick: bool) -> None:
    """Hashes a second, of pictures as large as they come."""
    pictures = [p.resize((1024, 768)) for p in originals(quick=True)["photographs"]]
    pictures = pictures[: 4 if quick else 100]
    began = time.perf_counter()
    for picture in pictures:
        hashed(picture)
    figure("hash_rate", len(pictures) / (time.perf_counter() - began), "images/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few pictures, 5,000 hashes instead of a million")
    parser.add_argument("--group", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.group:
        group(arguments.group)
        return
    quick = arguments.quick
    false = recalls(quick)
    for kind, pictures in lookalikes(quick).items():
        number = merged(kind if kind.startswith("limit") else f"false_merges_{kind}", hashes(map(file, pictures)))
        false += 0 if kind.startswith("limit") else number
    different = list(others(quick))
    found = hashes(map(file, different))
    false += merged("false_merges_photographs", found)
    figure("photographs_told_apart", len(different), "pictures")
    total = 5_000 if quick else 1_000_000
    copied = [COPIES["all"](picture, random.Random(n)) for n, picture in enumerate(different[: total // 100])]
    false += million(found[0], hashes(copied)[0], total)
    figure("false_merges", false, "pictures")
    chance = sum(math.comb(64, n) for n in range(FAR + 1)) / 2**64
    figure("phash64_false_merges_1m", math.comb(1_000_000, 2) * chance, "pictures")
    rate(quick)


if __name__ == "__main__":
    main()
