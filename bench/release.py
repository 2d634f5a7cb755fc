"""A release's rows into Parquet: beside plain pyarrow and `datasets`, with the same writer options, in one run.

    python bench/release.py [--quick] [--folder FOLDER]

10,000 rows with a picture of 200 kB in the mean lie as files; they become quadruples in Parquet

- by ours: `pipeline.release.parquet.write`;
- by plain pyarrow: read the files, a table, `ParquetWriter.write_table`, group by group;
- by `datasets`: `map` over the rows, which reads the files, then `to_parquet`.

Each side runs in a process of its own, twice, in turn; the faster time counts. Memory is the peak of ours at 10,000 and at
2,000 rows. `chunks_unchanged_after_1pct`: 2,000 rows are written, then again with ten rows less and ten texts changed; both files
are cut as Xet cuts what is uploaded to the Hub (a gear hash over the bytes, chunks of 8 to 128 kB, 64 kB in the mean), and the
share of the second file's chunks that the first has is what need not be sent. It takes up to 13 GB of disk, and leaves none.
"""

import argparse
import hashlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.doors.blobs import Blobs
from pipeline.release import parquet

SIZE = 200_000
WORDS = [a + b for a in "bdfglmnprst" for b in ("ab", "en", "or", "il", "um")]
SMALLEST, LARGEST, BITS = 8 << 10, 128 << 10, 16
"""Bytes of a chunk; one place in 2^16 may end it."""
_WINDOW = 1 << 24


def figure(name: str, value: float, unit: str) -> None:
    print(f"figure {name} {round(value, 4):g} {unit}", flush=True)


def quadruples(number: int, names: list[str]) -> pl.DataFrame:
    """Rows like those that are published: four texts and what is known of them."""
    chance = random.Random(0)

    def texts(words: int) -> list[str]:
        return [" ".join(chance.choices(WORDS, k=words)) for _ in range(number)]

    return pl.DataFrame({
        "id": [f"{n:016x}" for n in range(number)], parquet.NAMED_BY: names[:number], "question": texts(20), "chosen": texts(80),
        "rejected": texts(80), "subcategory": [f"s{n % 53}" for n in range(number)], "strength": 1.5, "licence": "CC-BY-4.0",
        "sources": [["a judge", "another"]] * number,
    })  # fmt: skip


