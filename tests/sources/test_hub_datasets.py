"""Datasets on a Hub of our own, with the libraries as they are, and in a folder. The libraries read the environment when they
are imported: so what lists and reads is a process of its own, one for all datasets."""

import base64
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources.hub import HubDataset
from tests.hub import File, Hub, Repo
from tests.sources.listings import Cells, picture

ASK = """
import base64, json, sys
from concurrent.futures import ThreadPoolExecutor
from pipeline.errors import UserError
from pipeline.sources.hub import HubDataset

def read(row):
    try:
        data = source.read(row)
        return None if data is None else base64.b64encode(data).decode()
    except OSError as error:
        return {"error": str(error)}

for asked in map(json.loads, sys.argv[1:]):
    try:
        source = HubDataset(asked.pop("repo"), **asked)
        said = {"revision": source.revision(), "name": source.name}
        rows = [row for frame in source.listing() for row in frame.to_dicts()]
        with ThreadPoolExecutor(8) as threads:
            print(json.dumps(said | {"rows": rows, "bytes": [*threads.map(read, rows)]}))
    except UserError as error:
        print(json.dumps({"error": str(error)}))
"""
"""Lists and reads each dataset that is asked for, in many threads at once."""


def ask(hub: Hub, folder: Path, *asked: Cells, **environment: str) -> list[Cells]:
    """Asks for datasets; no token and no traceback may be in anything that is said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    ours = {"NO_PROXY": "127.0.0.1", "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(folder / "hf"),
            "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(Path(__file__).parents[2])}  # fmt: skip
    command = [sys.executable, "-c", ASK, *map(json.dumps, asked)]
    done = subprocess.run(
        command, env=kept | ours | environment, capture_output=True, text=True, timeout=120, check=False, cwd=folder
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert hub.token not in done.stdout + done.stderr
    return [*map(json.loads, done.stdout.splitlines())]


def parquet(*rows: Cells, features: Cells | None = None) -> bytes:
    """A table as `datasets` writes it."""
    table, file = pa.Table.from_pylist([*rows]), io.BytesIO()
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, file)
    return file.getvalue()


def got(said: Cells) -> list[Any]:
    """The bytes that were read, or why not."""
    return [base64.b64decode(data) if isinstance(data, str) else data for data in said["bytes"]]


def hf(data: bytes | None, path: str | None = None) -> Cells:
    """An image as `datasets` writes it."""
    return {"bytes": data, "path": path}


IMAGE = {"image": {"_type": "Image"}}
CLASSES = {"label": {"names": ["theft", "fraud"], "_type": "ClassLabel"}}
IMAGES: list[bytes] = [picture("red"), picture("blue", "JPEG"), b"no image at all"]
PUSHED: list[Cells] = [
    *({"image": hf(data, f"a/{n}.png"), "label": n % 2} for n, data in enumerate(IMAGES)),
    {"image": None, "label": None},
]
LISTS: list[Cells] = [
    {"pictures": [hf(b"first"), hf(b"second")], "a": "Toxicity", "b": "Insult", "who": "Ada", "how": "mine alone"},
    {"pictures": [], "a": "Misuse", "b": "", "who": None, "how": "cc-by-sa-4.0"},
]
OFFERED: dict[str, Cells] = {
    "pushed": {"subcategory": "label", "classes": {"fraud": "scams"}, "licence": "CC BY 4.0"},
    "slice of pushed": {"split": "train[:1]"},
    "lists": {
        "image": "pictures",
        "subcategory": ["a", "b"],
        "columns": {"creator": "who", "licence": "how", "caption": "a"},
    },
    "links": {"image": None, "columns": {"url": "link", "caption": "text"}},
    "hostile": {},
    "folder": {"subcategory": "label"},
    "zip": {},
}
WRONG: list[tuple[Cells, str]] = [
    (
        {"repo": "org/nowhere"},
        "the dataset org/nowhere cannot be read (Repository not found); check its name; a private one needs",
    ),
    ({"revision": "v9"}, "(Invalid rev id: v9); check its name, revision"),
    ({"split": "test"}, 'Unknown split "test"'),
    ({"config": "french"}, "french"),
    ({"image": "picture"}, "org/pushed has no column picture, or more than one; it has image, label"),
    ({"image": "label"}, "its column label holds no images, but int64"),
    ({"image": None}, "name its column of images"),
    ({"columns": {"colour": "label"}}, "no column colour can be told"),
    ({"repo": "no name at all"}, "cannot be read"),
    ({"repo": "org/torn"}, "the dataset org/torn cannot be read"),
    ({"repo": "org/failing"}, "as you wished, holder of Bearer <token>"),
]


def fill(hub: Hub, folder: Path) -> str:
    """Put all datasets there. Returns the commit of the first that is asked for: a newer one stands behind it."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("1.png", picture("red"))
    (folder / "secret.png").write_bytes(picture("green"))
    (folder / "hf").mkdir()
    (folder / "hf" / "other.png").write_bytes(picture("green"))
    with zipfile.ZipFile(folder / "secret.zip", "w") as archive:
        archive.writestr("1.png", picture("green"))
    paths = [str(folder / "secret.png"), "secret.png", "../../../../secret.png", str(folder / "hf" / "other.png")]
    paths += [f"zip://1.png::{folder / 'secret.zip'}", "nul\0.png"]
    hostile: list[Cells] = [{"image": hf(b"x")}, *({"image": hf(None, path)} for path in paths)]
    trees: dict[str, dict[str, bytes]] = {
        "pushed": {"data/train.parquet": parquet(*PUSHED, features=IMAGE | CLASSES)},
        "lists": {"train.parquet": parquet(*LISTS)},
        "links": {"train.parquet": parquet({"link": "http://a.example/1.jpg", "text": "A cat"})},
        "hostile": {"train.parquet": parquet(*hostile, features=IMAGE)},
        "folder": {"train/theft/1.png": picture("red"), "train/fraud/2.png": picture("blue")},
        "zip": {"train.zip": zipped.getvalue()},
        "torn": {"train.parquet": parquet({"image": hf(b"x" * 10_000)})[:-300]},
    }
    for name, tree in trees.items():
        hub.repos[f"org/{name}"] = Repo(private=False)
        hub.repos[f"org/{name}"].commit({path: File(data) for path, data in tree.items()})
    commit = hub.repos["org/pushed"].head
    hub.repos["org/pushed"].commit({"data/train.parquet": File(parquet({"image": hf(b"newer"), "label": 1}))})
    return commit


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cells]:
    """What was said of each dataset; and of each that is wrong, by its words."""
    folder = tmp_path_factory.mktemp("hub")
    with Hub() as hub:
        commit = fill(hub, folder)
        asked = [{"repo": f"org/{name.rpartition(' ')[2]}"} | what for name, what in OFFERED.items()]
        asked[:2] = [what | {"revision": commit} for what in asked[:2]]
        wrong = [{"repo": "org/pushed", "revision": commit} | what for what, _ in WRONG]
        answers = ask(hub, folder, *asked, *wrong[:-1])
        hub.failing["info"] = [403]
        answers += ask(hub, folder, wrong[-1])
    return dict(zip([*OFFERED, *(words for _, words in WRONG)], answers, strict=True)) | {"commit": {"sha": commit}}


