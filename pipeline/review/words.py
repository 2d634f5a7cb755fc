"""Untrusted text as HTML in which nothing acts: no markup of its own, no links, no images, no characters that deceive."""

import unicodedata
from functools import lru_cache

from markdown_it import MarkdownIt
from markupsafe import Markup, escape

AT_ONCE = 4_000
"""Characters that are shown at first, as markdown."""
AT_MOST = 200_000
"""Characters that are shown when all are asked for, as they are."""
_UNSEEN = ("Cc", "Cf", "Cs", "Co")
"""Unicode's categories of what nobody sees."""
_HARMLESS = "\n\t\u200c\u200d"
"""The last two are part of some scripts and of emoji."""


def _markdown() -> MarkdownIt:
    """Links, images and entities stay the text that they are written as; headings are paragraphs, so that the page keeps its own."""
    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.disable(["link", "image", "autolink", "reference", "html_inline", "html_block", "entity"])
    for cell in ("th", "td"):  # whose alignment would be a style attribute
        made.add_render_rule(f"{cell}_open", lambda *_, cell=cell: f"<{cell}>")
    made.add_render_rule("heading_open", lambda *_: '<p class="heading">')
    made.add_render_rule("heading_close", lambda *_: "</p>\n")
    return made


_MARKDOWN = _markdown()


def plain(text: str) -> str:
    """The text with a mark in place of each character that steers a terminal, turns lines round or hides."""
    text = text.replace("\r\n", "\n")
    found = {ord(c): "\ufffd" for c in set(text) if unicodedata.category(c) in _UNSEEN and c not in _HARMLESS}
    return text.translate(found) if found else text


@lru_cache(maxsize=2048)
def shown(text: str) -> Markup:
    """The first part of it, as markdown."""
    return Markup(_MARKDOWN.render(plain(text[:AT_ONCE])))  # noqa: S704 -- markdown-it escapes, and html is off


def whole(text: str) -> Markup:
    """All of it, as it is."""
    return Markup('<pre class="plain">{}</pre>').format(escape(plain(text[:AT_MOST])))


def cut(text: str) -> bool:
    """Whether `shown` leaves something out."""
    return len(text) > AT_ONCE
