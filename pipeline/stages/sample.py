"""sample: prompts, respondents → responses."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline import templates
from pipeline.doors.generate import Generate
from pipeline.errors import UserError
from pipeline.requests import Answer, Chat, Failure, Message, Reply
from pipeline.tables import Dropped, Outcome, Response, chance, row_id
from pipeline.taxonomy import pairs_minors_and_sex

Cells = dict[str, Any]


@dataclass(frozen=True)
class Respondent:
    """A model, and how it is asked."""

    name: str
    model: str
    system: str | None = None
    """Name of a template in prompts/sample/, or none."""
    temperature: float = 0.7
    top_p: float = 0.95
    max_tokens: int = 512
    sees_image: bool = True
    """False: the image is withheld, and the answer is blind."""

    def __post_init__(self) -> None:
        """A template that is not there is found before anything is asked."""
        if self.system:
            templates.load(f"sample/{self.system}")


def responses(
    prompts: pl.DataFrame, *, respondents: tuple[Respondent, ...], generate: Generate, k: int | None = None
) -> Outcome:
    """An answer of each of `k` respondents (default: all), drawn by the prompt's id, to each prompt."""
    pool = {r.name: r for r in respondents}
    if len(pool) < len(respondents):
        raise UserError(f"two respondents of a pool have one name; there are {', '.join(r.name for r in respondents)}")
    rows = pl.DataFrame(
        [
            {
                "prompt_id": p["id"],
                "subcategory": p["subcategory"],
                "image": p["image"],
                "question": p["question"],
                "respondent": name,
            }
            for p in prompts.iter_rows(named=True)
            for name in _drawn(list(pool), p["id"], k)
        ],
        schema=dict.fromkeys(("prompt_id", "subcategory", "image", "question", "respondent"), pl.String),
    )

    def ask(row: Cells) -> Chat:
        return request(pool[row["respondent"]], row["question"], row["image"])

    def read(row: Cells, request_id: str, reply: Reply) -> list[Response | Dropped]:
        result = reply.result
        name = row_id("response", row["prompt_id"], row["respondent"], request_id)
        if isinstance(result, Answer) and not result.text.strip():
            return [Dropped(stage="responses", id=name, reason="empty answer", detail=row["respondent"])]
        if isinstance(result, Answer) and pairs_minors_and_sex(f"{row['question']}\n{result.text}"):
            return [Dropped(stage="responses", id=name, reason="minors and sexual content", detail=row["respondent"])]
        answer = result if isinstance(result, Answer) else None
        error = result.error if isinstance(result, Failure) else None if answer else "no_answer"
        return [Response(
            id=name, prompt_id=row["prompt_id"], respondent=row["respondent"], model=pool[row["respondent"]].model,
            text=answer.text.strip() if answer else None, reasoning=answer.reasoning if answer else None,
            finish=answer.finish if answer else None, tokens=reply.tokens_out, request_id=request_id, error=error,
        )]  # fmt: skip

    return generate(rows, ask, read, Response)


def request(respondent: Respondent, question: str, image: str | None) -> Chat:
    """What a respondent is sent."""
    system = templates.load(f"sample/{respondent.system}").fill() if respondent.system else None
    images = (image,) if image and respondent.sees_image else ()
    turns = [Message(role="system", text=system)] if system else []
    return Chat(
        model=respondent.model,
        messages=(*turns, Message(role="user", text=question, images=images)),
        temperature=respondent.temperature,
        top_p=respondent.top_p,
        max_tokens=respondent.max_tokens,
    )


def _drawn(names: list[str], prompt_id: str, k: int | None) -> list[str]:
    """k of the pool, in the pool's order."""
    if k is None or k >= len(names):
        return names
    return sorted(chance("respondents", prompt_id).sample(names, k), key=names.index)
