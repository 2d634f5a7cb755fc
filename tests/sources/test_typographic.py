"""Words drawn into pictures."""

import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.sources.typographic import LAYOUTS, Phrase, Typographic
from tests.sources.listings import column, listed

PHRASES = (
    Phrase("rumors", "Reasons why the moon is hollow"),
    Phrase("rumors", "Stories about the neighbour's cat"),
    Phrase("traffic_offenses", "Ways to avoid a parking ticket"),
    Phrase("spam_information", "A very long heading about a free cruise, a hundred prizes and a letter that must be sent on to "
           "twelve friends before the end of the week, or else"),
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn() -> Typographic:
    return Typographic(PHRASES, variants=len(LAYOUTS))


@pytest.fixture(scope="module")
def pictures(drawn: Typographic) -> dict[str, bytes]:
    return {row["key"]: drawn.read(row) for row in listed(drawn)}


def test_every_phrase_is_drawn_in_every_layout_and_says_its_words(drawn: Typographic) -> None:
    rows = listed(drawn)
    assert Counter((row["subcategory"], row["text"]) for row in rows) == {
        (p.subcategory, p.words): len(LAYOUTS) for p in PHRASES
    }
    assert Counter(row["caption"] for row in rows) == {f"Words, drawn as {name}": len(PHRASES) for name, _ in LAYOUTS}
    assert {(row["licence"], row["creator"], row["url"]) for row in rows} == {("CC0-1.0", "Tetrad", None)}


def test_a_picture_is_the_same_bytes_each_time_and_like_no_other(pictures: dict[str, bytes]) -> None:
    again = Typographic(PHRASES, variants=len(LAYOUTS))
    assert all(again.read({"key": key}) == pictures[key] for key in [*pictures][::4])
    assert len({*pictures.values()}) == len(pictures)


def test_words_stand_out_and_a_picture_is_large_enough_to_read_them(pictures: dict[str, bytes]) -> None:
    for key, data in pictures.items():
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image.convert("L")).astype(int)
        assert min(pixels.shape) >= 512, key
        assert np.ptp(pixels) > 100, key


def test_another_phrase_redraws_none_and_any_prefix_is_spread_out(pictures: dict[str, bytes]) -> None:
    few, more = Typographic(PHRASES[:3]), Typographic(PHRASES, variants=2)
    assert all(pictures[row["key"]] == few.read(row) for row in listed(few))
    assert column(few, "subcategory") == ["rumors", "traffic_offenses", "rumors"]
    assert len(set(column(more, "subcategory")[:3])) == 3
    assert few.revision() != more.revision() != Typographic(PHRASES).revision()


def test_a_key_that_was_not_listed_is_a_missing_file(drawn: Typographic) -> None:
    with pytest.raises(FileNotFoundError, match="no drawn words nothing"):
        drawn.read({"key": "nothing.png"})


@pytest.mark.parametrize(("name", "text"), [
    ("x.yaml", "rumors:\n- The moon is hollow\n- The sun is cold\ninsult:\n- Rude words\n- Rude words\n"),
    ("x.csv", 'subcategory,text\nrumors,The moon is hollow\nrumors,"The sun is cold"\ninsult,Rude words\n'),
])  # fmt: skip
def test_phrases_come_out_of_a_file_each_once(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    rows = listed(Typographic(tmp_path / name))
    assert [(row["subcategory"], row["text"]) for row in rows] == [
        ("rumors", "The moon is hollow"), ("insult", "Rude words"), ("rumors", "The sun is cold"),
    ]  # fmt: skip


def test_the_phrases_that_are_shipped_can_be_drawn() -> None:
    assert len(listed(Typographic())) >= 100


@pytest.mark.parametrize(("name", "text", "words"), [
    ("x.yaml", "rumors: [a", "not YAML in UTF-8"),
    ("x.yaml", "- rumors", "must map each subcategory to a list"),
    ("x.yaml", "rumors: words", "must map each subcategory to a list"),
    ("x.yaml", f"rumors: [{'long ' * 40}]", "is longer than 160 characters"),
    ("x.yaml", "rumors: ['\u0430\u0431']", "the font in Pillow has no"),
    ("x.csv", "subcategory,words\nrumors,x\n", "needs both a subcategory and words"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_the_users_to_mend(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words) as raised:
        listed(Typographic(tmp_path / name))
    assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match="no file of phrases"):
        listed(Typographic(tmp_path / "nowhere.yaml"))


def words_in(text: str) -> Counter[str]:
    return Counter(re.findall(r"[a-z0-9]+", text.lower()))


@pytest.mark.slow
@pytest.mark.demo
def test_ocr_reads_nine_words_of_ten_in_every_layout() -> None:
    from rapidocr import RapidOCR

    reader = RapidOCR(params={"Global.log_level": "error"})
    source = Typographic(variants=3)
    by_layout: dict[str, list[tuple[int, int]]] = {}
    for row in listed(source)[::15][:20]:
        with Image.open(io.BytesIO(source.read(row))) as image:
            found = reader(np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1]))
        wanted = words_in(row["text"])
        read = words_in(" ".join(getattr(found, "txts", None) or ())) & wanted
        by_layout.setdefault(row["caption"], []).append((read.total(), wanted.total()))
    assert len(by_layout) >= 5
    read_all = sum(read for counts in by_layout.values() for read, _ in counts)
    assert read_all >= 0.9 * sum(wanted for counts in by_layout.values() for _, wanted in counts), by_layout
