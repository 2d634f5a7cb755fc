"""Tar shards, sound, torn and hostile."""

import gzip
import io
import json
import os
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.sources.parts.files import MOST_BYTES
from pipeline.sources.parts.tar import Member, members
from pipeline.sources.webdataset import MOST_TOGETHER, WebDataset
from tests.sources.listings import JSONS, Cells, listed, picture

File = tuple[str, bytes]


def header(
    name: str,
    size: int = 0,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
    form: Literal[0, 1, 2] = tarfile.GNU_FORMAT,
) -> bytes:
    """One member's header, as tarfile writes it."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info.tobuf(form, "utf-8", "surrogateescape")


def member(
    name: str,
    data: bytes = b"",
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
    form: Literal[0, 1, 2] = tarfile.GNU_FORMAT,
) -> bytes:
    """A member: its header and its bytes, padded."""
    return header(name, len(data), kind, target, form) + data + bytes(-len(data) % 512)


def tar(path: Path, *parts: bytes | File) -> Path:
    """A tar of these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(part if isinstance(part, bytes) else member(*part) for part in parts) + bytes(1024))
    return path


def sample(number: int, **told: object) -> list[File]:
    """What img2dataset writes of one image."""
    name = f"{number:09d}"
    said = {
        "key": name,
        "status": "success",
        "url": f"http://a.example/{number}.jpg",
        "caption": f"caption {number}",
    } | told
    return [
        (f"{name}.jpg", b"image %d" % number),
        (f"{name}.json", json.dumps(said).encode()),
        (f"{name}.txt", b"a text"),
    ]


def faults(source: WebDataset, rows: Iterable[Cells]) -> dict[str, str]:
    """Key to why it is not read, of those that are not."""
    found = {}
    for row in rows:
        try:
            source.read(row)
        except OSError as error:
            found[row["key"]] = str(error)
    return found


def test_an_image_is_listed_with_what_stands_beside_it_and_read_where_it_lies(tmp_path: Path) -> None:
    for shard in range(2):
        tar(
            tmp_path / f"{shard:05d}.tar",
            *sample(10 * shard),
            *sample(10 * shard + 1, licence="CC BY 4.0", caption=None),
        )
    source = WebDataset(tmp_path)
    rows = listed(source)
    assert [row["key"] for row in rows] == [f"{n // 10:05d}/{n:09d}.jpg" for n in (0, 1, 10, 11)]
    assert [row["url"] for row in rows] == [f"http://a.example/{n}.jpg" for n in (0, 1, 10, 11)]
    assert [row["caption"] for row in rows] == ["caption 0", "a text", "caption 10", "a text"]
    assert [row["licence"] for row in rows] == [None, "CC-BY-4.0"] * 2
    assert [source.read(row) for row in rows] == [b"image %d" % n for n in (0, 1, 10, 11)]
    assert [row["place"] for row in rows[:2]] == ["00000.tar#512:7", "00000.tar#3584:7"]


def test_columns_and_classes_are_named_as_for_any_table(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", *sample(1, tags=["Fraud", "x"], by="Ada", rank=3), *sample(2, by={"a": 1}))
    columns: dict[str, str | tuple[str, ...]] = {"subcategory": "tags", "creator": "by", "attribution": "rank"}
    first, second = listed(WebDataset(path, columns, classes={"Fraud": "scams"}, licence="cc0"))
    assert (first["subcategory"], first["creator"], first["attribution"]) == ("scams", "Ada", "3")
    assert (second["subcategory"], second["creator"], second["attribution"]) == (None, None, None)
    assert (first["caption"], first["url"], first["licence"]) == ("a text", None, "CC0-1.0")


def test_all_tars_are_looked_for_in_a_folder_or_by_a_pattern(tmp_path: Path) -> None:
    for name in ("a/10.tar", "a/9.tar", "b/1.tar", ".hidden/1.tar"):
        tar(tmp_path / name, (f"{name.replace('/', '')}.jpg", b"x"))
    keys = {
        path: [row["key"] for row in listed(WebDataset(tmp_path / path))]
        for path in ("", "a/*.tar", "**/1*.tar", "b/1.tar")
    }
    assert keys == {
        "": ["a/9/a9.tar.jpg", "a/10/a10.tar.jpg", "b/1/b1.tar.jpg"],
        "a/*.tar": ["9/a9.tar.jpg", "10/a10.tar.jpg"],
        "**/1*.tar": ["a/10/a10.tar.jpg", "b/1/b1.tar.jpg"],
        "b/1.tar": ["1/b1.tar.jpg"],
    }


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_names_that_are_not_ascii_are_read_in_every_format(tmp_path: Path, form: int) -> None:
    names = ["a.jpg", "d" * 90 + "/" + "b" * 90 + ".jpg", "./c.jpg"]
    names += ["ü☃.png", "x" * 200 + ".jpg"] if form != tarfile.USTAR_FORMAT else []
    with tarfile.open(tmp_path / "x.tar", "w", format=form) as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name.encode())
            file.addfile(info, io.BytesIO(name.encode()))
    source = WebDataset(tmp_path / "x.tar")
    rows = listed(source)
    assert [source.read(row).decode() for row in rows] == names
    assert [row["key"] for row in rows] == [f"x/{name.removeprefix('./')}" for name in names]


