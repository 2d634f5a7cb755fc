"""The fetch door: what a source offered and what it held are asked of it once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.doors.fetch import Fetch
from pipeline.errors import UserError
from pipeline.tables import Listed


@dataclass
class Shelf:
    """A source in memory, which remembers what was asked of it and can break down."""

    pictures: dict[str, bytes]
    at: str = "1"
    name: str = "shelf"
    broken: bool = False
    asked: list[str] = field(default_factory=list)

    def revision(self) -> str:
        return self.at

    def listing(self) -> Iterator[Listed]:
        self.asked.append("listing")
        for key in self.pictures:
            if self.broken:
                raise OSError("the shelf fell down")
            yield Listed(
                source=self.name, key=key, subcategory=None, url=None, page_url=None, creator="Ada", licence="CC0-1.0",
                attribution=None, caption=f"picture {key} ☃",
            )  # fmt: skip

    def read(self, key: str) -> bytes:
        self.asked.append(key)
        if self.broken or key not in self.pictures:
            raise FileNotFoundError(f"no {key} on the shelf")
        return self.pictures[key]


@pytest.fixture
def fetch(tmp_path: Path) -> Iterator[Fetch]:
    door = Fetch(tmp_path)
    yield door
    door.close()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({"b.jpg": b"bees", "a.jpg": b"apes"})


def test_a_listing_is_kept_in_its_order_and_not_asked_again(fetch: Fetch, tmp_path: Path, shelf: Shelf) -> None:
    listed = fetch.listing(shelf)
    assert listed["key"].to_list() == ["b.jpg", "a.jpg"]
    assert dict(listed.schema) == Listed.columns()
    shelf.broken = True
    assert fetch.listing(shelf).equals(listed)
    later = Fetch(tmp_path)
    assert later.listing(shelf).equals(listed)
    later.close()
    assert shelf.asked == ["listing"]


def test_a_new_revision_is_listed_anew_and_the_old_one_stays(fetch: Fetch, shelf: Shelf) -> None:
    fetch.listing(shelf)
    newer = Shelf({"c.jpg": b"cats"}, at="2")
    assert fetch.listing(newer)["key"].to_list() == ["c.jpg"]
    shelf.broken = True
    assert fetch.listing(shelf)["key"].to_list() == ["b.jpg", "a.jpg"]


def test_a_listing_that_breaks_off_is_not_kept(fetch: Fetch, shelf: Shelf) -> None:
    shelf.broken = True
    with pytest.raises(OSError, match="fell down"):
        fetch.listing(shelf)
    shelf.broken = False
    assert fetch.listing(shelf).height == 2


def test_an_empty_source_is_one_line_for_the_user_and_is_asked_again_later(fetch: Fetch) -> None:
    shelf = Shelf({})
    with pytest.raises(UserError, match="the source shelf holds no images"):
        fetch.listing(shelf)
    shelf.pictures["a.jpg"] = b"apes"
    assert fetch.listing(shelf).height == 1


def test_bytes_are_kept_and_not_asked_for_again(fetch: Fetch, tmp_path: Path, shelf: Shelf) -> None:
    assert (fetch.original(shelf, "a.jpg"), fetch.original(shelf, "b.jpg")) == (b"apes", b"bees")
    shelf.broken = True
    assert fetch.original(shelf, "a.jpg") == b"apes"
    later = Fetch(tmp_path)
    assert later.original(shelf, "b.jpg") == b"bees"
    later.close()
    assert shelf.asked == ["a.jpg", "b.jpg"]


def test_an_error_of_the_world_is_given_back_and_not_kept(fetch: Fetch, shelf: Shelf) -> None:
    shelf.broken = True
    error = fetch.original(shelf, "a.jpg")
    assert isinstance(error, FileNotFoundError)
    assert "no a.jpg on the shelf" in str(error)
    shelf.broken = False
    assert fetch.original(shelf, "a.jpg") == b"apes"


def test_the_same_key_of_another_source_or_revision_is_another_picture(fetch: Fetch, shelf: Shelf) -> None:
    assert fetch.original(shelf, "a.jpg") == b"apes"
    assert fetch.original(Shelf({"a.jpg": b"ants"}, at="2"), "a.jpg") == b"ants"
    assert fetch.original(Shelf({"a.jpg": b"aunts"}, name="wall"), "a.jpg") == b"aunts"
    assert fetch.original(shelf, "a.jpg") == b"apes"


def test_after_a_torn_line_the_picture_is_asked_for_again(fetch: Fetch, tmp_path: Path, shelf: Shelf) -> None:
    fetch.original(shelf, "a.jpg")
    fetch.original(shelf, "b.jpg")
    fetch.close()
    log = tmp_path / "originals" / "fetched.jsonl"
    log.write_bytes(log.read_bytes()[:-3])
    later = Fetch(tmp_path)
    assert (later.original(shelf, "a.jpg"), later.original(shelf, "b.jpg")) == (b"apes", b"bees")
    later.close()
    assert shelf.asked == ["a.jpg", "b.jpg", "b.jpg"]


def test_bytes_that_were_lost_are_asked_for_again(fetch: Fetch, shelf: Shelf) -> None:
    fetch.original(shelf, "a.jpg")
    for path in fetch.originals.folder.rglob("?" * 64):
        path.unlink()
    assert fetch.original(shelf, "a.jpg") == b"apes"
    shelf.broken = True
    assert fetch.original(shelf, "a.jpg") == b"apes"


def test_a_full_disk_is_one_line_for_the_user_and_what_was_kept_stays(small_disk: Path) -> None:
    shelf = Shelf({str(n): bytes([n]) * 5000 for n in range(40)})
    fetch, kept = Fetch(small_disk), 0

    def fill() -> None:
        nonlocal kept
        for key in shelf.pictures:
            fetch.original(shelf, key)
            kept += 1

    with pytest.raises(UserError, match="is full"):
        fill()
    fetch.close()
    shelf.broken = True
    later = Fetch(small_disk)
    assert kept > 5
    assert [later.original(shelf, str(n)) for n in range(kept)] == [shelf.pictures[str(n)] for n in range(kept)]
    later.close()


def test_a_disk_too_full_for_the_listing_is_one_line_for_the_user(small_disk: Path) -> None:
    fetch = Fetch(small_disk)
    many = Shelf({f"{n * 7919 % 10007:05}-{n**3}": b"" for n in range(9000)})
    with pytest.raises(UserError, match="is full"):
        fetch.listing(many)
    fetch.close()
    assert list((small_disk / "listings").iterdir()) == []
