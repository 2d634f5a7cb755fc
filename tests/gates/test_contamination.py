"""Prompts and images that stand in a benchmark."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from pipeline.errors import UserError
from pipeline.gates import contamination
from pipeline.gates.contamination import Benchmarks
from pipeline.pictures.hashes import hashed
from pipeline.pictures.rebuild import rebuilt
from pipeline.sources.drawings import Drawings

LONG = "Which of the two men at the counter has hidden the receipt under his hat, and for what reason?"
SHORT = "Who hides the receipt?"


def picture(seed: int, side: int = 320) -> Image.Image:
    """A drawing with much to tell it by."""
    image = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(image)
    for n in range(60):
        x, y, size = ((seed * 7919 + n * 104729) // k % (side - 40) for k in (1, 13, 131))
        colour = f"hsl({(seed * 37 + n * 53) % 360}, 70%, {20 + (n * 29) % 60}%)"
        draw.ellipse((x, y, x + 10 + size % 90, y + 10 + size % 60), fill=colour)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **settings: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def looked_up(benchmarks: Benchmarks, data: bytes) -> str | None:
    """What the benchmarks say of an image that was collected from these bytes."""
    taken = rebuilt(data)
    return benchmarks.image(taken.sha256, hashlib.sha256(data).hexdigest(), hashed(taken.image))


def _txt(path: Path) -> None:
    path.write_text(f"\ufeff\n{SHORT}\n\n  {LONG}\n", encoding="utf-8")


def _csv(path: Path) -> None:
    pl.DataFrame({"n": [1, 2, 3], "Prompt": [SHORT, None, "Two\nlines"], "question": ["", LONG, "?"]}).write_csv(path)


def _tsv(path: Path) -> None:
    pl.DataFrame({"text": [SHORT, LONG], "n": [1, 2]}).write_csv(path, separator="\t")


def _jsonl(path: Path) -> None:
    lines = [{"instruction": LONG, "n": 1}, {"n": 2}, {"question": SHORT}, {"question": None}, [1]]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n", encoding="utf-8")


def _parquet(path: Path) -> None:
    pl.DataFrame({"question": [SHORT, LONG], "text": [1, 2]}).write_parquet(path)


@pytest.mark.parametrize("write", [_txt, _csv, _tsv, _jsonl, _parquet])
def test_texts_are_read_from_every_kind_of_file(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / f"bench{write.__name__.replace('_', '.')}"
    write(path)
    for benchmarks in (Benchmarks((path,)), Benchmarks((tmp_path,))):
        name = benchmarks.paths[0].stem
        assert benchmarks.question(LONG) == name
        assert benchmarks.question(SHORT) == name
        assert benchmarks.question("Who hides the letter?") is None


def test_thirteen_words_in_a_row_are_enough_and_twelve_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(LONG)
    benchmarks = Benchmarks((tmp_path / "a.txt",))
    words = LONG.split()
    assert benchmarks.question("So tell me now: " + " ".join(words[3:16]).upper() + "!") == "a"
    assert benchmarks.question("So tell me now: " + " ".join(words[3:15]) + " or not?") is None
    assert benchmarks.question(" ".join(words[:12])) is None


def test_a_shorter_text_is_a_benchmarks_only_if_all_of_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{SHORT}\n{LONG}\n")
    benchmarks = Benchmarks((tmp_path / "a.txt",))
    assert benchmarks.question("«Who hides -- the receipt»") == "a"
    assert benchmarks.question(f"{SHORT} Why?") is None
    assert benchmarks.question(f"{SHORT} {SHORT} {SHORT} {SHORT}") is None
    assert benchmarks.question("?!") is None


def test_no_text_runs_on_into_the_next(tmp_path: Path) -> None:
    lines = ["one two three four five six seven", "eight nine ten eleven twelve thirteen fourteen", LONG, SHORT]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    benchmarks = Benchmarks((tmp_path / "a.txt",))
    assert benchmarks.question(" ".join(lines[:2])) is None
    assert benchmarks.question(f"{' '.join(LONG.split()[6:])} {SHORT}") == "a"
    assert benchmarks.question(f"{' '.join(LONG.split()[10:])} {SHORT}") is None


def test_the_first_of_several_benchmarks_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(f"{SHORT}\nOnly in {name} it says this.\n")
    benchmarks = Benchmarks((tmp_path / "b.txt", tmp_path / "a.txt"))
    assert benchmarks.question(SHORT) == "b"
    assert benchmarks.question("Only in a it says this.") == "a"


@given(
    lines=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=80), min_size=1, max_size=20
    )
)
def test_every_line_with_a_word_is_found_again(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    benchmarks = Benchmarks((path,))
    for line in "\n".join(lines).split("\n"):
        assert benchmarks.question(line) == ("a" if contamination._words(line.strip()) else None)


def test_an_image_is_known_by_its_file_by_its_rebuilt_pixels_and_by_its_looks(tmp_path: Path) -> None:
    folder = tmp_path / "pictures" / "inner"
    folder.mkdir(parents=True)
    original = encoded(picture(1))
    (folder / "one.png").write_bytes(original)
    (folder / "broken.jpg").write_bytes(b"no picture")
    benchmarks = Benchmarks((tmp_path / "pictures",))
    assert looked_up(benchmarks, original) == "pictures"
    assert looked_up(benchmarks, encoded(picture(1).resize((260, 260)), "JPEG", quality=60)) == "pictures"
    assert looked_up(benchmarks, encoded(picture(2))) is None
    taken = rebuilt(original)
    assert benchmarks.image(taken.sha256, "0" * 64, hashed(picture(2))) == "pictures"
    assert benchmarks.image("0" * 64, hashlib.sha256(b"no picture").hexdigest(), hashed(picture(2))) == "pictures"


def test_lists_of_hashes_do_as_well_as_the_images(tmp_path: Path) -> None:
    path = tmp_path / "hashes.txt"
    first, second = encoded(picture(1)), encoded(picture(2))
    path.write_text(f"{hashlib.sha256(first).hexdigest().upper()}\n{hashed(rebuilt(second).image)}\n{SHORT}\n")
    benchmarks = Benchmarks((path,))
    assert looked_up(benchmarks, first) == "hashes"
    assert looked_up(benchmarks, encoded(picture(2), "JPEG", quality=70)) == "hashes"
    assert looked_up(benchmarks, encoded(picture(3))) is None
    assert benchmarks.question(SHORT) == "hashes"
    assert benchmarks.question(hashlib.sha256(first).hexdigest().upper()) is None


def test_pictures_that_tell_nothing_are_known_by_their_files_alone(tmp_path: Path) -> None:
    flat = encoded(Image.new("RGB", (200, 200), "#4080c0").resize((200, 200)))
    stripes = Image.new("RGB", (200, 200), "#4080c0")
    ImageDraw.Draw(stripes).rectangle((0, 0, 100, 200), fill="#c08040")
    (tmp_path / "a.png").write_bytes(encoded(stripes))
    benchmarks = Benchmarks((tmp_path / "a.png",))
    assert looked_up(benchmarks, encoded(stripes)) == "a"
    assert benchmarks.image("0" * 64, hashlib.sha256(flat).hexdigest(), hashed(stripes)) is None


def test_the_revision_changes_with_the_files_and_with_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(SHORT)
    before = Benchmarks((path,)).revision()
    path.touch()
    assert Benchmarks((path,)).revision() == before
    path.write_text(LONG)
    assert Benchmarks((path,)).revision() != before
    assert Benchmarks(()).revision() not in (before, Benchmarks((path,)).revision())


def test_no_benchmarks_hold_nothing() -> None:
    assert Benchmarks(()).question(SHORT) is None
    assert Benchmarks(()).image("0" * 64, "0" * 64, hashed(picture(1))) is None


@pytest.mark.parametrize(("name", "content", "message"), [
    ("gone.csv", None, "no such benchmark"),
    ("a.pdf", b"x", "must end in"),
    ("folder", None, "no such benchmark"),
])  # fmt: skip
def test_a_path_to_nothing_is_found_at_once(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        Benchmarks((tmp_path / name,))


def test_an_empty_folder_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no benchmark in"):
        Benchmarks((tmp_path,))


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.csv", b"id,words\n1,hello\n", "none of the columns"),
    ("a.csv", b"", "none of the columns"),
    ("a.jsonl", b'{"words": "hello"}\n', "none of the columns"),
    ("a.jsonl", b'{"question": "hel', "cannot be read"),
    ("a.parquet", b"PAR1", "cannot be read"),
    ("a.csv", b"question\n" + b"x" * 200_000, "cannot be read"),
])  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        Benchmarks((tmp_path / name,)).question(SHORT)


def test_in_a_folder_tables_without_texts_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "judges.csv").write_text("judge,verdict\na,safe\n")
    (tmp_path / "prompts.csv").write_text(f'n,question\n1,"{LONG}"\n')
    assert Benchmarks((tmp_path,)).question(LONG) == tmp_path.name


def test_one_of_our_drawings_is_found_among_many(tmp_path: Path) -> None:
    drawings = Drawings()
    rows = [row for frame in drawings.listing() for row in frame.iter_rows(named=True)][:12]
    for n, row in enumerate(rows[1:]):
        data = drawings.read(row)
        assert data
        (tmp_path / f"{n}.png").write_bytes(data)
    benchmarks = Benchmarks((tmp_path,))
    found = [looked_up(benchmarks, data) for row in rows if (data := drawings.read(row))]
    assert found == [None, *[tmp_path.name] * (len(rows) - 1)]