def test_what_is_no_file_or_has_a_bad_name_is_listed_and_not_read(tmp_path: Path) -> None:
    sparse = bytearray(header("sparse.jpg", 512, tarfile.GNUTYPE_SPARSE))
    sparse[482] = 1  # its map goes on in a block of its own
    sparse[148:156] = b"%06o\0 " % (sum(sparse[:148]) + 256 + sum(sparse[156:512]))
    bad = [
        (member("/etc/passwd", b"x"), "leads out"),
        (member("../../evil.jpg", b"x"), "leads out"),
        (member("a/../../b.jpg", b"x"), "leads out"),
        (member("link.jpg", kind=tarfile.SYMTYPE, target="/etc/passwd"), "a link"),
        (member("hard.jpg", kind=tarfile.LNKTYPE, target="good.jpg"), "a link"),
        (member("zero.jpg", kind=tarfile.CHRTYPE), "a device"),
        (member("disk.jpg", kind=tarfile.BLKTYPE), "a device"),
        (member("pipe.jpg", kind=tarfile.FIFOTYPE), "a pipe"),
        (bytes(sparse) + bytes(512) + b"s" * 512, "a sparse file"),
        (member("x", b"33 GNU.sparse.name=sparse-pax.jpg\n", tarfile.XHDTYPE) + member("y.jpg", b"map"), "a sparse file"),
        (member("x", b"30 path=../out.jpg\n", tarfile.XHDTYPE) + member("z.jpg", b"x"), "leads out"),
        (member("x", b"20 size=minus one\n", tarfile.XHDTYPE) + member("z.jpg", b"x"), "no number"),
        (member("x", b"n" * 5000, tarfile.GNUTYPE_LONGNAME) + member("n.jpg", b"x"), "5000 bytes"),
    ]  # fmt: skip
    path = tar(
        tmp_path / "x.tar", ("good.jpg", b"good"), *(part for part, _ in bad), ("folder/", b""), ("last.jpg", b"last")
    )
    source = WebDataset(path)
    rows = listed(source)
    assert [row["key"] for row in rows if not row["key"].startswith("x/bad-")] == ["x/good.jpg", "x/last.jpg"]
    assert [source.read(rows[0]), source.read(rows[-1])] == [b"good", b"last"]
    said = [*faults(source, rows).values()]
    assert len(said) == len(bad)
    assert [words for (_, words), told in zip(bad, said, strict=True) if words not in told] == []
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def test_a_size_below_zero_is_a_tear(tmp_path: Path) -> None:
    below = bytearray(header("a.jpg"))
    below[124:136] = b"\xff" * 12  # base 256: -1
    below[148:156] = b"%06o\0 " % (sum(below[:148]) + 256 + sum(below[156:]))
    source = WebDataset(tar(tmp_path / "x.tar", bytes(below)))
    assert [*faults(source, listed(source)).values()] == ["the tar is torn here: a size below zero: torn at 0"]


