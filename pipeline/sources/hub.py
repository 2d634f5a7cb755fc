"""A dataset on the Hugging Face Hub, at one commit; or in a local folder of the same layout."""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from pipeline.errors import UserError
from pipeline.sources import BATCH
from pipeline.sources.parts.arrow import first_image, frame, has_path, holds_bytes
from pipeline.sources.parts.cells import TEXTS, Cells, Columns, file_name, first
from pipeline.sources.parts.files import MOST_BYTES, found, slug, stamp, whole
from pipeline.sources.parts.slot import Slot

Dataset = Any
"""Of `datasets`, which takes a second to import."""


class HubDataset:
    """One split of a dataset. It is downloaded whole, to where `datasets` keeps its own. No code of it is run, and no file is
    read that its rows name: an image is the bytes in its row, or a file that `datasets` downloaded for it."""

    def __init__(
        self, repo: str, *, split: str = "train", config: str | None = None, revision: str = "main",
        image: str | None = "image", subcategory: str | tuple[str, ...] | None = None,
        classes: Mapping[str, str | None] | None = None, licence: str | None = None,
        columns: Mapping[str, str] | None = None, name: str = "",
    ) -> None:  # fmt: skip
        """`repo`: org/name, or a folder; `image`: the column of images, or of lists of which the first is taken; None: the
        images lie at the column that `columns` names for `url`; `subcategory`: a column, or several from broad to narrow, of
        which the last that is filled counts; `classes`: see `Cells`; `columns`: our name of a column to theirs; `licence`: of
        the rows whose column says none."""
        self._folder = Path(repo) if Path(repo).is_dir() else None  # `datasets` prefers a folder too
        short = [self._folder.name if self._folder else repo, config, split]
        self.name = name or slug("-".join(filter(None, short)), repo, config, split)
        self._repo, self._split, self._config, self._at, self._image = repo, split, config, revision, image
        of_class: Columns = {"subcategory": subcategory} if subcategory else {}
        self._cells = Cells({**(columns or {}), **of_class}, licence, classes or {})
        self._sha = ""
        self._opened: Slot[str, Dataset] = Slot(self._open)
        self._zipped: Slot[Path, zipfile.ZipFile] = Slot(zipfile.ZipFile)

    def revision(self) -> str:
        """The commit, looked up once, and a hash over what is asked of it."""
        if not self._sha:
            self._sha = self._commit() if self._folder is None else stamp(self._folder, found(self._folder, ""))
        cells = self._cells
        asked = (sorted(cells.columns.items()), cells.licence, sorted(cells.classes.items()), self._image)
        return f"{self._sha}-{stamp(Path(), [], self._split, self._config, *asked)}"

    def _commit(self) -> str:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import httpx  # type: ignore[attr-defined] # documented, but hidden from type checkers

        try:
            return str(HfApi().dataset_info(self._repo, revision=self._at).sha)
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise UserError(self._told(error)) from None

    def _open(self, commit: str) -> Dataset:
        from datasets import load_dataset
        from datasets.exceptions import DatasetsError
        from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

        at = commit if self._folder is None else None
        try:
            opened: Dataset = load_dataset(self._repo, self._config, split=self._split, revision=at)
        except (DatasetsError, httpx.HTTPError, OSError, ValueError) as error:
            raise UserError(self._told(error)) from None
        self._cells.check(TEXTS, opened.column_names, self._repo)
        if self._image is None and "url" not in self._cells.columns:
            raise UserError(f"{self._repo}: name its column of images (`image`), or that of addresses (`columns`, url)")
        if self._image is not None:
            Cells({"image": self._image}).check(["image"], opened.column_names, self._repo)
            if not holds_bytes(kind := opened.data.schema.field(self._image).type):
                raise UserError(f"{self._repo}: its column {self._image} holds no images, but {kind}")
        return opened.with_format("arrow")

    def _told(self, error: Exception) -> str:
        """What went wrong, in one line without the token."""
        from datasets.exceptions import DatasetNotFoundError
        from huggingface_hub import get_token
        from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

        advice = "check its name, revision, configuration and split, and whether the Hub is there"
        if isinstance(error, RepositoryNotFoundError | DatasetNotFoundError):
            advice = "check its name; a private one needs HF_TOKEN, a gated one that access was granted on its page"
        said = (isinstance(error, HfHubHTTPError) and error.server_message) or str(error) or type(error).__name__
        said = " ".join(said.replace(get_token() or "\0", "<token>").split())[:300]
        return f"the dataset {self._repo} cannot be read ({said}); {advice}"

    def listing(self) -> Iterator[pl.DataFrame]:
        """One row a row, under its number and its image's file name."""
        self.revision()
        opened, image = self._opened(self._sha), self._image
        wanted = self._cells.theirs(*TEXTS)
        for start in range(0, len(opened), BATCH):
            table = opened[start : start + BATCH]
            raw = _named(frame(table.select(wanted)), opened)
            number = (pl.int_range(table.num_rows) + start).cast(pl.String)
            key = number.str.zfill(8)
            if image is not None and has_path(table.schema.field(image).type):
                path = frame(table.select([image]).flatten().select([f"{image}.path"])).to_series()
                key += file_name(pl.lit(path))
            yield self._cells.listed(raw, self.name, key, number if image is not None else None)

    def read(self, row: dict[str, Any]) -> bytes | None:
        """The bytes as they are in the dataset."""
        if self._image is None:
            return None
        self.revision()
        number = int(row["place"])
        try:
            column = self._opened(self._sha).select_columns([self._image])[number : number + 1][self._image]
            data, path = first_image(column[0].as_py())
        except (pa.ArrowException, IndexError) as error:
            raise OSError(f"row {number} cannot be read: {error}") from None
        if data is None and path:
            zipped = re.fullmatch(r"zip://(.+)::(.+)", path)
            return self._unzipped(zipped[1], self._own(zipped[2])) if zipped else whole(self._own(path))
        if data is None:
            raise FileNotFoundError("the row holds no bytes")
        return _fitting(data)

    def _own(self, name: str) -> Path:
        """A file that `datasets` downloaded for a row; any other that a row names is left alone."""
        from datasets.config import DOWNLOADED_DATASETS_PATH
        from huggingface_hub.constants import HF_HUB_CACHE

        own = [Path(HF_HUB_CACHE) / f"datasets--{self._repo.replace('/', '--')}", Path(DOWNLOADED_DATASETS_PATH)]
        try:
            path = Path(name).resolve()
        except (ValueError, RuntimeError) as error:  # a null byte; links in a ring
            raise OSError(str(error)) from None
        if not any(path.is_relative_to(folder.resolve()) for folder in [*own, *filter(None, [self._folder])]):
            raise PermissionError("the row holds no bytes, but the name of a file outside of the dataset")
        return path

    def _unzipped(self, name: str, path: Path) -> bytes:
        """A file in a .zip, which `datasets` leaves packed."""
        try:
            with self._zipped(path).open(name) as file:
                data = file.read(MOST_BYTES + 1)
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
            raise OSError(f"{path.name} holds no sound {name}: {error}") from None
        return _fitting(data)


def _fitting(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise OSError(f"too large: over {MOST_BYTES / 1e6:.0f} MB")
    return data


def _named(raw: pl.DataFrame, opened: Dataset) -> pl.DataFrame:
    """With the names of classes in place of their numbers."""
    from datasets import ClassLabel

    features = {name: getattr(feature, "feature", feature) for name, feature in opened.features.items()}
    return raw.with_columns(
        first(raw, name).replace_strict(
            [str(n) for n in range(len(feature.names))], feature.names, default=None, return_dtype=pl.String
        ).alias(name)
        for name, feature in features.items() if name in raw.columns and isinstance(feature, ClassLabel)
    )  # fmt: skip
