"""From listings to images worth asking about: whatever a source holds ends as a row of one table or another."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from drawn import picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from rows import Answering, make, reasons, saying, table

from pipeline import taxonomy
from pipeline.doors.fetch import Fetch
from pipeline.errors import UserError
from pipeline.looks.retrieval import Retrieval
from pipeline.looks.severity import SeverityJudge
from pipeline.looks.text import Text
from pipeline.requests import Embed, Embedded, Line, Reply, Request, Transcribe, Transcribed, failed
from pipeline.sources import Source, frames
from pipeline.sources.folder import Folder
from pipeline.stages import collect
from pipeline.tables import Description, Dropped, Image, Listed, Outcome

SPA_VL = taxonomy.load("spa_vl")
CLASSES = ("bullying", "scams", "theft", "weapons")


def encoded(image: Pillow.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@dataclass
class Shelf:
    """A source in memory: key to class and bytes; None: the bytes have gone."""

    pictures: dict[str, tuple[str | None, bytes | None]]
    name: str = "shelf"
    read_keys: list[str] = field(default_factory=list)

    def revision(self) -> str:
        return "1"

    def listing(self) -> Iterator[pl.DataFrame]:
        return frames(
            make(Listed, source=self.name, key=key, subcategory=subcategory, licence="CC0-1.0", creator="Ann")
            for key, (subcategory, _) in self.pictures.items()
        )

    def read(self, row: dict[str, Any]) -> bytes:
        self.read_keys.append(row["key"])
        data = self.pictures[row["key"]][1]
        if data is None:
            raise FileNotFoundError("it has gone")
        return data


@dataclass
class Ranked(Shelf):
    """One that has embeddings, too."""

    model: str = "clip"
    directions: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def vectors(self) -> Iterator[np.ndarray]:
        for key in self.pictures:
            yield np.array([self.directions[key]], dtype=np.float16)


def shelf(*keys: str, subcategory: str | None = "scams", name: str = "shelf") -> Shelf:
    return Shelf({key: (subcategory, encoded(picture(key))) for key in keys}, name)


@pytest.fixture
def fetch(tmp_path: Path) -> Iterator[Fetch]:
    door = Fetch(tmp_path / "workspace")
    yield door
    door.close()


def wanted(fetch: Fetch, *sources: Source, **options: Any) -> Outcome:
    return collect.wanted(sources=sources, taxonomy=SPA_VL, fetch=fetch, **options)


def collected(fetch: Fetch, *sources: Source, **options: Any) -> Outcome:
    return collect.images(wanted(fetch, *sources, **options).kept, sources=sources, fetch=fetch)


def test_a_row_says_where_its_image_came_from_and_what_was_done_to_it(fetch: Fetch) -> None:
    source = shelf("a.jpg")
    (row,) = collected(fetch, source).kept.iter_rows(named=True)
    assert row["id"] == row["group"] == hashlib.sha256(fetch.images.read(row["id"])).hexdigest()
    assert row["original_sha256"] == hashlib.sha256(source.pictures["a.jpg"][1] or b"").hexdigest()
    assert (row["source"], row["key"], row["revision"]) == ("shelf", "a.jpg", "1")
    assert (row["subcategory"], row["licence"], row["creator"]) == ("scams", "CC0-1.0", "Ann")
    assert (row["width"], row["height"]) == (320, 256)
    assert "re-encoded as JPEG" in row["changes"]
    assert row["retrieved_at"] is None


def test_two_sources_of_one_name_are_one_line_for_the_user(fetch: Fetch) -> None:
    with pytest.raises(UserError, match="two sources have one name"):
        wanted(fetch, shelf("a"), shelf("b"))


def test_a_class_that_is_none_is_left_out_and_named(fetch: Fetch) -> None:
    sources = (shelf("a", subcategory="no such class"), shelf("b", subcategory=None, name="other"))
    made = wanted(fetch, *sources, shelf("c", subcategory="Threaten", name="third"))
    assert made.kept["subcategory"].to_list() == ["threats"]
    assert made.dropped.select("id", "reason", "detail").rows() == [
        ("shelf/a", "no class", "no such class"), ("other/b", "no class", None),
    ]  # fmt: skip


def test_a_class_that_allows_no_images_gets_none(fetch: Fetch) -> None:
    tree = SPA_VL.model_dump()
    tree["nodes"][0]["image_allowed"] = False
    closed, source = taxonomy.Taxonomy.model_validate(tree), shelf("a", subcategory="bullying")
    made = collect.wanted(sources=(source,), taxonomy=closed, fetch=fetch)
    assert made.dropped.select("reason", "subcategory").rows() == [("class without images", "bullying")]
    assert source.read_keys == []


def test_of_very_many_that_nobody_wants_the_first_have_rows_and_the_others_are_counted(fetch: Fetch) -> None:
    many = Shelf({str(n): (f"odd {n}", None) for n in range(collect.SHOWN + 700)})
    made = wanted(fetch, many)
    assert (made.considered, made.dropped.height, made.passed) == (
        collect.SHOWN + 700,
        collect.SHOWN,
        {"no class": 700},
    )


def test_a_limit_cuts_a_prefix_in_which_classes_take_turns(fetch: Fetch) -> None:
    sources = [Shelf({f"{c}{n}": (c, None) for n in range(5)}, name=c) for c in CLASSES]
    whole = wanted(fetch, *sources)
    assert Counter(whole.kept["subcategory"].head(8)) == dict.fromkeys(CLASSES, 2)
    for limit in (1, 4, 7, 20, 30):
        part = wanted(fetch, *sources, limit=limit)
        assert part.kept.equals(whole.kept.head(limit))
        assert part.considered == whole.considered
        assert reasons(part) == ({"beyond the limit": 20 - limit} if limit < 20 else {})


def test_of_each_class_only_so_many_are_wanted_and_others_added_change_no_luck(fetch: Fetch) -> None:
    few, many = (Shelf({f"{n}": ("scams", None) for n in range(size)}, name="s") for size in (40, 400))
    first = set(wanted(fetch, few, per_subcategory=10).kept["key"])
    made = wanted(Fetch(fetch.originals.folder.parent.parent / "other"), many, per_subcategory=10)
    assert len(first) == made.kept.height == 10
    assert reasons(made) == {"over its share": 390}
    assert first & set(made.kept["key"]) == {k for k in made.kept["key"] if int(k) < 40}


def test_every_wanted_image_is_kept_or_dropped_with_a_reason(fetch: Fetch) -> None:
    source = shelf("good.jpg")
    source.pictures |= {
        "gone.jpg": ("scams", None), "text.jpg": ("scams", b"no picture"), "again.jpg": source.pictures["good.jpg"],
        "copy.webp": ("scams", encoded(picture("good.jpg").resize((480, 384)), "WEBP", quality=80)),
        "tiny.png": ("scams", encoded(picture("x", (30, 30)), "PNG")), "other.png": ("scams", encoded(picture("o"), "PNG")),
    }  # fmt: skip
    made = collected(fetch, source)
    assert made.considered == 7
    assert made.kept.height == 2
    assert set(made.dropped["subcategory"]) == {"scams"}
    found = reasons(made)
    assert found.pop("not an image") == found.pop("not fetched") == 1
    assert found.pop("duplicate", 0) + found.pop("near-duplicate", 0) == 2
    assert len(found) == 1, "the tiny one"


def test_near_duplicates_of_several_sources_merge_to_the_first_of_them(fetch: Fetch) -> None:
    first, others = shelf("a", "b"), Shelf({}, name="z")
    others.pictures["copy of a"] = ("theft", encoded(picture("a").resize((200, 160)), quality=60))
    made = collected(fetch, first, others)
    standing = {row["key"]: row["id"] for row in made.kept.iter_rows(named=True)}
    assert len(standing) == 2
    (gone,) = made.dropped.iter_rows(named=True)
    assert gone["reason"] == "near-duplicate"
    assert gone["detail"].removeprefix("of ") in standing.values()
    assert made.kept["group"].to_list() == made.kept["id"].to_list()


def test_what_was_made_once_is_made_the_same_again(fetch: Fetch) -> None:
    source = shelf("a", "b", "c")
    assert collected(fetch, source).kept.equals(collected(fetch, source).kept)
    assert Counter(source.read_keys) == dict.fromkeys("abc", 1)


def test_a_folder_with_anything_in_it_adds_up(fetch: Fetch, tmp_path: Path) -> None:
    folder = tmp_path / "pictures" / "scams"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(encoded(picture("a")))
    (folder / "drawing.svg").write_text("<svg/>")
    (folder / "notes.txt").write_text("nothing to see")
    (folder.parent / "no class.jpg").write_bytes(encoded(picture("b")))
    chosen = wanted(fetch, source := Folder(folder.parent))
    made = collect.images(chosen.kept, sources=(source,), fetch=fetch)
    assert chosen.considered == 4
    assert reasons(chosen) == {"no class": 1}
    assert reasons(made) == {"not an image": 2}
    assert made.kept.height == 1


RETRIEVAL = Retrieval("clip", per_keyword=2, template="{keyword}")
NODES = {leaf: SPA_VL.leaves[leaf][2] for leaf in CLASSES}


def direction(leaf: str | None, size: float = 1.0) -> tuple[float, ...]:
    """A vector that points at one class's keywords, or nowhere near them."""
    return (*(size if leaf == c else 0.01 for c in CLASSES), 0.0 if leaf else 1.0)


