"""The fetch door: what a source offered and what it held are asked of it once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from rows import make

from pipeline.doors.fetch import Fetch, Fetched, NotFetched
from pipeline.doors.forgotten import ForgottenImages
from pipeline.errors import UserError
from pipeline.sources import BATCH, Source, frames
from pipeline.tables import Listed, Wanted, row_id


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

    def listing(self) -> Iterator[Any]:
        self.asked.append("listing")
        return frames(self._rows())

    def _rows(self) -> Iterator[Listed]:
        for key in self.pictures:
            if self.broken:
                raise OSError("the shelf fell down")
            yield make(Listed, source=self.name, key=key, creator="Ada", licence="CC0-1.0", caption=f"picture {key} ☃")

    def read(self, row: dict[str, Any]) -> bytes:
        self.asked.append(row["key"])
        if self.broken or row["key"] not in self.pictures:
            raise FileNotFoundError(f"no {row['key']} on the shelf")
        return self.pictures[row["key"]]


def listed(fetch: Fetch, source: Source) -> list[str]:
    return [key for part in fetch.listing(source).frames() for key in part["key"]]


def wanted(source: Source, *keys: str) -> Iterator[dict[str, Any]]:
    for key in keys:
        name = row_id(source.name, source.revision(), key)
        yield make(Wanted, id=name, source=source.name, key=key, revision=source.revision()).model_dump()


def fetched(fetch: Fetch, source: Source, *keys: str) -> list[Fetched[bytes] | NotFetched]:
    got = fetch.originals_of(wanted(source, *keys), {source.name: source}, bytes)
    return [one for _, one in got]


def original(fetch: Fetch, source: Source, key: str) -> bytes | str:
    (one,) = fetched(fetch, source, key)
    return one.made if isinstance(one, Fetched) else one.reason


@pytest.fixture
def fetch(tmp_path: Path) -> Iterator[Fetch]:
    door = Fetch(tmp_path)
    yield door
    door.close()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({"b.jpg": b"bees", "a.jpg": b"apes"})


def test_a_listing_is_kept_in_its_order_and_not_asked_again(fetch: Fetch, tmp_path: Path, shelf: Shelf) -> None:
    listing = fetch.listing(shelf)
    (rows,) = listing.frames()
    assert rows["key"].to_list() == ["b.jpg", "a.jpg"]
    assert dict(rows.schema) == Listed.columns()
    shelf.broken = True
    assert fetch.listing(shelf) == listing
    later = Fetch(tmp_path)
    assert later.listing(shelf) == listing
    later.close()
    assert shelf.asked == ["listing"]


def test_a_new_revision_is_listed_anew_and_the_old_one_stays(fetch: Fetch, shelf: Shelf) -> None:
    fetch.listing(shelf)
    newer = Shelf({"c.jpg": b"cats"}, at="2")
    assert listed(fetch, newer) == ["c.jpg"]
    shelf.broken = True
    assert listed(fetch, shelf) == ["b.jpg", "a.jpg"]


def test_a_listing_that_breaks_off_is_not_kept(fetch: Fetch, shelf: Shelf) -> None:
    shelf.broken = True
    with pytest.raises(UserError, match="the source shelf cannot be listed: the shelf fell down"):
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
    assert (original(fetch, shelf, "a.jpg"), original(fetch, shelf, "b.jpg")) == (b"apes", b"bees")
    shelf.broken = True
    assert original(fetch, shelf, "a.jpg") == b"apes"
    later = Fetch(tmp_path)
    assert original(later, shelf, "b.jpg") == b"bees"
    later.close()
    assert shelf.asked == ["a.jpg", "b.jpg"]


def test_an_error_of_the_world_is_given_back_and_not_kept(fetch: Fetch, shelf: Shelf) -> None:
    shelf.broken = True
    assert fetched(fetch, shelf, "a.jpg") == [NotFetched("not fetched", "no a.jpg on the shelf")]
    shelf.broken = False
    assert original(fetch, shelf, "a.jpg") == b"apes"


def test_the_same_key_of_another_source_or_revision_is_another_picture(fetch: Fetch, shelf: Shelf) -> None:
    assert original(fetch, shelf, "a.jpg") == b"apes"
    assert original(fetch, Shelf({"a.jpg": b"ants"}, at="2"), "a.jpg") == b"ants"
    assert original(fetch, Shelf({"a.jpg": b"aunts"}, name="wall"), "a.jpg") == b"aunts"
    assert original(fetch, shelf, "a.jpg") == b"apes"


def test_after_a_torn_line_the_picture_is_asked_for_again(fetch: Fetch, tmp_path: Path, shelf: Shelf) -> None:
    original(fetch, shelf, "a.jpg")
    original(fetch, shelf, "b.jpg")
    fetch.close()
    log = tmp_path / "originals" / "fetched.jsonl"
    log.write_bytes(log.read_bytes()[:-3])
    later = Fetch(tmp_path)
    assert (original(later, shelf, "a.jpg"), original(later, shelf, "b.jpg")) == (b"apes", b"bees")
    later.close()
    assert shelf.asked == ["a.jpg", "b.jpg", "b.jpg"]


def test_bytes_that_were_lost_are_asked_for_again(fetch: Fetch, shelf: Shelf) -> None:
    original(fetch, shelf, "a.jpg")
    for path in fetch.originals.folder.rglob("?" * 64):
        path.unlink()
    assert original(fetch, shelf, "a.jpg") == b"apes"
    shelf.broken = True
    assert original(fetch, shelf, "a.jpg") == b"apes"


def test_a_full_disk_is_one_line_for_the_user_and_what_was_kept_stays(small_disk: Path) -> None:
    shelf = Shelf({str(n): bytes([n]) * 5000 for n in range(40)})
    fetch, kept = Fetch(small_disk), 0

    def fill() -> None:
        nonlocal kept
        for key in shelf.pictures:
            original(fetch, shelf, key)
            kept += 1

    with pytest.raises(UserError, match="is full"):
        fill()
    fetch.close()
    shelf.broken = True
    later = Fetch(small_disk)
    assert kept > 5
    assert [original(later, shelf, str(n)) for n in range(kept)] == [shelf.pictures[str(n)] for n in range(kept)]
    later.close()


def test_a_disk_too_full_for_the_listing_is_one_line_for_the_user(small_disk: Path) -> None:
    fetch = Fetch(small_disk)
    many = Shelf({f"{n * 7919 % 10007:05}-{n**3}": b"" for n in range(9000)})
    with pytest.raises(UserError, match="is full"):
        fetch.listing(many)
    fetch.close()
    assert list((small_disk / "listings").iterdir()) == []


def test_a_listing_of_many_rows_comes_back_in_pieces_and_in_order(fetch: Fetch) -> None:
    many = Shelf({str(n): b"" for n in range(2 * BATCH + 1)})
    assert [part.height for part in fetch.listing(many).frames()] == [BATCH, BATCH, 1]
    assert listed(fetch, many) == list(many.pictures)


def test_many_come_back_in_their_order_with_what_was_made_of_them(fetch: Fetch) -> None:
    many = Shelf({str(n): bytes([n % 251]) * (n % 7 + 1) for n in range(700)})
    got = list(fetch.originals_of(wanted(many, *many.pictures), {"shelf": many}, len))
    assert [row["key"] for row, _ in got] == list(many.pictures)
    assert [one.made for _, one in got if isinstance(one, Fetched)] == [n % 7 + 1 for n in range(700)]


@pytest.mark.parametrize("taken", [1, 50, 300])
def test_nobody_has_to_take_all_of_them(fetch: Fetch, taken: int) -> None:
    many = Shelf({str(n): b"x%d" % n for n in range(900)})
    got = fetch.originals_of(wanted(many, *many.pictures), {"shelf": many}, bytes)
    assert len(list(islice(got, taken))) == taken
    got.close()
    assert len(many.asked) < 900


def test_what_was_forgotten_does_not_come_in_again(tmp_path: Path, shelf: Shelf) -> None:
    first = Fetch(tmp_path)
    (one,) = fetched(first, shelf, "a.jpg")
    assert isinstance(one, Fetched)
    first.close()
    ForgottenImages(tmp_path).add(set(), {one.original_sha256})
    later = Fetch(tmp_path)
    assert original(later, shelf, "a.jpg") == "forgotten"
    assert original(later, Shelf({"z.jpg": b"apes"}, name="other"), "z.jpg") == "forgotten"
    later.close()
