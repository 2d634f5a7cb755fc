"""Untrusted text as HTML: whatever it is, nothing in it acts."""

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.review import words

TAGS = {
    "p",
    "ul",
    "ol",
    "li",
    "em",
    "strong",
    "code",
    "pre",
    "blockquote",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "s",
    "br",
    "hr",
}
MARKS = ["<script>", "</div>", "<img src=x onerror=y>", "[a](javascript:b)", "![a](http://b)", "<http://c>", "[r]: /x", "&lt;", "&#60;",
         "`", "```", "*", "_", "#", ">", "|", "-", "\n", "\n\n", "    ", "\\", "~~", "1.", "\u202e", "\x00", "\x1b[2J", "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
         "\u2066", "\ufeff", "\U000e0041", "word"]  # fmt: skip
hostile = st.lists(st.sampled_from(MARKS) | st.text(max_size=8), max_size=60).map("".join)


class Seen(HTMLParser):
    """What a browser would build."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}


@given(hostile)
def test_no_tag_and_no_attribute_acts(text: str) -> None:
    seen = Seen(words.shown(text))
    assert seen.tags <= TAGS
    assert seen.attributes <= {("p", "class"), ("code", "class"), ("ol", "start")}
    assert Seen(words.whole(text)).tags == {"pre"}


@given(hostile)
def test_nothing_hides_and_nothing_turns_lines_round(text: str) -> None:
    for html in (words.shown(text), words.whole(text)):
        assert not re.search(
            "[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\ufeff\x00-\x08\x0b-\x1f\x7f\U000e0000-\U000e007f]", html
        )


def test_an_entity_hides_nothing_either() -> None:
    html = words.shown("safe &#x202E;esrever &#8203; &rlm; &shy; [x](&#106;avascript:x) `&lrm;`")
    assert "&amp;#x202E;" in html
    assert not re.search("[\u202e\u200b\u200f\u200e\u00ad]", html)


@given(st.text(alphabet="abc äßあ🙂👩\u200d💻", max_size=40))
def test_words_and_emoji_stay_as_they_are(text: str) -> None:
    assert words.plain(text) == text


def test_markdown_looks_like_what_it_means() -> None:
    html = words.shown("# Title\n\n**bold** and `code`\n\n- one\n- two\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n")
    assert '<p class="heading">Title</p>' in html
    assert "<strong>bold</strong>" in html
    assert html.count("<li>") == 2
    assert "<th>a</th>" in html


@pytest.mark.parametrize(
    "piece", ["[", "*a", "> ", "`", "- ", "|", "*_", "\\", "~", "1. ", "<", "&#", "![", "](", "\n\n> - "]
)
def test_no_text_takes_long(piece: str) -> None:
    started = time.process_time()
    words.shown.__wrapped__(piece * 200_000)
    words.whole(piece * 200_000)
    assert time.process_time() - started < 2


def test_what_is_too_long_is_cut_and_said_to_be() -> None:
    assert not words.cut("x" * words.AT_ONCE)
    assert words.cut("x" * (words.AT_ONCE + 1))
    assert len(words.whole("x" * 10_000_000)) < words.AT_MOST + 100