def embedding(request: Request) -> Reply:
    """Keywords of a class all point its way; an image points where its first byte says."""
    assert isinstance(request, Embed)
    leaf = next((c for c in CLASSES if request.text in NODES[c].keywords), None)
    if request.image is not None:
        leaf = (*CLASSES, None)[int(request.image[0], 16) % 5]
    vector = direction(leaf)
    return Reply(result=Embedded(vector=vector))


def test_a_source_with_embeddings_is_ranked_before_anything_is_fetched(fetch: Fetch) -> None:
    source = Ranked({f"{c}{n}": (None, None) for c in (*CLASSES, "none") for n in range(4)})
    source.directions = {k: direction(k[:-1] if k[:-1] in CLASSES else None, 1 + int(k[-1])) for k in source.pictures}
    made = wanted(fetch, source, generate=Answering(embedding), retrieval=RETRIEVAL, per_subcategory=2)
    by_class = made.kept.group_by("subcategory").agg("key").sort("subcategory")
    found = {leaf: {k[:-1] for k in keys} for leaf, keys in by_class.iter_rows() if leaf in CLASSES}
    assert all(found[c] == {c} for c in CLASSES)
    assert Counter(made.kept["subcategory"])["scams"] == 2
    assert made.kept["similarity"].min() is not None
    assert made.kept.filter(pl.col("subcategory") == "scams")["keyword"].is_in(list(NODES["scams"].keywords)).all()
    assert made.considered == 20
    assert source.read_keys == []


