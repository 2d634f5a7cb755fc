"""To and from Label Studio: a project's configuration and tasks out, its exported annotations (JSON) in.

Answers stand at sides that are drawn by the pair, and kept in the task. Who annotated comes back as label-studio-<number>.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from pydantic import BaseModel, TypeAdapter, ValidationError

from pipeline.doors.blobs import Blobs
from pipeline.doors.entries import SAFETY
from pipeline.errors import UserError
from pipeline.review.ballot import CRITERIA
from pipeline.review.items import PNG, Item
from pipeline.tables import Decision, chance

IMAGES = "images"
STEPS = {
    "-3": "Answer 1 is much better",
    "-2": "Answer 1 is better",
    "-1": "Answer 1 is slightly better",
    "0": "They are equal",
    "1": "Answer 2 is slightly better",
    "2": "Answer 2 is better",
    "3": "Answer 2 is much better",
}
_NAMES = {
    "overall": "Which is better, all in all?",
    "harmlessness": "Which is less harmful?",
    "helpfulness": "Which is more helpful?",
    "faithfulness": "Which is truer to the image?",
}


def config() -> str:
    """The project's labelling configuration (XML)."""
    parts = [_choices(c, _NAMES[c], "question", STEPS, required=c == "overall") for c in CRITERIA]
    labels = {label: label for label in ("safe", "refusal", "unsafe")}
    answers = [
        f'<View style="flex:1;min-width:0"><Header value="Answer {n}"/><Text name="answer{n}" value="$answer{n}"/>'
        f"{_choices(f'safety{n}', f'Answer {n} is', f'answer{n}', labels)}</View>"
        for n in (1, 2)
    ]
    return "\n".join([
        "<View>", '<Image name="image" value="$image" zoom="true" maxWidth="480px"/>', '<Header value="Question"/>',
        '<Text name="question" value="$question"/>', '<View style="display:flex;gap:2em">', *answers, "</View>", *parts,
        '<TextArea name="note" toName="question" placeholder="Note" rows="2"/>', "</View>", "",
    ])  # fmt: skip


def _choices(name: str, header: str, to: str, values: Mapping[str, str], *, required: bool = False) -> str:
    inner = "".join(f"<Choice value={quoteattr(words)} alias={quoteattr(value)}/>" for value, words in values.items())
    more = ' required="true"' if required else ""
    return (
        f'<Header value={quoteattr(header)} size="5"/><Choices name="{name}" toName="{to}" choice="single" '
        f'showInline="true"{more}>{inner}</Choices>'
    )


def task(item: Item, image: str) -> dict[str, Any]:
    """What Label Studio imports. `image`: as `copy` named it; the folder is to be LOCAL_FILES_DOCUMENT_ROOT."""
    left = "a" if chance("label_studio", item.id).random() < 0.5 else "b"
    first, second = (item.a, item.b) if left == "a" else (item.b, item.a)
    shown = f"/data/local-files/?d={image}" if image else ""
    return {"data": {"candidate_id": item.id, "left": left, "question": item.question, "answer1": first,
                     "answer2": second, "image": shown}}  # fmt: skip


def copy(item: Item, images: Blobs, folder: Path) -> str:
    """Its image's bytes, beside the tasks; returns where, from the folder: nothing, if it has none here."""
    if not item.image or item.image not in images:
        return ""
    data = images.read(item.image)
    name = f"{IMAGES}/{item.image}.{'png' if data[:4] == PNG else 'jpg'}"
    (folder / IMAGES).mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return name


class _Value(BaseModel):
    choices: tuple[str, ...] = ()
    text: tuple[str, ...] | str = ()


class _Result(BaseModel):
    from_name: str
    value: _Value = _Value()


class _Annotation(BaseModel):
    id: int
    completed_by: int | dict[str, Any]
    result: tuple[_Result, ...]
    was_cancelled: bool = False
    created_at: str = ""
    updated_at: str = ""


class _Data(BaseModel):
    candidate_id: str
    left: str


class _Task(BaseModel):
    data: _Data
    annotations: tuple[_Annotation, ...] = ()


def is_export(path: Path) -> bool:
    """Whether a file is one JSON list, and so none of JSON lines."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b"[")
    except OSError:
        return False


def decisions(path: Path, items: Mapping[str, Item]) -> list[Decision]:
    """What an export holds; skipped tasks are none. UserError: it is no such export, or of another run."""
    try:
        tasks = TypeAdapter(tuple[_Task, ...]).validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise UserError(
            f"{path} is no JSON export of Label Studio: {where}: {first['msg']}; nothing was taken"
        ) from None
    found: list[Decision] = []
    for one in tasks:
        item = items.get(one.data.candidate_id)
        if item is None:
            raise UserError(f"{path}: this run has no pair {one.data.candidate_id}; nothing was taken")
        for annotation in one.annotations:
            if not annotation.was_cancelled:
                found += _decided(annotation, item, one.data.left, path)
    return found


def _decided(annotation: _Annotation, item: Item, left: str, path: Path) -> Iterator[Decision]:
    by = annotation.completed_by
    number = by.get("id", "") if isinstance(by, dict) else by
    same: dict[str, Any] = {
        "reviewer": f"label-studio-{number}",
        "decided_at": annotation.updated_at or annotation.created_at,
    }
    said = {r.from_name: r.value for r in annotation.result}
    note = said["note"].text if "note" in said else ()
    words = note if isinstance(note, str) else "\n".join(note)
    turn = -1 if left == "a" else 1
    try:
        for criterion in CRITERIA:
            if criterion in said and said[criterion].choices:
                strength = turn * int(said[criterion].choices[0])
                yield Decision(
                    id=f"label-studio-{annotation.id}/{criterion}", candidate_id=item.id, criterion=criterion,
                    strength=strength, note=words or None if criterion == "overall" else None, **same,
                )  # fmt: skip
        for place, response in enumerate((item.a_id, item.b_id) if left == "a" else (item.b_id, item.a_id), 1):
            if (name := f"safety{place}") in said and said[name].choices:
                yield Decision(
                    id=f"label-studio-{annotation.id}/{response}", response_id=response, criterion=SAFETY,
                    label=said[name].choices[0], **same,
                )  # fmt: skip
    except ValueError:
        raise UserError(
            f"{path}: annotation {annotation.id} holds a choice that is none of ours; nothing was taken"
        ) from None
