"""How a model is asked for one prompt, and how its words are read: what the writers share."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline import templates
from pipeline.requests import Answer, Chat, Failure, Message, Reply
from pipeline.tables import Kind

Cells = dict[str, Any]
SHOWN = ("caption", "words", "fence")
"""Holes for what is known of the picture, and for the mark around it: empty where nothing is."""
LONGEST_SHOWN = 300
"""Characters of a caption, and of the words in a picture: more tells a writer no more."""
LONGEST = 2000
"""Characters of a reply. What is longer is no prompt, and is not looked at."""
ECHO = 6
"""Words in a row that a writer does not share with its template by chance."""
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'", "\u2018": "\u2019", "`": "`"}


@dataclass(frozen=True)
class Templated:
    """A writer that is its template, prompts/question/<kind>.md: on any image."""

    kind: Kind
    holes: tuple[str, ...]
    """Of `subcategory` (its name), `definition`, `question` (of the prompt that this one starts from)."""
    after: Kind | None = None

    @property
    def template(self) -> templates.Template:
        """What the model is told."""
        return templates.load(f"question/{self.kind}", *self.holes, *SHOWN)

    @property
    def version(self) -> str:
        """Of its template."""
        return self.template.version

    def fits(self, image: Cells) -> bool:  # noqa: ARG002 -- a writer
        """Any image."""
        return True

    def ask(self, row: Cells) -> Chat:
        """Subcategory, image and what is known of it → request."""
        return chat(self.template, row)

    def read(self, row: Cells, reply: Reply) -> tuple[str | None, str | None]:
        """Reply → text, or its fault."""
        return said(self.template, row, reply)


def chat(template: templates.Template, row: Cells) -> Chat:
    """The request of a writer: its template, filled from the row."""
    known = {
        "subcategory": row["name"],
        "definition": row["definition"],
        "question": row["question"] or "",
        "caption": _shown(row["caption"]),
        "words": _shown(row["words"]),
        "fence": templates.fence("writer", row["image"]),
    }
    text = template.fill(**{hole: known[hole] for hole in template.holes})
    return Chat(
        model=row["writer"],
        messages=(Message(role="user", text=text, images=(row["image"],)),),
        temperature=row["temperature"],
        max_tokens=row["max_tokens"],
        number=row["number"],
    )


def said(template: templates.Template, row: Cells, reply: Reply) -> tuple[str | None, str | None]:
    """The text without white space and quotation marks around it, or what is wrong with it: the failure's word, or
    `too long`, `degenerate text` (characters that no prompt has), `leaked scaffolding` (the template again), `copy` (the text that
    it was to rewrite again)."""
    if isinstance(reply.result, Failure):
        return None, reply.result.error
    if not isinstance(reply.result, Answer):
        return None, "no_answer"
    if reply.result.finish == "refusal":
        return None, "refusal instead of a prompt"
    if len(reply.result.text) > LONGEST:
        return None, "too long"
    text = _bare(reply.result.text)
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") and c not in "\n\t\r" for c in text):
        return None, "degenerate text"
    if _runs(_words(text)) & (_told(template) | _runs(_words(row["definition"]))):
        return None, "leaked scaffolding"
    if row["question"] and _words(text) == _words(row["question"]):
        return None, "copy"
    return text, None


def _bare(text: str) -> str:
    """Without white space around it; and without quotation marks, if it stands in one pair of them."""
    text = text.strip()
    closing = _QUOTES.get(text[:1])
    inner = text[1:-1]
    if len(text) > 1 and closing and text.endswith(closing) and closing not in inner and text[0] not in inner:
        return inner.strip()
    return text


def _shown(text: str | None) -> str:
    """On one line, and not too much of it."""
    return " ".join((text or "").split())[:LONGEST_SHOWN]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[n : n + ECHO]) for n in range(len(words) - ECHO + 1)}


@cache
def _told(template: templates.Template) -> set[tuple[str, ...]]:
    """The template's own words, between its holes."""
    return {run for part in re.split(r"\{[{%].*?[%}]\}", template.text) for run in _runs(_words(part))}
