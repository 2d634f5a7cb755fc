"""Where given prompts are read from."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from hub import File, Hub, Repo

from pipeline.errors import UserError
from pipeline.writers.given import table

ROWS = pl.DataFrame(
    {"question": ["Why is it so, then?", "Wie geht es, ☃?"], "image": ["one.jpg", None], "number": [1, 2]}
)
WRITE: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "csv": lambda rows, path: rows.write_csv(path),
    "tsv": lambda rows, path: rows.write_csv(path, separator="\t"),
    "jsonl": lambda rows, path: rows.write_ndjson(path),
    "parquet": lambda rows, path: rows.write_parquet(path),
}


@pytest.mark.parametrize("suffix", WRITE)
def test_a_file_gives_the_columns_that_are_ours_as_text(suffix: str, tmp_path: Path) -> None:
    WRITE[suffix](ROWS, path := tmp_path / f"mine.{suffix}")
    assert table(path).equals(ROWS.select("question", "image"))
    assert table(str(path)).equals(ROWS.select("question", "image"))


@pytest.mark.parametrize("suffix", WRITE)
def test_columns_of_other_names_are_mapped(suffix: str, tmp_path: Path) -> None:
    WRITE[suffix](ROWS.rename({"question": "prompt"}), path := tmp_path / f"mine.{suffix}")
    found = table(path, columns={"question": "prompt", "subcategory": "number"})
    assert found.columns == ["question", "image", "subcategory"]
    assert found["subcategory"].to_list() == ["1", "2"]


def test_one_column_may_mean_two_things(tmp_path: Path) -> None:
    ROWS.write_csv(path := tmp_path / "mine.csv")
    assert table(path, columns={"subcategory": "image"})["subcategory"].to_list() == ["one.jpg", None]


@pytest.mark.parametrize(
    ("name", "content", "columns", "words"),
    [
        ("gone.csv", None, {}, "cannot read"), ("mine.txt", b"Why?\n", {}, "given prompts lie in .csv"), ("empty.csv", b"", {}, "cannot read"),
        ("mine.csv", b"prompt,image\nWhy?,x\n", {}, "has no column question; it has prompt, image"),
        ("mine.csv", b"question\nWhy?\n", {"image": "picture"}, "has no column picture"),
        ("mine.csv", b"question\nWhy?\n", {"answer": "question"}, "no such column: answer"),
        ("mine.csv", b"question\n\xff\xfe\n", {}, "cannot read"), ("mine.jsonl", b'{"question": \n', {}, "cannot read"),
        ("mine.jsonl", b'{"question": {"text": "Why?"}}\n', {}, "column question holds no text"),
        ("mine.jsonl", b'{"question": ["Why?"]}\n', {}, "column question holds no text"), ("mine.parquet", b"PAR1", {}, "cannot read"),
        ("mine.parquet", b"no parquet at all", {}, "cannot read"), ("a.csv", "folder", {}, "cannot read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line(
    name: str, content: bytes | str | None, columns: dict[str, str], words: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "folder":
        path.mkdir()
    with pytest.raises(UserError) as caught:
        table(path, columns=columns)
    (line,) = str(caught.value).splitlines()
    assert words in line
    assert str(path) in line


def test_rows_of_which_some_lack_a_column_are_read(tmp_path: Path) -> None:
    lines = [{"question": f"Why {n}?"} for n in range(300)] + [{"question": "How?", "image": "x.jpg"}]
    (path := tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert table(path)["image"].to_list() == [None] * 300 + ["x.jpg"]


@pytest.mark.parametrize("place", ["hf://datasets/only", "hf://models/a/b", "hf://datasets/a/b@"])
def test_a_dataset_is_named_in_full(place: str) -> None:
    with pytest.raises(UserError, match="a dataset is named hf://datasets/org/name"):
        table(place)


READ = """
import sys
from pipeline.errors import UserError
from pipeline.writers.given import table

for place in sys.argv[1:]:
    try:
        print(table(place, columns={"question": "prompt"}).write_ndjson(), end="")
    except UserError as error:
        print(f"tetrad: {error}")
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        yield server


@pytest.mark.slow
def test_a_dataset_on_the_hub_is_read_at_its_revision_and_split_and_other_columns_are_left_there(
    hub: Hub, tmp_path: Path
) -> None:
    def parquet(rows: pl.DataFrame) -> File:
        rows.write_parquet(path := tmp_path / "x.parquet")
        return File(path.read_bytes())

    rows = ROWS.rename({"question": "prompt"}).with_columns(picture=pl.lit(b"no image"))
    classes = Features({"prompt": Value("string"), "subcategory": ClassLabel(names=["scams", "hate"])})
    Dataset.from_dict({"prompt": ["Why?", "How?"], "subcategory": [1, None]}, features=classes).to_parquet(
        tmp_path / "y.parquet"
    )
    hub.repos["org/classes"] = labelled = Repo(private=True)
    labelled.commit({"data/train-00000-of-00001.parquet": File((tmp_path / "y.parquet").read_bytes())})
    hub.repos["org/asked"] = repo = Repo(private=True)
    first = repo.commit({"data/train-00000-of-00001.parquet": parquet(rows)})
    repo.commit(
        {
            "data/train-00000-of-00001.parquet": parquet(rows.head(1)),
            "data/test-00000-of-00001.parquet": parquet(rows.tail(1)),
        }
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    ours = {"NO_PROXY": "127.0.0.1", "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}  # fmt: skip
    names = (
        f"org/asked@{first}",
        "org/asked",
        "org/asked:test",
        "org/classes",
        "org/asked:no_such_split",
        "org/nothing",
    )
    done = subprocess.run(
        [sys.executable, "-c", READ, *(f"hf://datasets/{name}" for name in names)],
        env=kept | ours, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    one, two = ({"question": q, "image": i} for q, i in ROWS.select("question", "image").iter_rows())
    assert [json.loads(line) for line in lines[:4]] == [one, two, one, two]
    assert [json.loads(line)["subcategory"] for line in lines[4:6]] == ["hate", None]
    assert len(lines) == 8
    for line, name in zip(lines[6:], names[4:], strict=True):
        assert line.startswith(f"tetrad: cannot read hf://datasets/{name}: ")
    assert hub.token not in done.stdout + done.stderr
