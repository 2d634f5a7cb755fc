"""Where images come from. To add a source, write one module with one class that

- has a `name`, and a `revision()` that changes whenever its listing or its bytes would;
- lists what it offers (`listing()`: frames with the columns of `Listed`, some thousand rows each, in a fixed order);
- reads one of them (`read(row)`: the bytes as they are; None where they lie at the row's `url`, and the fetch door
  downloads them; OSError when there are none). Several threads may read at once;
and import it in the recipe that uses it, or give it a word in `of` below, for `--source`.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import polars as pl

from pipeline.errors import UserError
from pipeline.tables import Listed, frame

if TYPE_CHECKING:
    import numpy as np

BATCH = 4096
"""Rows of a listing at once."""


class Source(Protocol):
    """A place that images come from."""

    @property
    def name(self) -> str: ...

    def revision(self) -> str:
        """Changes when the listing or the bytes would."""
        ...

    def listing(self) -> Iterator[pl.DataFrame]:
        """What it offers."""
        ...

    def read(self, row: dict[str, Any]) -> bytes | None:
        """The bytes of one listed image, or None: they lie at its URL."""
        ...


@runtime_checkable
class Embedded(Protocol):
    """A source that has embeddings of its images already, so that they can be ranked before any is fetched."""

    @property
    def model(self) -> str:
        """Whose embeddings they are: a name in models.toml, which embeds the keywords too."""
        ...

    def vectors(self) -> "Iterator[np.ndarray]":
        """One matrix for each frame of the listing: a row an image, any length."""
        ...


def frames(rows: Iterable[Listed]) -> Iterator[pl.DataFrame]:
    """Rows as the frames of a listing."""
    rows = iter(rows)
    while part := list(islice(rows, BATCH)):
        yield frame(part, Listed)


def of(spec: str) -> Source:
    """The source that `--source` means: a folder; a list of addresses (.txt, .csv, .tsv, .jsonl); Parquet files or tars, one, a
    folder of them or a pattern; or hf://datasets/org/name, with @revision, /configuration and :split if need be."""
    from pipeline.sources.folder import Folder
    from pipeline.sources.parquet import Parquet
    from pipeline.sources.urls import Urls
    from pipeline.sources.webdataset import COMPRESSED, WebDataset

    if "://" in spec:
        return _on_the_hub(spec)
    path = Path(spec)
    if spec and path.is_dir():
        suffixes = {file.suffix.lower() for file in path.rglob("*") if file.suffix and not file.name.startswith(".")}
        kinds = {".tar": WebDataset, ".parquet": Parquet} if not suffixes & _PICTURES else {}
        return next((kind(path) for suffix, kind in kinds.items() if suffix in suffixes), Folder(path))
    if path.suffix in (".txt", ".csv", ".tsv", ".jsonl"):
        return Urls(path)
    if spec.endswith((".tar", *COMPRESSED)):
        return WebDataset(path)
    if path.suffix == ".parquet":
        return Parquet(path)
    what = (
        "is no kind of source"
        if path.is_file()
        else "is neither a source of the recipe nor a folder or file that is there"
    )
    raise UserError(
        f"--source {spec} {what}: give a folder of images, a .txt, .csv, .tsv or .jsonl of addresses, .parquet or .tar files, "
        "or hf://datasets/org/name"
    )


_PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


def _on_the_hub(spec: str) -> Source:
    from pipeline.sources.hub import HubDataset

    word = r"[\w.-]+"
    found = re.fullmatch(rf"hf://datasets/({word}/{word})(?:@([^/:]+))?(?:/([^/:]+))?(?::(.+))?", spec)
    if not found:
        raise UserError(
            f"--source {spec}: a dataset on the Hub is hf://datasets/org/name[@revision][/configuration][:split]"
        )
    repo, revision, config, split = found.groups()
    at = (revision or "main").replace("%2F", "/")
    return HubDataset(repo, revision=at, config=config, split=split or "train")