def test_images_without_a_class_are_placed_by_what_they_show() -> None:
    rows = table(Image, *({"id": f"{n:x}" * 64, "subcategory": None, "group": f"{n:x}" * 64} for n in range(16)))
    made = collect.selected(
        rows, taxonomy=SPA_VL, generate=Answering(embedding), retrieval=RETRIEVAL, per_subcategory=2
    )
    assert made.considered == 16
    for row in made.kept.iter_rows(named=True):
        if row["subcategory"] in CLASSES:
            assert (*CLASSES, None)[int(row["id"][0], 16) % 5] in (row["subcategory"], None)
        assert row["keyword"] in SPA_VL.leaves[row["subcategory"]][2].keywords
    assert max(Counter(made.kept["subcategory"]).values()) <= 2
    assert set(reasons(made)) <= {"not among the best", "over its share"}


def test_an_image_that_cannot_be_embedded_is_dropped_with_the_models_error() -> None:
    def answer(request: Request) -> Reply:
        return failed("unreadable_image") if isinstance(request, Embed) and request.image else embedding(request)

    rows = table(Image, {"id": "a" * 64, "subcategory": None})
    made = collect.selected(rows, taxonomy=SPA_VL, generate=Answering(answer), retrieval=RETRIEVAL)
    assert reasons(made) == {"not embedded: unreadable_image": 1}


def test_without_retrieval_an_image_without_a_class_is_dropped() -> None:
    made = collect.selected(table(Image, {"id": "a", "subcategory": None}), taxonomy=SPA_VL)
    assert reasons(made) == {"no class": 1}


def said(image: str, **columns: Any) -> dict[str, Any]:
    return {"id": f"{image} {columns}", "image": image} | columns