def test_a_tar_whose_name_is_not_text_is_read(tmp_path: Path) -> None:
    source = WebDataset(tar(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.tar")), ("a.jpg", b"a")).parent)
    [row] = listed(source)
    assert (row["key"], source.read(row)) == ("caf\\udce9\\n/a.jpg", b"a")


def test_a_name_that_comes_twice_or_is_not_text_has_a_key_of_its_own(tmp_path: Path) -> None:
    names = ["a.jpg", "b.jpg", "a.jpg", "a.jpg", "caf\udce9.jpg", "new\nline.jpg", "hash#1:2.jpg"]
    path = tar(tmp_path / "x.tar", *((name, b"%d" % n) for n, name in enumerate(names)))
    source = WebDataset(path)
    rows = listed(source)
    assert [source.read(row) for row in rows] == [b"%d" % n for n in range(len(names))]
    assert [row["key"] for row in rows][:3] == ["x/a.jpg", "x/b.jpg", "x/a.jpg~2560"]
    assert all(row["key"].isprintable() for row in rows)


@pytest.mark.parametrize(
    ("cut", "sound"), [(0, ""), (700, ""), (911, ""), (912, "a"), (1100, "a"), (1935, "a"), (1936, "ab"), (2048, "ab")]
)
def test_of_a_torn_tar_what_can_be_read_is_read_and_the_tear_is_listed(tmp_path: Path, cut: int, sound: str) -> None:
    path = tar(tmp_path / "x.tar", ("a.jpg", b"a" * 400), ("b.jpg", b"b" * 400))
    path.write_bytes(path.read_bytes()[:cut])
    source = WebDataset(path)
    rows = listed(source)
    told = faults(source, rows)
    assert sum("torn here" in words for words in told.values()) == 1
    assert [row["key"] for row in rows if row["key"] not in told] == [f"x/{name}.jpg" for name in sound]


def test_an_end_mark_with_more_behind_it_and_a_file_that_is_no_tar_are_told(tmp_path: Path) -> None:
    first = tar(tmp_path / "a.tar", ("a.jpg", b"a")).read_bytes()
    (tmp_path / "a.tar").write_bytes(first * 2)
    (tmp_path / "b.tar").write_bytes(b"this was never a tar" * 100)
    source = WebDataset(tmp_path)
    first_tar, second_tar = faults(source, listed(source)).values()
    assert first_tar == "the tar is torn here: more stands behind its end mark: torn at 1024"
    assert second_tar.endswith("torn at 0")


def test_a_tar_cut_after_it_was_listed_and_a_member_too_large_are_not_read(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", ("a.jpg", b"a" * 2000), header("huge.jpg", MOST_BYTES + 1))
    source = WebDataset(path)
    first, huge, _ = listed(source)
    with pytest.raises(OSError, match="too large: 67 MB"):
        source.read(huge)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(OSError, match="cut off: 488 of 2000 bytes are there"):
        source.read(first)
    path.unlink()
    with pytest.raises(OSError, match="no file"):
        source.read(first)


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tgz"])
def test_a_compressed_tar_is_the_users_to_unpack(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(member("a.jpg", b"a")))
    with pytest.raises(UserError, match=r"is compressed \(gzip\): .* unpack it to a \.tar"):
        listed(WebDataset(tmp_path / name))


def test_words_that_are_broken_or_endless_cost_no_image(tmp_path: Path) -> None:
    files = [
        ("a.jpg", b"a"),
        ("a.json", b"{broken"),
        ("b.jpg", b"b"),
        ("b.json", b'{"caption": "%s"}' % (b"x" * 2_000_000)),
    ]
    files += [("c.jpg", b"c"), ("c.txt", b"\xff\x00text"), ("d.jpg", b"d"), ("d.json", b"[" * 100_000)]
    files += [("e.json", b'{"caption": "of no image"}'), (".DS_Store", b"x"), ("f.cls", b"3"), ("f.mask.png", b"m")]
    rows = listed(WebDataset(tar(tmp_path / "x.tar", *files)))
    assert [(row["key"], row["caption"]) for row in rows] == [
        ("x/a.jpg", None), ("x/b.jpg", None), ("x/c.jpg", "\ufffd text"), ("x/d.jpg", None), ("x/e.json", "of no image"),
        ("x/f.cls", None), ("x/f.mask.png", None),
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(JSONS)
def test_whatever_a_json_says_the_image_is_listed(tmp_path_factory: pytest.TempPathFactory, said: object) -> None:
    told = dict.fromkeys(("caption", "url", "licence", "similarity", "key", "status", "text"), said)
    path = tar(tmp_path_factory.mktemp("tar") / "x.tar", ("a.jpg", b"a"), ("a.json", json.dumps(told).encode()))
    assert [row["key"] for row in listed(WebDataset(path))] == ["x/a.jpg"]


def test_very_many_members_of_one_name_are_not_held_together(tmp_path: Path) -> None:
    parts = [(f"a.{number}.jpg", b"x") for number in range(3 * MOST_TOGETHER)]
    rows = listed(WebDataset(tar(tmp_path / "x.tar", *parts, ("a.txt", b"words"))))
    assert len(rows) == 3 * MOST_TOGETHER + 1


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_tar_makes_more_than_rows_and_errors_of_reading(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tar(tmp_path_factory.mktemp("tar") / "x.tar", *sample(1), *sample(2), ("p" * 300, picture()))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + 12] = data.draw(st.binary(min_size=12, max_size=12))
    for start in range(0, len(content), 512 * data.draw(st.integers(1, 4))):  # sums that are right again
        block = content[start : start + 512]
        if any(block) and len(block) == 512:
            content[start + 148 : start + 156] = b"%06o\0 " % (sum(block[:148]) + 256 + sum(block[156:]))
    path.write_bytes(bytes(content)[: data.draw(st.integers(0, len(content)))])
    source = WebDataset(path)
    for row in listed(source):
        with suppress(OSError):
            assert isinstance(source.read(row), bytes)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000))
def test_bytes_that_are_no_tar_are_one_tear(noise: bytes) -> None:
    found = [*members(io.BytesIO(b"noise" + noise))]
    assert found == [Member("torn at 0", 0, 0, found[0].fault)]
