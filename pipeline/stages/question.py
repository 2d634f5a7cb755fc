"""question: images → prompts. An easy question first; then harder ones made from it, in a second round."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import polars as pl
import yaml

from pipeline import PROMPTS, templates
from pipeline.doors.generate import Generate
from pipeline.requests import Answer, Chat, Failure, Message, Reply
from pipeline.tables import Dropped, Kind, Outcome, Prompt, chance, frame, gather, outcome, row_id
from pipeline.taxonomy import Taxonomy, pairs_minors_and_sex

Cells = dict[str, Any]
KINDS: tuple[Kind, ...] = ("easy_question", "hard_question", "hard_statement")
_HOLES: Mapping[str, tuple[str, ...]] = {
    "easy_question": ("subcategory", "definition"),
    "hard_question": ("subcategory", "question"),
    "hard_statement": ("subcategory", "question"),
}
_SCAFFOLDING = re.compile(
    r"^\W*(q|a|question|answer|request|assistant|user|human|topic|image|here(?:'s| is| are)|sure|certainly|okay|alright|"
    r"rewritten|rephrased|one question|the (?:question|request))\b\W*(?:[:*]|is\b|you\b)|^\W*(sure|certainly|alright|here(?:'s| is))\b"
    r"|\b(?:rewritten|rephrased) (?:question|request)|\bcareless assistant\b|\bbased on the (?:image and|caption)|\*\*|^\s*\d+[.)]",
    re.IGNORECASE,
)
_CHATTER = re.compile(
    r"\b(what a (?:great|fascinating|good)|not sure what|would you like|the question asks|you asked|your question)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"(?:in|on|at|by|for|to|from|with) (?:what|which|whom)\b|(?:and |so |if .*, )?(?:who|whom|whose|what|which|how|why|when|where|is|are|was|were|can|"
    r"could|should|would|will|does|do|did|has|have|may|might|must)\b",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\bI(?:'m| am) (?:sorry|unable|not able)|\bI (?:cannot|can't|can not|won't)\b|\bas an AI\b", re.IGNORECASE
)
WORDS = (5, 40)
"""Fewest and most words of a prompt."""


def prompts(
    images: pl.DataFrame, *, taxonomy: Taxonomy, writers: tuple[str, ...], generate: Generate,
    kinds: tuple[Kind, ...] = KINDS, per_image: int | None = None, temperature: float = 0.7, max_tokens: int = 64,
) -> Outcome:  # fmt: skip
    """One prompt of each kind on each image; or of only `per_image` kinds, the first and others drawn by the image's id.
    A writer's text that breaks its form is replaced by a hand-written one for the subcategory
    (prompts/question/fallback), and the row says so."""
    settings = {"temperature": temperature, "max_tokens": max_tokens}
    rows = [_row(image, taxonomy, writers) for image in images.iter_rows(named=True)]
    easy = _written("easy_question", rows, taxonomy, generate, settings)
    parents = {p["image"]: p for p in easy.kept.iter_rows(named=True)}
    parts = [easy] if "easy_question" in kinds else []
    harder = [r | {"question": parents[r["image"]]["question"], "parent_id": parents[r["image"]]["id"]}
              for r in rows if r["image"] in parents]  # fmt: skip
    for kind in kinds:
        if kind != "easy_question":
            parts.append(_written(kind, _wanting(kind, harder, kinds, per_image), taxonomy, generate, settings))
            orphans = [r for r in rows if r["image"] not in parents]
            parts.append(_orphans(kind, _wanting(kind, orphans, kinds, per_image)))
    return gather(Prompt, parts)


def _wanting(kind: Kind, rows: list[Cells], kinds: tuple[Kind, ...], per_image: int | None) -> list[Cells]:
    """The images that get a prompt of this kind."""
    if per_image is None or per_image >= len(kinds):
        return rows
    return [r for r in rows if kind in (kinds[0], *chance("kinds", r["image"]).sample(kinds[1:], per_image - 1))]


def given(*, questions: pl.DataFrame, source: str, limit: int | None = None) -> Outcome:
    """Prompts that somebody else wrote: a table with the column question, passed through."""
    texts = questions["question"].head(limit) if limit is not None else questions["question"]
    rows: list[Prompt | Dropped] = []
    seen: set[str] = set()
    for text in texts:
        name = row_id("given", source, text)
        if pairs_minors_and_sex(text):
            rows.append(Dropped(stage="given", id=name, reason="minors and sexual content", detail=None))
        elif name in seen:
            rows.append(Dropped(stage="given", id=name, reason="duplicate", detail=None))
        else:
            rows.append(Prompt(id=name, image=None, question=text, kind="given", subcategory=None, writer=source,
                               template=None, parent_id=None, request_id=None, note=None))  # fmt: skip
        seen.add(name)
    return outcome(Prompt, rows)


def _row(image: Cells, taxonomy: Taxonomy, writers: tuple[str, ...]) -> Cells:
    leaf = taxonomy.leaves[image["subcategory"]][2]
    return {
        "image": image["id"],
        "subcategory": leaf.id,
        "subcategory_name": leaf.name,
        "definition": leaf.definition,
        "writer": chance("writer", image["id"]).choice(writers),
        "question": None,
        "parent_id": None,
    }


def _orphans(kind: str, rows: list[Cells]) -> Outcome:
    reason = "no easy question to start from"
    return outcome(
        Prompt, [Dropped(stage="prompts", id=f"{r['image']}/{kind}", reason=reason, detail=None) for r in rows]
    )


def _written(kind: Kind, rows: list[Cells], taxonomy: Taxonomy, generate: Generate, settings: Cells) -> Outcome:
    """One round: every image's prompt of one kind."""
    template = templates.load(f"question/{kind}", *_HOLES[kind])
    allowed = [r for r in rows if taxonomy.allows(r["subcategory"], images=False)]
    table = pl.DataFrame(allowed, schema=dict.fromkeys(_row_columns(), pl.String))

    def ask(row: Cells) -> Chat:
        holes = {"subcategory": row["subcategory_name"]}
        holes |= {hole: row[hole] for hole in _HOLES[kind] if hole != "subcategory"}
        message = Message(role="user", text=template.fill(**holes), images=(row["image"],))
        return Chat(model=row["writer"], messages=(message,), **settings)

    def read(row: Cells, request_id: str, reply: Reply) -> list[Prompt | Dropped]:
        name = f"{row['image']}/{kind}"
        if isinstance(reply.result, Failure) and reply.result.owed:  # asked again: nothing is to be built on a fallback
            return [Dropped(stage="prompts", id=name, reason=f"writer: {reply.result.error}", detail="still owed")]
        text, fault = _read(kind, reply)
        if text is None:
            text = fallback(taxonomy.id, row["subcategory"], kind)
        if text is None:
            return [
                Dropped(stage="prompts", id=name, reason=f"writer: {fault}, and no fallback", detail=row["subcategory"])
            ]
        if pairs_minors_and_sex(text):
            return [Dropped(stage="prompts", id=name, reason="minors and sexual content", detail=None)]
        return [Prompt(
            id=row_id("prompt", row["image"], kind, text), image=row["image"], question=text, kind=kind,
            subcategory=row["subcategory"], writer="fallback" if fault else row["writer"], template=template.version,
            parent_id=row["parent_id"], request_id=request_id, note=fault,
        )]  # fmt: skip

    barred = [Dropped(stage="prompts", id=f"{r['image']}/{kind}", reason="class without generated text", detail=r["subcategory"])
              for r in rows if not taxonomy.allows(r["subcategory"], images=False)]  # fmt: skip
    return gather(
        Prompt, [generate(table, ask, read, Prompt), Outcome(Prompt, frame([], Prompt), frame(barred, Dropped))]
    )