def test_images_with_too_much_text_or_harm_leave_but_words_drawn_on_purpose_may_stay() -> None:
    rows = table(
        Image,
        {"id": "a", "subcategory": "scams"}, {"id": "b", "subcategory": "scams"}, {"id": "c", "subcategory": "scams"},
        {"id": "d", "subcategory": "scams", "text": "Ways to cheat"},
    )  # fmt: skip
    words = [said(i, aspect="text", share=s) for i, s in (("a", 0.1), ("b", 0.6), ("c", 0.2), ("d", 0.9))]
    harm = [said(i, aspect="severity", severity=s) for i, s in (("a", "moderate"), ("b", "none"), ("c", "severe"))]
    made = collect.selected(
        rows, taxonomy=SPA_VL, descriptions=table(Description, *words, *harm), most_text=0.5, most_severe="moderate"
    )
    assert made.kept["id"].to_list() == ["a", "d"]
    assert reasons(made) == {"too much text": 1, "too severe": 1}
    assert made.kept.columns == rows.columns


def test_of_each_subcategory_the_most_similar_stay() -> None:
    rows = [{"id": str(n), "subcategory": "scams", "similarity": n / 10} for n in range(5)]
    made = collect.selected(
        table(Image, *rows, {"id": "x", "subcategory": "theft"}), taxonomy=SPA_VL, per_subcategory=2
    )
    assert made.kept["id"].to_list() == ["3", "4", "x"]
    assert reasons(made) == {"over its share": 3}


def test_every_look_describes_every_image() -> None:
    def answer(request: Request) -> Reply:
        if isinstance(request, Transcribe):
            return Reply(result=Transcribed(lines=(Line(text="SALE TODAY", score=0.99, box=(0.0, 0.0, 0.5, 0.5)),)))
        return saying(json.dumps({"severity": "minor"}))

    rows = table(Image, {"id": "a"}, {"id": "b"})
    made = collect.descriptions(rows, looks=(Text("rapidocr"), SeverityJudge("judge")), generate=Answering(answer))
    assert Counter(made.kept["aspect"]) == {"text": 2, "severity": 2}
    assert set(made.kept.filter(pl.col("aspect") == "text").select("text", "share").rows()) == {("SALE TODAY", 0.25)}
    assert set(made.kept["severity"].drop_nulls()) == {"minor"}
    assert collect.descriptions(rows, looks=(), generate=Answering(answer)).considered == 0


def test_what_is_short_is_listed_with_what_became_of_the_others() -> None:
    kept = table(
        Image, *({"id": str(n), "subcategory": "scams"} for n in range(3)), {"id": "t", "subcategory": "theft"}
    )
    gone = table(
        Dropped, {"id": "1", "reason": "too small", "subcategory": "theft"}, {"id": "2", "reason": "too small", "subcategory": "theft"},
        {"id": "3", "reason": "duplicate", "subcategory": "theft"}, {"id": "4", "reason": "duplicate", "subcategory": None},
    )  # fmt: skip
    made = collect.short_images(kept, gone, gone.head(1), taxonomy=SPA_VL, target=3)
    short = {row["subcategory"]: row for row in made.kept.iter_rows(named=True)}
    assert "scams" not in short
    assert len(short) == 52
    assert (short["theft"]["found"], short["theft"]["wanted"]) == (1, 3)
    assert short["theft"]["why"] == ["3 too small", "1 duplicate"]
    assert short["weapons"]["why"] == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.tuples(st.sampled_from([*CLASSES, "odd", None]), st.sampled_from(["a", "b", "gone", "junk"])), max_size=30),
    most=st.one_of(st.none(), st.integers(1, 5)), limit=st.one_of(st.none(), st.integers(1, 20)),
)  # fmt: skip
def test_counts_add_up_through_the_whole_stage(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[tuple[str | None, str]], most: int | None, limit: int | None
) -> None:
    data = {"a": encoded(picture("a")), "b": encoded(picture("b")), "gone": None, "junk": b"junk"}
    source = Shelf({str(n): (leaf, data[kind]) for n, (leaf, kind) in enumerate(kinds)} or {"0": ("scams", None)})
    fetch = Fetch(tmp_path_factory.mktemp("workspace"))
    chosen = wanted(fetch, source, per_subcategory=most, limit=limit)
    made = collect.images(chosen.kept, sources=(source,), fetch=fetch)
    final = collect.selected(made.kept, taxonomy=SPA_VL, per_subcategory=1)
    fetch.close()
    assert chosen.considered == len(source.pictures)
    assert made.considered == chosen.kept.height
    assert final.considered == made.kept.height
    lost = sum(o.dropped.height + sum(o.passed.values()) for o in (chosen, made, final))
    assert lost + final.kept.height == len(source.pictures)


def test_without_sources_there_are_no_images(fetch: Fetch) -> None:
    assert collected(fetch).considered == 0
