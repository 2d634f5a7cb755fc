"""The page: what it says is what the tables hold, and nothing that it shows can do anything."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from runs_by_hand import ESTIMATE, HEAD, ROWS, Frames, estimated, frames, lazy, pages

from pipeline.doors.blobs import Blobs
from pipeline.models import SHIPPED, Catalogue
from pipeline.report.page import page, stamp

MODELS = Catalogue(SHIPPED)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "images")


def text(of: Frames, blobs: Blobs) -> str:
    return page(HEAD, lazy(of), pages(of), blobs, MODELS)


class Page(HTMLParser):
    """Every element with its attributes, and the text of the page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_loads_nothing(blobs: Blobs) -> None:
    html = text(frames(blobs), blobs)
    for tag, attributes in Page(html).elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "video", "audio"), tag
        for name in {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"} & set(attributes):
            value = attributes[name] or ""
            assert value.startswith(("data:image/jpeg;base64,", "#")), value
        assert not [a for a in attributes if a.startswith("on") or a == "style"], (tag, attributes)
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(style) == 1
    assert not re.findall(r"url\(|@import|@font-face", style[0])


def test_the_policy_allows_this_style_sheet_and_nothing_that_runs(blobs: Blobs) -> None:
    html = text(frames(blobs), blobs)
    policy = next(m["content"] for m in Page(html).named("meta") if m.get("http-equiv") == "Content-Security-Policy")
    style = html.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_hostile_words_stay_words(blobs: Blobs) -> None:
    html = text(frames(blobs), blobs)
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "<svg/onload" not in html
    said = "".join(Page(html).words)
    assert "<script>window.hit=1</script>" in said
    assert "{{ 7*7 }}" in said
    assert not re.search("[\\0\u202e]", html)


def test_the_same_run_gives_the_same_bytes(blobs: Blobs) -> None:
    assert text(frames(blobs), blobs) == text(frames(blobs), blobs)


def test_the_order_in_which_rows_lie_changes_nothing_that_is_counted(blobs: Blobs) -> None:
    of = frames(blobs)
    turned = {name: frame.reverse() for name, frame in of.items()}
    counted = [re.sub(r'<section id="(judges|samples)".*?</section>', "", text(f, blobs), flags=re.DOTALL) for f in (of, turned)]  # fmt: skip
    assert counted[0] == counted[1]


@pytest.mark.parametrize("number", range(len(ROWS) + 1))
def test_a_run_that_came_only_so_far_has_a_report(number: int, blobs: Blobs) -> None:
    of = frames(blobs)
    html = text({name: of[name] for name in list(of)[:number]}, blobs)
    assert html.count("<section") == html.count("</section>") == 8
    assert ("No quadruples yet" in html) == (number < len(ROWS))


@pytest.mark.parametrize("name", ROWS)
def test_a_run_without_one_of_its_tables_has_a_report(name: str, blobs: Blobs) -> None:
    of = frames(blobs)
    del of[name]
    assert "</html>" in text(of, blobs)


@pytest.mark.parametrize("name", ROWS)
def test_a_run_with_an_empty_table_has_a_report(name: str, blobs: Blobs) -> None:
    of = frames(blobs)
    assert "</html>" in text(of | {name: of[name][:0]}, blobs)


def test_every_table_is_counted_as_it_is_and_every_reason_is_named(blobs: Blobs) -> None:
    of = frames(blobs)
    html = text(of, blobs)
    line = html.split('<section id="line">')[1].split("</section>")[0]
    for name, frame in of.items():
        row = next(r for r in line.split("<tr>") if f'<th scope="row">{name.replace("_", " ")}</th>' in r)
        assert re.findall(r'<td class="r">(?:<b>)?([\d,]+)', row) == [str(frame.height + 3), str(frame.height)], name
        assert "<b>2</b> tie" in row
        assert "<b>1</b> timeout" in row


def test_the_headline_is_the_tables(blobs: Blobs) -> None:
    of = frames(blobs, number=7)
    steps = re.findall(r"<strong>([\d,]+)</strong><span>(.*?)</span>", text(of, blobs))
    assert steps == [("10", "listed"), ("7", "images"), ("7", "selected"), ("7", "prompts"), ("14", "responses"), ("7", "pairs"),
                     ("7", "quadruples")]  # fmt: skip
    assert "<b>1</b> of 7 quadruples were looked at by a person" in text(of, blobs)


def test_classes_are_counted_by_kind_and_what_lacks_is_named(blobs: Blobs) -> None:
    classes = text(frames(blobs), blobs).split('<section id="classes">')[1].split("</section>")[0]
    row = next(r for r in classes.split("<tr>") if "Malware" in r)
    assert re.findall(r">(\d+)<span class=\"faint\"> / ([\d,]+)", row) == [("6", "600"), ("6", "6")]
    assert "<b>Nothing of</b> Weapons." in classes


def test_tokens_and_time_add_up(blobs: Blobs) -> None:
    cost = text(frames(blobs), blobs).split('<section id="cost">')[1].split("</section>")[0]
    assert re.findall(r'<td class="r">(.*?)</td>', cost.split("<tfoot>")[1]) == ["36", "3,000", "600", "\N{EN DASH}", "27 s", "36", "9 s"]  # fmt: skip


def test_nobody_looked_and_the_report_says_so(blobs: Blobs) -> None:
    of = frames(blobs)
    del of["decisions"]
    html = text(of, blobs)
    assert "Nobody has looked at these pairs. How many of their labels are wrong is not known." in html


def test_what_the_audit_says_stands_at_the_top_and_by_stratum(blobs: Blobs) -> None:
    html = text(frames(blobs) | {"label_errors": estimated()}, blobs)
    assert html.count(ESTIMATE) == 2
    row = html.split("toxic, hard_question")[1].split("</tr>")[0]
    assert re.findall(r'<td class="r">(.*?)</td>', row) == ["40", "412", "80", "1", "1 %", "2 %"]


def test_a_sample_tells_who_said_what(blobs: Blobs) -> None:
    html = text(frames(blobs, number=1), blobs)
    sample = html.split('<section id="samples">')[1]
    assert "chosen shown first: prefers chosen by 2" in sample
    assert "rejected shown first: prefers chosen by 2" in sample
    assert "human/ann, overall: prefers chosen by 3" in sample
    for part in ("q0", "p0", "f0", "c0", "a0", "b0"):
        assert f"<code>{part}</code>" in sample


def test_a_run_whose_answers_were_compared_in_rounds_tells_the_same(blobs: Blobs) -> None:
    of = frames(blobs, number=1)
    named = {"candidates": "finals", "comparisons": "contests"}
    rounds = {named.get(name, name): frame for name, frame in of.items()}
    made = [replace(m, name=named.get(m.name, m.name)) for m in pages(of)]
    html = page(HEAD, lazy(rounds), made, blobs, MODELS)
    for words in (
        "chosen shown first: prefers chosen by 2",
        "human/ann, overall: prefers chosen by 3",
        "<span>pairs</span>",
    ):
        assert words in html


def test_a_picture_that_is_gone_is_said_to_be(blobs: Blobs) -> None:
    of = frames(blobs)
    for path in list(blobs.folder.glob("*/*")):
        path.unlink()
    html = text(of, blobs)
    assert "data:image" not in html.split("<body>")[1]
    assert "No image." in html


def test_a_long_answer_is_cut_and_its_length_told(blobs: Blobs) -> None:
    of = frames(blobs, number=1)
    of["quadruples"] = of["quadruples"].with_columns(chosen=of["quadruples"]["chosen"].str.slice(0, 0) + "x" * 50_000)
    html = text(of, blobs)
    assert "(50,000 characters)" in html
    assert "x" * 1501 not in html


def test_the_stamp_changes_with_the_tables_and_is_in_the_page(blobs: Blobs) -> None:
    of = frames(blobs)
    made = pages(of)
    mark = stamp(HEAD, made, MODELS)
    assert mark in text(of, blobs)[:2000]
    assert stamp(HEAD, made[:-1], MODELS) != mark
