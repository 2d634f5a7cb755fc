"""Bytes kept under their SHA-256: whole or not at all, once each."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_come_back_by_their_hash(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("blobs")
    sha256 = Blobs(folder).keep(data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert sha256 in Blobs(folder)
    assert Blobs(folder).read(sha256) == data
    assert files(folder) == [folder / sha256[:2] / sha256]


def test_the_same_bytes_lie_once_and_are_not_written_again(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    path = blobs.path(blobs.keep(b"a picture"))
    before = path.stat()
    assert blobs.path(blobs.keep(b"a picture")) == path
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert files(tmp_path) == [path]


def test_what_was_never_kept_is_not_there_and_asking_makes_no_folder(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "images")
    assert "ab" * 32 not in blobs
    with pytest.raises(FileNotFoundError):
        blobs.read("ab" * 32)
    assert not (tmp_path / "images").exists()


def test_only_their_user_can_read_them(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "images")
    path = blobs.path(blobs.keep(b"a picture"))
    assert [p.stat().st_mode & 0o777 for p in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]


def test_a_full_disk_leaves_no_half_a_file(small_disk: Path) -> None:
    blobs = Blobs(small_disk / "images")
    kept = blobs.keep(b"a picture")
    with pytest.raises(UserError, match=r"the disk under .* is full"):
        blobs.keep(b"x" * 100_000)
    assert files(small_disk) == [blobs.path(kept)]
    assert blobs.read(kept) == b"a picture"


def test_a_folder_that_cannot_be_made_is_one_line_for_the_user(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("I am no folder")
    with pytest.raises(UserError, match=r"cannot make the folder .*; choose another with --workspace"):
        Blobs(tmp_path / "images").keep(b"a picture")