def test_rows_are_listed_at_a_commit_and_their_bytes_are_those_that_were_pushed(said: dict[str, Cells]) -> None:
    whole, part, commit = said["pushed"], said["slice of pushed"], said["commit"]["sha"]
    assert got(whole) == [*IMAGES, {"error": "the row holds no bytes"}]
    assert [row["key"] for row in whole["rows"]] == ["00000000-0.png", "00000001-1.png", "00000002-2.png", "00000003"]
    assert [row["subcategory"] for row in whole["rows"]] == ["theft", "scams", "theft", None]
    assert {row["licence"] for row in whole["rows"]} == {"CC-BY-4.0"}
    assert {row["source"] for row in whole["rows"]} == {whole["name"]}
    assert whole["revision"].startswith(commit)
    assert (len(part["rows"]), part["revision"].partition("-")[0]) == (1, commit)
    assert len({whole["revision"], part["revision"]}) == len({whole["name"], part["name"]}) == 2


def test_columns_have_any_name_and_of_a_list_of_images_the_first_is_taken(said: dict[str, Cells]) -> None:
    first, second = said["lists"]["rows"]
    assert got(said["lists"]) == [b"first", {"error": "the row holds no bytes"}]
    assert (first["subcategory"], second["subcategory"]) == ("Insult", "Misuse")
    assert (first["creator"], second["creator"]) == ("Ada", None)
    assert (first["licence"], first["attribution"]) == (None, "Licence as given: mine alone")
    assert (second["licence"], second["attribution"]) == ("CC-BY-SA-4.0", None)


def test_addresses_in_place_of_images_are_left_to_the_fetch_door(said: dict[str, Cells]) -> None:
    [row] = said["links"]["rows"]
    assert (row["url"], row["caption"], row["place"]) == ("http://a.example/1.jpg", "A cat", None)
    assert got(said["links"]) == [None]


def test_a_file_that_a_row_names_is_not_read_unless_it_came_with_the_dataset(said: dict[str, Cells]) -> None:
    own, *others = got(said["hostile"])
    assert own == b"x"
    *outside, null = others
    assert outside == [{"error": "the row holds no bytes, but the name of a file outside of the dataset"}] * 5
    assert null == {"error": "embedded null byte"}


def test_images_in_folders_and_in_a_zip_are_read_as_the_library_downloads_them(said: dict[str, Cells]) -> None:
    classes = [row["subcategory"] for row in said["folder"]["rows"]]
    assert dict(zip(classes, got(said["folder"]), strict=True)) == {"theft": picture("red"), "fraud": picture("blue")}
    assert got(said["zip"]) == [picture("red")]


@pytest.mark.parametrize("words", [words for _, words in WRONG])
def test_whatever_is_wrong_one_line_says_so_without_the_token(said: dict[str, Cells], words: str) -> None:
    assert words in said[words]["error"]
    assert "\n" not in said[words]["error"]


def test_a_folder_is_read_as_it_lies_without_a_hub_and_a_hub_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "local" / "data" / "train-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(parquet({"image": hf(b"one")}, {"image": hf(b"two")}))
    with Hub() as gone:
        pass
    local, hub = ask(gone, tmp_path, {"repo": "local"}, {"repo": "org/tiny"})
    assert got(local) == [b"one", b"two"]
    assert "whether the Hub is there" in hub["error"]


def test_the_revision_of_a_folder_changes_with_its_files_and_with_what_is_asked(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(parquet({"image": hf(b"one")}))
    seen = [HubDataset(str(tmp_path)).revision(), HubDataset(str(tmp_path)).revision()]
    seen += [HubDataset(str(tmp_path), split="test").revision(), HubDataset(str(tmp_path), licence="MIT").revision()]
    (tmp_path / "train.parquet").write_bytes(parquet({"image": hf(b"one and more")}))
    assert len({*seen, HubDataset(str(tmp_path)).revision()}) == 4
