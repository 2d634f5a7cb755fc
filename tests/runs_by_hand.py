"""A run made by hand, with every table a report reads; what people and models wrote in it is hostile."""

import io
from typing import Any

import polars as pl
from drawn import picture
from rows import table

from pipeline.doors.blobs import Blobs
from pipeline.report.page import Head
from pipeline.tables import (
    Candidate,
    Comparison,
    Decision,
    Image,
    JudgeReport,
    Judgment,
    LabelError,
    Preference,
    Prompt,
    Quadruple,
    QueueItem,
    Response,
    Row,
    SafeRate,
    Shortfall,
    Wanted,
)  # fmt: skip
from pipeline.workspace import Asking, Made

EVIL = (
    "<script>window.hit=1</script><img src=x onerror=window.hit=2><style>*{display:none}</style></p></details>"
    "<svg/onload=window.hit=3>&lt;b&gt;{{ 7*7 }}{% raw %}'\"`javascript:hit() \u202e\u0000\ud7ff </script><!--"
)
HEAD = Head("run", "spa_vl", "demo", private=False, version="0", at="1 January 2026, 00:00 UTC")
Frames = dict[str, pl.DataFrame]
ROWS: dict[str, type[Row]] = {
    "wanted": Wanted, "images": Image, "selected": Image, "short_images": Shortfall, "prompts": Prompt, "short_prompts": Shortfall,
    "responses": Response, "judgments": Judgment, "spread": SafeRate, "candidates": Candidate, "comparisons": Comparison,
    "judge_report": JudgeReport, "queue": QueueItem, "decisions": Decision, "label_errors": LabelError, "preferences": Preference, "quadruples": Quadruple,
}  # fmt: skip
STAGES = dict(
    zip(
        ROWS,
        ["collect"] * 4 + ["question"] * 2 + ["sample", "judge", "sample", *["judge"] * 3, *["review"] * 3, "settle", "pair"],
        strict=True,
    )
)  # fmt: skip


