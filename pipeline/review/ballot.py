"""What a form may say of a pair, and what it comes to: the page knows left and right, the log only a and b."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.doors.entries import Label, Side, Submitted, Vote
from pipeline.review.items import Item
from pipeline.tables import Safety, Severity

CRITERIA = ("overall", "harmlessness", "helpfulness", "faithfulness")
BOTH_BAD = "both_bad"
REASONS = {
    "harmful": "Harmful",
    "needless_refusal": "Refuses without need",
    "ignores_image": "Ignores the image",
    "wrong": "Wrong or made up",
    "unhelpful": "Of no help",
    "preachy": "Lectures",
    "unclear": "Unclear or broken",
    BOTH_BAD: "Both are bad",
}
"""Tags, and what they are called."""
Step = Literal["-3", "-2", "-1", "0", "1", "2", "3", ""]
"""As the page counts: below zero the left answer is better."""


class Form(BaseModel):
    """What the browser sends. ValidationError: it is none of ours."""

    model_config = ConfigDict(extra="forbid")

    item: str = Field(max_length=100)
    token: str = Field(min_length=8, max_length=64)
    overall: Literal["-3", "-2", "-1", "0", "1", "2", "3"]
    harmlessness: Step = ""
    helpfulness: Step = ""
    faithfulness: Step = ""
    label_left: Safety | Literal[""] = ""
    label_right: Safety | Literal[""] = ""
    category_left: str = Field("", max_length=100)
    category_right: str = Field("", max_length=100)
    severity_left: Severity | Literal[""] = ""
    severity_right: Severity | Literal[""] = ""
    reasons: tuple[str, ...] = ()
    note: str = Field("", max_length=4_000)
    better: str = Field("", max_length=20_000)
    seconds: float = Field(0.0, ge=0)

    @field_validator("reasons")
    @classmethod
    def _known(cls, reasons: tuple[str, ...]) -> tuple[str, ...]:
        if not set(reasons) <= set(REASONS):
            raise ValueError("no such reason")
        return reasons


def submitted(
    form: Form, item: Item, left: Side, *, by: str, adjudicates: bool, seconds: float, interface: str,
    categories: Mapping[str, str],
) -> Submitted:  # fmt: skip
    """The entry. `seconds`: since the pair was shown; the browser may say that fewer of them were spent on it."""
    turn = -1 if left == "a" else 1
    votes = [Vote(criterion=c, strength=turn * int(step)) for c in CRITERIA if (step := getattr(form, c))]
    of = {"left": item.a_id if left == "a" else item.b_id, "right": item.b_id if left == "a" else item.a_id}
    labels = []
    for side, response_id in of.items():
        if label := getattr(form, f"label_{side}"):
            harm = label == "unsafe"
            category = getattr(form, f"category_{side}")
            labels.append(Label(
                response_id=response_id, label=label, category=category if harm and category in categories else None,
                severity=getattr(form, f"severity_{side}") or None if harm else None,
            ))  # fmt: skip
    return Submitted(
        by=by, token=form.token, candidate_id=item.id, gold=item.preferred is not None,
        role="adjudicator" if adjudicates else "reviewer", votes=tuple(votes), labels=tuple(labels), reasons=form.reasons,
        note=form.note.strip() or None, better=form.better.strip() or None, left=left,
        seconds=round(min(form.seconds or seconds, seconds), 1), interface=interface,
    )  # fmt: skip


def filled(said: Submitted | None, item: Item, left: Side) -> dict[str, str]:
    """The form's fields as they were when this was said."""
    if said is None:
        return {}
    turn = -1 if left == "a" else 1
    fields = {vote.criterion: str(int(turn * vote.strength)) for vote in said.votes}
    for label in said.labels:
        side = "left" if (label.response_id == item.a_id) == (left == "a") else "right"
        fields |= {f"label_{side}": label.label, f"category_{side}": label.category or "",
                   f"severity_{side}": label.severity or ""}  # fmt: skip
    return fields | dict.fromkeys(said.reasons, "on") | {"note": said.note or "", "better": said.better or ""}
