"""What the stages' tests share: a door that answers by a function, and rows to start from."""

from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

import polars as pl

from pipeline.doors.generate import Generate
from pipeline.requests import Answer, Reply, Request
from pipeline.tables import Decision, Dropped, Outcome, Row, frame, outcome

Cells = dict[str, Any]
R = TypeVar("R", bound=Row)


class Answering(Generate):
    """A generate door that keeps nothing: a function gives the reply to each request; it remembers what was asked."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    def __call__(
        self,
        rows: pl.DataFrame,
        ask: Callable[[Cells], Request],
        read: Callable[[Cells, str, Reply], Iterable[R | Dropped]],
        into: type[R],
    ) -> Outcome:
        made: list[R | Dropped] = []
        for row in rows.iter_rows(named=True):
            request = ask(row)
            self.asked.append(request)
            made.extend(read(row, f"{len(self.asked):032x}", self.answer(request)))
        return outcome(into, made)

    def costs(self, request_ids: pl.Series) -> pl.DataFrame:
        """A cent each."""
        return pl.DataFrame({"id": request_ids.unique(), "cost": 0.01})


def saying(text: str) -> Reply:
    """A reply that is this text."""
    return Reply(result=Answer(text=text))


def make(kind: type[R], /, **values: object) -> R:
    """A row of which a test names only what matters: other columns have their default, are null, or have the first or plainest value."""
    needed = {name: info for name, info in kind.model_fields.items() if info.is_required()}
    plain = {name: _plain(info.annotation, name) for name, info in needed.items()}
    if kind is Decision and "response_id" not in values:
        plain |= {"candidate_id": "", "strength": 0.0}
    return kind.model_validate(plain | values)


def table(kind: type[Row], *rows: Cells) -> pl.DataFrame:
    """Such rows as a table."""
    return frame([make(kind, **row) for row in rows], kind)


def _plain(annotation: object, name: str) -> object:
    if NoneType in get_args(annotation):
        return None
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if get_origin(annotation) is tuple:
        return ()
    return {str: name, int: 1, float: 1.0, bool: False}[annotation]  # type: ignore[index]


def reasons(made: Outcome) -> dict[str, int]:
    """Why rows were left out, counted."""
    return dict(made.dropped["reason"].value_counts().iter_rows())