def pictures(folder: Path, number: int) -> list[str]:
    """Files that no codec makes smaller, and of various sizes, as pictures are: half to one and a half times the mean."""
    blobs, luck = Blobs(folder / "images"), np.random.default_rng(0)
    return [blobs.keep(luck.bytes(int(luck.integers(SIZE // 2, SIZE * 3 // 2)))) for _ in range(number)]


def ours(rows: pl.DataFrame, files: dict[str, Path], folder: Path) -> None:
    parquet.write(rows, "image", files, folder, "train")


def by_pyarrow(rows: pl.DataFrame, files: dict[str, Path], folder: Path) -> None:
    features = parquet.features(rows.schema, "image")
    schema, group = features.arrow_schema, parquet.GROUP // SIZE
    folder.mkdir()
    with pq.ParquetWriter(folder / "train.parquet", schema, **parquet.options(features)) as writer:
        for start in range(0, rows.height, group):
            part = rows[start : start + group]
            names = part[parquet.NAMED_BY].to_list()
            read = pa.array([files[name].read_bytes() for name in names], pa.binary())
            image = pa.StructArray.from_arrays([read, pa.array(names)], names=["bytes", "path"])
            columns = {name: part[name].to_arrow() for name in part.columns} | {"image": image}
            writer.write_table(pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema))


def by_datasets(rows: pl.DataFrame, files: dict[str, Path], folder: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    features = parquet.features(rows.schema, "image")
    table = datasets.Dataset.from_polars(rows)
    folder.mkdir()
    read = table.map(
        lambda row: {"image": {"bytes": files[row[parquet.NAMED_BY]].read_bytes(), "path": row[parquet.NAMED_BY]}},
        features=datasets.Features({name: features[name] for name in (*rows.columns, "image")}),
        cache_file_name=str(folder / "cache.arrow"),
    )
    read.to_parquet(folder / "train.parquet", use_content_defined_chunking=parquet.CHUNKS)


SIDES = {"ours": ours, "pyarrow": by_pyarrow, "datasets": by_datasets}


def measured(side: str, number: int, folder: Path) -> None:
    """In a fresh process: seconds, and the peak of memory."""
    blobs = Blobs(folder / "images")
    names = (folder / "names.txt").read_text().split()
    rows, files = quadruples(number, names), {name: blobs.path(name) for name in names}
    parquet.features(rows.schema, "image")  # imports `datasets`
    out = folder / side
    began = time.perf_counter()
    SIDES[side](rows, files, out)
    seconds = time.perf_counter() - began
    size = sum(path.stat().st_size for path in out.glob("*.parquet"))
    held = sum(files[name].stat().st_size for name in rows[parquet.NAMED_BY])
    assert held < size < held * 1.05, "all pictures are there, once"
    shutil.rmtree(out)
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def child(side: str, number: int, folder: Path) -> tuple[float, float]:
    command = [sys.executable, __file__, "--folder", str(folder), "--side", side, "--rows", str(number)]
    seconds, memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(memory)


def ends(path: Path) -> Iterator[int]:
    """Where a chunk may end: the hash of the 64 bytes before has its highest bits clear."""
    gears = np.random.default_rng(1).integers(0, 1 << 64, 256, np.uint64)
    data = np.memmap(path, np.uint8, "r")
    for start in range(0, len(data), _WINDOW):
        first = max(0, start - 63)
        rolled = gears[data[first : start + _WINDOW]]
        for reach in (1, 2, 4, 8, 16, 32):  # the hash is the sum of gears, each shifted by its distance
            rolled[reach:] += rolled[:-reach].copy() << np.uint64(reach)
        found = np.flatnonzero(rolled >> np.uint64(64 - BITS) == 0) + first + 1
        yield from found[found > start].tolist()


def chunks(path: Path) -> list[bytes]:
    """The hashes of a file's chunks."""
    size, cuts, begin = path.stat().st_size, [], 0
    for end in [*ends(path), size]:
        while end - begin > LARGEST:
            begin += LARGEST
            cuts.append(begin)
        if end - begin >= SMALLEST or end == size:
            begin = end
            cuts.append(end)
    with path.open("rb") as file:
        return [
            hashlib.blake2b(file.read(b - a), digest_size=16).digest() for a, b in zip([0, *cuts], cuts, strict=False)
        ]


def unchanged(folder: Path, number: int, names: list[str]) -> float:
    """After one row in 200 went and one text in 200 changed."""
    rows = quadruples(number, names)
    files = {name: Blobs(folder / "images").path(name) for name in names}
    luck = random.Random(1).sample(range(number), number // 100)
    gone, other = luck[: len(luck) // 2], luck[len(luck) // 2 :]
    place = pl.int_range(pl.len())
    changed = rows.with_columns(
        chosen=pl.when(place.is_in(other)).then(pl.lit("another answer")).otherwise("chosen")
    ).filter(~place.is_in(gone))
    found = []
    for table in (rows, changed):
        parts = parquet.write(table, "image", files, folder / "chunks", "train")
        found.append([chunk for part in parts for chunk in chunks(part)])
        shutil.rmtree(folder / "chunks")
    before = set(found[0])
    return sum(chunk in before for chunk in found[1]) / len(found[1])


def compared(folder: Path, many: int, few: int) -> None:
    names = pictures(folder, many)
    (folder / "names.txt").write_text("\n".join(names))
    rounds = [{side: child(side, many, folder) for side in SIDES} for _ in range(2)]
    seconds = {side: min(found[side][0] for found in rounds) for side in SIDES}
    memory = {side: max(found[side][1] for found in rounds) for side in SIDES}
    _, small = child("ours", few, folder)
    figure("release_vs_pyarrow", seconds["pyarrow"] / seconds["ours"], "times")
    figure("release_vs_datasets", seconds["datasets"] / seconds["ours"], "times")
    figure("release_rss_10k_vs_2k", memory["ours"] / small, "times")
    figure("chunks_unchanged_after_1pct", unchanged(folder, few, names), "share")
    for side in SIDES:
        figure(f"release_seconds_{side}", seconds[side], "s")
        figure(f"release_rss_{side}", memory[side], "MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="500 rows and 200")
    parser.add_argument("--folder", type=Path, help="where there is room; by default where temporary files lie")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        measured(arguments.side, arguments.rows, arguments.folder)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        compared(Path(folder), *((500, 200) if arguments.quick else (10_000, 2_000)))


if __name__ == "__main__":
    main()