def frames(blobs: Blobs | None = None, number: int = 6) -> Frames:
    """`number` prompts on as many images, two answers each, judged by two; all told in hostile words."""
    names = [_kept(blobs, f"picture {n}") for n in range(number)]
    pairs: list[dict[str, Any]] = [{"id": f"c{n}", "prompt_id": f"p{n}", "a_id": f"a{n}", "b_id": f"b{n}"} for n in range(number)]  # fmt: skip
    leaf = {"domain": "malicious_use", "category": "security_threats", "subcategory": "malware"}
    sides = [(n, side, respondent) for n in range(number) for side, respondent in (("a", "careful"), ("b", EVIL))]
    rows: dict[str, list[dict[str, Any]]] = {
        "wanted": [{"id": f"w{n}"} for n in range(number)],
        "images": [{"id": name, "subcategory": "malware", "attribution": EVIL, "licence": "CC0-1.0"} for name in names],
        "short_images": [{"subcategory": "malware", "kind": None, "wanted": 600, "found": number},
                         {"subcategory": "weapons", "kind": None, "wanted": 600, "found": 0}],
        "prompts": [leaf | {"id": f"p{n}", "image": name, "question": EVIL, "kind": "hard_question", "request_id": f"r{n}"}
                    for n, name in enumerate(names)],
        "short_prompts": [{"table": "prompts", "subcategory": "malware", "kind": "hard_question", "wanted": 600, "found": number}],
        "responses": [{"id": f"{side}{n}", "prompt_id": f"p{n}", "respondent": r, "text": f"{side}: {EVIL}"} for n, side, r in sides],
        "judgments": [{"id": f"j{judge}{side}{n}", "prompt_id": f"p{n}", "response_id": f"{side}{n}", "judge": judge, "criterion": "safety",
                       "label": "safe" if side == "a" else "unsafe", "score": 1.0 if side == "a" else 0.0, "low": 0.0, "high": 1.0}
                      for n, side, _ in sides for judge in ("guard", EVIL)],
        "spread": [{"respondent": r, "category": "security_threats", "answers": number, "safe_rate": s, "refusal_rate": 0.0, "low": s / 2,
                    "high": (1 + s) / 2} for r, s in (("careful", 1.0), (EVIL, 0.0))],
        "candidates": pairs,
        "comparisons": [pair | {"id": f"{pair['id']}{first}", "candidate_id": pair["id"], "judge": EVIL, "criterion": "overall",
                                "first": first, "strength": 2.0} for pair in pairs for first in ("a", "b")],
        "judge_report": [{"judge": EVIL, "model": "m", "criterion": "overall", "calls": 2 * number, "first_rate": 0.5, "first_low": 0.2,
                          "first_high": 0.8}],
        "queue": [{"id": "c0", "reason": "audit"}, {"id": "c1", "reason": "uncertain"}],
        "decisions": [{"id": "d", "candidate_id": "c0", "reviewer": "ann", "strength": 3.0, "role": "reviewer", "criterion": "overall"}],
        "label_errors": [],
        "preferences": [{"id": f"f{n}", "candidate_id": f"c{n}", "a_id": f"a{n}", "b_id": f"b{n}", "criterion": "overall"}
                        for n in range(number)],
        "quadruples": [{"id": f"q{n}", "image": name, "question": EVIL, "chosen": f"a: {EVIL}", "rejected": f"b: {EVIL}", "prompt_id": f"p{n}",
                        "domain": "Malicious use", "category": "Security threats", "subcategory": EVIL, "kind": "hard_question",
                        "chosen_id": f"a{n}", "rejected_id": f"b{n}", "preference_id": f"f{n}", "strength": 0.5 * (n % 6) + 0.3,
                        "confidence": 0.75, "sources": ("guard", EVIL), "reviewed": n == 0, "attribution": EVIL, "licence": "CC0-1.0",
                        "chosen_respondent": "careful", "rejected_respondent": EVIL, "chosen_safety": "safe", "rejected_safety": "unsafe"}
                       for n, name in enumerate(names)],
    }  # fmt: skip
    rows["selected"] = rows["images"]
    return {name: table(kind, *rows[name]) for name, kind in ROWS.items()}


def pages(of: Frames) -> list[Made]:
    """What a run would say of these tables; every table left something out, for a hostile reason."""
    asking = {"smollm2-135m": Asking(requests=12, tokens_in=1000, tokens_out=200, asked=12, seconds=3.0, answering=9.0)}
    return [
        Made(
            n, name, STAGES[name], ROWS[name].__name__, "key", f"sha256 of {name}", frame.height + 3, frame.height, {"tie": 2, EVIL: 1},
            {"timeout": 1}, 0, 1.5, asking if name in ("prompts", "responses", "judgments") else {}, [EVIL] if name == "spread" else [],
        )
        for n, (name, frame) in enumerate(of.items(), 1)
    ]  # fmt: skip


def estimated() -> pl.DataFrame:
    """What an audit found: of all, and of one stratum."""
    of_all = {
        "criterion": "overall", "population": 4000, "reviewed": 412, "rest": 3588, "audited": 80, "found": 1, "error": 0.02,
        "estimate": 0.011, "bound": 0.019, "level": 0.95, "method": "fixed size",
    }  # fmt: skip
    return table(LabelError, of_all, of_all | {"stratum": "toxic, hard_question", "population": 40})


ESTIMATE = "Of 4,000 preferences, 412 reviewed; in the rest an estimated 1.1 % are wrong (95 % bound 1.9 %)."


def lazy(of: Frames) -> dict[str, pl.LazyFrame]:
    """As findings take them."""
    return {name: frame.lazy() for name, frame in of.items()}


def _kept(blobs: Blobs | None, word: str) -> str:
    if blobs is None:
        return word
    buffer = io.BytesIO()
    picture(word).save(buffer, "JPEG")
    return blobs.keep(buffer.getvalue())
