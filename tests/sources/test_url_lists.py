"""Lists of addresses, written by hand or by a stranger."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.sources.parts.records import LONGEST_LINE
from pipeline.sources.urls import Urls
from tests.sources.listings import JSONS, SAYINGS, Cells, column, listed


def put(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_txt_has_one_address_a_line_and_comments(tmp_path: Path) -> None:
    path = put(tmp_path / "x.txt", "\ufeff# pictures\nhttp://a.example/1.jpg\r\n\n  http://a.example/2.jpg  \n #no\n")
    source = Urls(path, licence="CC0")
    rows = listed(source)
    assert [row["url"] for row in rows] == ["http://a.example/1.jpg", "http://a.example/2.jpg"]
    assert [(row["key"], row["licence"], row["place"]) for row in rows] == [
        ("00000000", "CC0-1.0", None), ("00000001", "CC0-1.0", None),
    ]  # fmt: skip
    assert {source.read(row) for row in rows} == {None}  # type: ignore[func-returns-value]


ROW = {"url": "http://a/1", "Subcategory": "theft", "page_url": "http://a/page", "license": "CC BY 4.0", "author": "Ada, B.",
       "caption": 'A "cat"\non two lines', "text": "Keep out"}  # fmt: skip


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@pytest.mark.parametrize(("suffix", "text"), [
    (".csv", ",".join(ROW) + "\n" + ",".join(map(quoted, ROW.values())) + "\n\nhttp://a/2\n"),
    (".tsv", "\t".join(ROW) + "\r\n" + "\t".join(map(quoted, ROW.values())) + "\r\nhttp://a/2\ttoo\tmany\tcells\t\t\t\t\t\t\n"),
    (".jsonl", json.dumps(ROW) + "\n\n" + json.dumps({"url": "http://a/2", "later": 1})),
])  # fmt: skip
def test_a_table_may_have_any_column_of_a_listing(tmp_path: Path, suffix: str, text: str) -> None:
    first, second = listed(Urls(put(tmp_path / f"x{suffix}", text)))
    told = ("url", "subcategory", "page_url", "licence", "creator", "caption", "text")
    assert [first[name] for name in told] == [
        "http://a/1", "theft", "http://a/page", "CC-BY-4.0", "Ada, B.", 'A "cat" on two lines', "Keep out",
    ]  # fmt: skip
    assert second["url"] == "http://a/2"


def test_other_names_of_columns_and_classes_are_told(tmp_path: Path) -> None:
    path = put(tmp_path / "x.csv", "link,harm\nhttp://a/1,H1\nhttp://a/2,H2\n")
    source = Urls(path, {"url": "link", "subcategory": "harm"}, classes={"H1": "hate"})
    assert [(row["url"], row["subcategory"]) for row in listed(source)] == [
        ("http://a/1", "hate"),
        ("http://a/2", "H2"),
    ]


def test_a_line_that_cannot_be_read_is_a_row_without_an_address(tmp_path: Path) -> None:
    lines = [b'{"url": "http://a/1"}', b"{broken", b'"text"', b'{"url": 7}', b'{"url": {"a": 1}}', b"[" * 5000,
             b'{"url": "http://a/\\ud800"}', b'{"caption": "' + b"x" * LONGEST_LINE + b'", "url": "http://a/2"}',
             b'{"url": "http://\xff/"}', b'{"url": ' + b"9" * 5000 + b"}", b'{"url": "http://a/3"}']  # fmt: skip
    urls = column(Urls(put(tmp_path / "x.jsonl", b"\n".join(lines))), "url")
    assert urls == ["http://a/1", None, None, "7", None, None, "http://a/?", None, "http://\ufffd/", None, "http://a/3"]


def test_a_quotation_mark_that_is_never_closed_costs_some_rows_and_no_more(tmp_path: Path) -> None:
    rows = [f"http://a/{n},caption {n}" for n in range(20_000)]
    rows[10] = 'http://a/10,"never closed'
    urls = column(Urls(put(tmp_path / "x.csv", "url,caption\n" + "\n".join(rows))), "url")
    assert urls[:10] == [f"http://a/{n}" for n in range(10)]
    assert urls[10] is None
    assert urls[-1] == "http://a/19999"
    assert len(urls) > 10_000


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([".csv", ".tsv", ".txt", ".jsonl"]), st.binary(max_size=400))
def test_no_list_makes_more_than_rows(tmp_path_factory: pytest.TempPathFactory, suffix: str, noise: bytes) -> None:
    start = (
        b'{"url": "http://a/1"}\n'
        if suffix == ".jsonl"
        else b"url,caption\n"
        if suffix == ".csv"
        else b"url\tcaption\n"
    )
    assert isinstance(listed(Urls(put(tmp_path_factory.mktemp("urls") / f"x{suffix}", start + noise))), list)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.fixed_dictionaries({"url": JSONS, "caption": SAYINGS, "licence": JSONS}), max_size=4))
def test_every_json_object_is_a_row(tmp_path_factory: pytest.TempPathFactory, objects: list[Cells]) -> None:
    lines = ['{"url": "", "caption": "", "licence": ""}', *map(json.dumps, objects)]
    rows = listed(Urls(put(tmp_path_factory.mktemp("urls") / "x.jsonl", "\n".join(lines))))
    assert len(rows) == len(lines)


def test_more_rows_than_a_frame_have_keys_in_their_order(tmp_path: Path) -> None:
    path = put(tmp_path / "x.txt", "\n".join(f"http://a/{n}" for n in range(10_000)))
    rows = listed(Urls(path))
    assert [row["key"] for row in rows] == [f"{n:08d}" for n in range(10_000)]
    assert rows[-1]["url"] == "http://a/9999"


@pytest.mark.parametrize(("name", "text", "words"), [
    ("x.csv", "link,caption\nhttp://a,b\n", "has no column url; it has link, caption"),
    ("x.csv", "", "has no column url; it has none"),
    ("x.jsonl", "no json at all", "has no column url; it has none"),
    ("x.md", "http://a", r"is no list of addresses: it must end in \.csv"),
    ("x/y.txt", None, "no list of addresses at"),
])  # fmt: skip
def test_what_is_no_list_is_the_users_to_mend(tmp_path: Path, name: str, text: Any, words: str) -> None:
    path = tmp_path / name if text is None else put(tmp_path / name, text)
    with pytest.raises(UserError, match=words):
        listed(Urls(path))


def test_the_revision_changes_with_the_file_and_with_what_is_asked(tmp_path: Path) -> None:
    path = put(tmp_path / "x.txt", "http://a")
    seen = [Urls(path).revision(), Urls(path).revision(), Urls(path, licence="MIT").revision()]
    put(path, "http://a\nhttp://b")
    assert len({*seen, Urls(path).revision()}) == 3