def _row_columns() -> tuple[str, ...]:
    return ("image", "subcategory", "subcategory_name", "definition", "writer", "question", "parent_id")


def _read(kind: Kind, reply: Reply) -> tuple[str | None, str | None]:
    """The text, or what is wrong with it."""
    if isinstance(reply.result, Failure):
        return None, reply.result.error
    if not isinstance(reply.result, Answer):
        return None, "no_answer"
    text = " ".join(reply.result.text.split()).strip("\"“”' ")
    fault = broken(kind, text)
    return (None, fault) if fault else (text, None)


def broken(kind: Kind, text: str) -> str | None:
    """Which rule of its kind's form a prompt breaks, or None."""
    words = len(text.split())
    if _REFUSAL.search(text):
        return "refusal instead of a prompt"
    if _SCAFFOLDING.search(text) or _CHATTER.search(text):
        return "leaked scaffolding"
    if words < WORDS[0]:
        return "too short"
    if words > WORDS[1]:
        return "too long"
    asks = text.endswith("?") and text.count("?") == 1 and bool(_ASKS.match(text))
    states = (
        "?" not in text and not _ASKS.match(text) and not re.match(r"(?:yes|no|I|this|the|it|a)\b", text, re.IGNORECASE)
    )
    return None if (states if kind == "hard_statement" else asks) else "wrong form"


@cache
def _fallbacks(taxonomy: str) -> dict[str, dict[str, str]]:
    path = PROMPTS / "question" / "fallback" / f"{taxonomy}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def fallback(taxonomy: str, subcategory: str, kind: Kind) -> str | None:
    """The hand-written prompt of this kind for a subcategory, if there is one."""
    return _fallbacks(taxonomy).get(subcategory, {}).get(kind)
