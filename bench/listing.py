"""A listing of ten million addresses: how fast the rows come, and how much memory they take.

    python bench/listing.py [--rows 10000000] [--quick]

Metadata as LAION's is written first: some files of a million rows, an address, a caption, sizes and scores in each. Prints
figures: rows a second and peak memory of `Parquet.listing`, its frames dropped after counting; the same with a filter on size
and safety; and, of a million rows, beside reading them all at once (`pl.read_parquet(...).rows()`). Each side is a process of
its own.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

ROWS_A_FILE = 1_000_000
NAIVE = 1_000_000
"""Rows: of more, they take all memory."""
CHILD = """
import time
from pathlib import Path
import polars as pl
from pipeline.sources.parquet import Parquet
path, started = Path({path!r}), time.monotonic()
print({code}, time.monotonic() - started)
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""
"""Prints what it counted, the seconds that took, and the process's peak memory in kB: not rusage's, which begins with the
parent's."""
LISTING = "sum(frame.height for frame in Parquet(path{asked}).listing())"
ALL_AT_ONCE = "len(pl.read_parquet(path).rows())"


def write(folder: Path, rows: int) -> None:
    """Metadata of so many images."""
    for file, start in enumerate(range(0, rows, ROWS_A_FILE)):
        number = pl.int_range(start, min(start + ROWS_A_FILE, rows), eager=True)
        pl.DataFrame({"n": number}).select(
            URL=pl.format(
                "https://host{}.example/pictures/{}/image-{}.jpg", pl.col("n") % 9973, pl.col("n") % 1009, "n"
            ),
            TEXT=pl.format(
                "Picture {} of a thing that somebody described at some length, for the {}th time", "n", pl.col("n") % 97
            ),
            WIDTH=(pl.col("n") * 37 % 1500 + 100).cast(pl.Int32),
            HEIGHT=(pl.col("n") * 53 % 1500 + 100).cast(pl.Int32),
            LICENSE=pl.lit("?"),
            similarity=pl.col("n") % 1000 / 1000,
            punsafe=(pl.col("n") % 100 / 100).cast(pl.Float32),
            hash=pl.col("n") * 1_000_003,
        ).write_parquet(folder / f"part-{file:05d}.parquet", row_group_size=100_000)


def measured(path: Path, code: str) -> tuple[int, float, float]:
    """Run it in a process; returns what it counted, seconds without its imports, and peak memory in MB."""
    command = [sys.executable, "-c", CHILD.format(path=str(path), code=code)]
    counted, seconds, peak = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return int(counted), float(seconds), int(peak) / 1024


def main(rows: int) -> None:
    naive = min(rows, NAIVE)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), rows)
        (Path(folder) / "some").mkdir()
        write(Path(folder) / "some", naive)
        whole, seconds, rss = measured(Path(folder) / "part-*.parquet", LISTING.format(asked=""))
        assert whole == rows
        fit, filtered, _ = measured(
            Path(folder) / "part-*.parquet", LISTING.format(asked=", smallest=256, most_unsafe=0.5")
        )
        assert 0 < fit < rows
        _, some_seconds, some_rss = measured(Path(folder) / "some", LISTING.format(asked=""))
        _, naive_seconds, naive_rss = measured(Path(folder) / "some", ALL_AT_ONCE)
    print(f"figure listing_rss_vs_all_at_once {some_rss / naive_rss:.2f} x")
    print(f"figure listing_rss_{_short(rows)} {rss:.0f} MB")
    print(f"figure listing_rows_per_s {rows / seconds:.0f} rows/s")
    print(f"figure listing_filtered_rows_per_s {rows / filtered:.0f} rows/s")
    print(f"figure listing_{_short(naive)}_rows_per_s {naive / some_seconds:.0f} rows/s")
    print(f"figure listing_{_short(naive)}_rss {some_rss:.0f} MB")
    print(f"figure all_at_once_{_short(naive)}_rows_per_s {naive / naive_seconds:.0f} rows/s")
    print(f"figure all_at_once_{_short(naive)}_rss {naive_rss:.0f} MB")


def _short(rows: int) -> str:
    return f"{rows // 1_000_000}m" if rows >= 1_000_000 else f"{rows // 1000}k"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--quick", action="store_true", help="200,000 rows")
    arguments = parser.parse_args()
    main(200_000 if arguments.quick else arguments.rows)
