"""What `--source` may be."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import UserError
from pipeline.sources import Embedded, Source, of
from pipeline.sources.drawings import Drawings
from pipeline.sources.folder import Folder
from pipeline.sources.hub import HubDataset
from pipeline.sources.parquet import Parquet
from pipeline.sources.photographs import Photographs
from pipeline.sources.typographic import Typographic
from pipeline.sources.urls import Urls
from pipeline.sources.vectors import ParquetWithVectors
from pipeline.sources.webdataset import WebDataset
from tests.sources.listings import column, picture

FILES = ("images/theft/1.jpg", "images/odd.parquet", "shards/0.tar", "shards/0.parquet", "shards/0_stats.json",
         "table/data/0.parquet", "table/README.md", "empty/.keep", "list.txt", "list.csv", "list.tsv", "list.jsonl",
         "notes.docx", "packed.tar.gz")  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("word", "kind"), [
    ("images", Folder), ("./images/", Folder), ("empty", Folder), ("shards", WebDataset), ("shards/0.tar", WebDataset),
    ("shards/*.tar", WebDataset), ("packed.tar.gz", WebDataset), ("table", Parquet), ("table/data/0.parquet", Parquet),
    ("table/**/*.parquet", Parquet), ("shards/0.parquet", Parquet), ("list.txt", Urls), ("list.csv", Urls),
    ("list.tsv", Urls), ("list.jsonl", Urls), ("hf://datasets/org/name", HubDataset),
    ("hf://datasets/org/name@refs%2Fconvert%2Fparquet/config:train[:10%]", HubDataset),
])  # fmt: skip
def test_a_word_means_one_kind_of_source(here: Path, word: str, kind: type[Source]) -> None:
    assert here == Path.cwd()
    source = of(word)
    assert type(source) is kind
    assert re.fullmatch(r"[A-Za-z0-9-]{1,47}", source.name)


@pytest.mark.parametrize("word", [
    "nowhere", "notes.docx", "photograps", "data/*", "https://a.example/x.jpg", "hf://models/org/name", "hf://datasets/name", "",
])  # fmt: skip
def test_a_word_that_means_nothing_is_the_users_to_mend(here: Path, word: str) -> None:
    assert here == Path.cwd()
    with pytest.raises(UserError, match="hf://datasets/org/name") as raised:
        of(word)
    assert "\n" not in str(raised.value)


def test_a_file_is_named_after_itself_wherever_it_lies_and_a_dataset_after_all_that_was_said(here: Path) -> None:
    (here / "other" / "images").mkdir(parents=True)
    assert of("images").name == of("other/images").name == "images"
    assert of("list.csv").name == "list-csv"
    on_the_hub = ["a/b", "a/b:test", "a/b/c", "a-b/c", "a/b-c"]
    names = [of(f"hf://datasets/{word}").name for word in on_the_hub]
    assert len(set(names)) == len(names)
    assert names == [of(f"hf://datasets/{word}").name for word in on_the_hub]


def test_a_table_of_bytes_is_read_and_a_table_of_addresses_is_left_to_the_fetch_door(here: Path) -> None:
    for name, cells in (("bytes", {"image": picture(), "url": "http://a"}), ("addresses", {"url": "http://a"})):
        pq.write_table(pa.Table.from_pylist([cells]), here / f"{name}.parquet")
    places = {name: column(of(f"{name}.parquet"), "place") for name in ("bytes", "addresses")}
    assert places == {"bytes": ["bytes.parquet#0:0"], "addresses": [None]}


def test_every_source_keeps_the_contract_for_the_type_checker(tmp_path: Path) -> None:
    sources: list[Source] = [Folder(tmp_path), Parquet(tmp_path), WebDataset(tmp_path), Urls(tmp_path), HubDataset("a/b"),
                             Typographic(), Drawings(), Photographs()]  # fmt: skip
    embedded: Embedded = ParquetWithVectors(tmp_path, model="clip")
    assert isinstance(embedded, Embedded)
    assert not [source for source in sources if isinstance(source, Embedded)]
    assert len({source.name for source in sources}) == len(sources) - 3  # these lie in one folder
