"""A local folder of images, whatever else lies in it."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.sources.folder import Folder
from pipeline.sources.parts.files import MOST_BYTES, quoted, unquoted
from tests.sources.listings import column, listed, picture


def put(path: Path, data: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data or picture())
    return path


def by_key(source: Folder) -> dict[str, Any]:
    return {row["key"]: row for row in listed(source)}


def test_the_deepest_folder_that_is_no_number_names_the_class(tmp_path: Path) -> None:
    for name in ("7.jpg", "Toxicity/Hate Speech/Insult/7.jpg", "theft/00012/1.jpg", "theft/2.jpg", "12/3.jpg"):
        put(tmp_path / name)
    assert {key: row["subcategory"] for key, row in by_key(Folder(tmp_path)).items()} == {
        "7.jpg": None,
        "Toxicity/Hate Speech/Insult/7.jpg": "Insult",
        "theft/00012/1.jpg": "theft",
        "theft/2.jpg": "theft",
        "12/3.jpg": None,
    }


def test_every_file_is_listed_in_order_whatever_it_is_but_hidden_ones(tmp_path: Path) -> None:
    names = ["a/b.svg", "a/notes.txt", "b.JPG", "no_suffix"]
    for name in [*reversed(names), ".hidden.jpg", ".git/x.jpg", "a/.DS_Store"]:
        put(tmp_path / name, name.encode())
    source = Folder(tmp_path, licence="cc by 4.0")
    rows = listed(source)
    assert [row["key"] for row in rows] == names
    assert [source.read(row) for row in rows] == [name.encode() for name in names]
    assert {row["licence"] for row in rows} == {"CC-BY-4.0"}


def test_a_name_that_is_not_text_is_listed_printable_and_read(tmp_path: Path) -> None:
    odd = [b"caf\xe9.jpg", b"a\nb.jpg", b"back\\slash.jpg", "\u202egpj.exe".encode(), b"\xff\xfe/\x80.jpg"]
    for name in odd:
        put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)), name)
    source = Folder(tmp_path)
    rows = listed(source)
    assert {source.read(row) for row in rows} == set(odd)
    assert all(row["key"].isprintable() for row in rows)
    assert source.revision() == Folder(tmp_path).revision()


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_characters="\0")) | st.binary().map(os.fsdecode))
def test_a_quoted_name_is_printable_and_can_be_undone(name: str) -> None:
    assert quoted(name).isprintable()
    assert unquoted(quoted(name)) == name


def test_links_that_lead_out_and_what_is_no_file_are_listed_and_not_read(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "secret.jpg")
    folder = tmp_path / "images"
    put(folder / "real.jpg")
    (folder / "inside.jpg").symlink_to("real.jpg")
    (folder / "out.jpg").symlink_to(outside)
    (folder / "folder").symlink_to(tmp_path / "outside", target_is_directory=True)
    (folder / "broken.jpg").symlink_to("nowhere.jpg")
    (folder / "ring.jpg").symlink_to("ring.jpg")
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.jpg"))
        source = Folder(folder)
        rows = by_key(source)
        assert set(rows) == {path.name for path in folder.iterdir()}
        for key, row in rows.items():
            if key in ("real.jpg", "inside.jpg"):
                assert source.read(row) == picture()
            else:
                with pytest.raises(OSError, match=r"\w"):
                    source.read(row)


def test_a_file_too_large_for_a_picture_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    source = Folder(tmp_path)
    with pytest.raises(OSError, match="too large: 67 MB"):
        source.read(listed(source)[0])


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_a_table_beside_the_images_says_what_is_known_of_them(tmp_path: Path, name: str) -> None:
    for key in ("a.jpg", "theft/b.jpg", "theft/c.jpg"):
        put(tmp_path / key)
    tables = {
        "metadata.csv": "file_name,licence,caption,subcategory,other\na.jpg,CC BY 4.0,\"one,\ntwo\",fraud,x\ntheft/b.jpg,odd,,,\n",
        "metadata.jsonl": '{"file_name": "a.jpg", "licence": "CC BY 4.0", "caption": "one,\\ntwo", "subcategory": "fraud"}\n'
        '{"file_name": "theft/b.jpg", "licence": "odd", "subcategory": null}\nno json\n[1]\n{"file_name": 7}\n',
    }  # fmt: skip
    (tmp_path / name).write_text(tables[name])
    rows = by_key(Folder(tmp_path))
    assert set(rows) - {"7"} == {"a.jpg", "theft/b.jpg", "theft/c.jpg"}
    first, second, third = rows["a.jpg"], rows["theft/b.jpg"], rows["theft/c.jpg"]
    assert (first["licence"], first["caption"], first["subcategory"]) == ("CC-BY-4.0", "one, two", "fraud")
    assert (second["licence"], second["attribution"]) == (None, "Licence as given: odd")
    assert second["subcategory"] == third["subcategory"] == "theft"
    assert third["caption"] is None


def test_a_table_in_a_folder_speaks_of_that_folder_and_what_it_names_but_is_not_there_is_listed(tmp_path: Path) -> None:
    put(tmp_path / "secret.jpg")
    put(tmp_path / "images" / "theft" / "a.jpg")
    lost = ["lost.jpg", "../../secret.jpg", str(tmp_path / "secret.jpg"), "nul\0.jpg"]
    table = tmp_path / "images" / "theft" / "metadata.csv"
    table.write_text("file_name,creator\na.jpg,Ada\n" + "".join(f"{name},Eve\n" for name in lost))
    source = Folder(tmp_path / "images")
    rows = listed(source)
    assert (rows[0]["key"], rows[0]["creator"]) == ("theft/a.jpg", "Ada")
    assert [row["creator"] for row in rows[1:]] == ["Eve"] * len(lost)
    for row in rows[1:]:
        with pytest.raises(OSError, match=r"\w"):
            source.read(row)


def test_a_table_that_names_no_files_is_a_file_like_any_other(tmp_path: Path) -> None:
    put(tmp_path / "metadata.csv", b"id,caption\n1,x\n")
    put(tmp_path / "sub" / "metadata.jsonl", b"\xff\xfe\x00")
    assert column(Folder(tmp_path), "key") == ["metadata.csv", "sub/metadata.jsonl"]


def test_the_revision_changes_with_the_files_and_the_licence_and_with_nothing_else(tmp_path: Path) -> None:
    image = put(tmp_path / "a.jpg")
    seen = {Folder(tmp_path).revision(), Folder(tmp_path).revision(), Folder(tmp_path / ".").revision()}
    assert len(seen) == 1
    seen.add(Folder(tmp_path, licence="CC0-1.0").revision())
    image.write_bytes(b"longer than it was before" * 99)
    seen.add(Folder(tmp_path).revision())
    put(tmp_path / "b.jpg")
    seen.add(Folder(tmp_path).revision())
    assert len(seen) == 4


def test_a_folder_is_named_after_itself_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / "a" / "images", tmp_path / "b" / "images", tmp_path / ("very long " * 9), tmp_path / "äö 'x'"]
    for path in paths:
        path.mkdir(parents=True)
    names = [Folder(path).name for path in paths]
    assert len(set(names)) == 3
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") for name in names)
    assert max(map(len, names)) <= 47
    monkeypatch.chdir(tmp_path / "a")
    assert Folder(Path("images")).name == names[0] == Folder(Path("../a/images")).name


def test_a_folder_that_is_not_there_is_the_users_to_mend(tmp_path: Path) -> None:
    for ask in (Folder.revision, listed):
        with pytest.raises(UserError, match="no such image folder"):
            ask(Folder(tmp_path / "nowhere"))


@pytest.mark.slow
def test_a_hundred_thousand_files_are_listed(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"class{number}").mkdir()
        for image in range(1000):
            (tmp_path / f"class{number}" / f"{image}.jpg").touch()
    source = Folder(tmp_path)
    assert source.revision()
    assert len(listed(source)) == 100_000
