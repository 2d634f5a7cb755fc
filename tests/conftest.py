"""What tests share: doors that answer by a function, and rows to start from."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.models import Catalogue
from pipeline.requests import Reply, Request
from pipeline.tables import Dropped, Outcome, Row, outcome

Cells = dict[str, Any]


class Answering:
    """A generate door for stages' tests: a function gives the reply to each request; it remembers what was asked."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    def __call__(
        self,
        rows: pl.DataFrame,
        ask: Callable[[Cells], Request],
        read: Callable[[Cells, str, Reply], Iterable[Row | Dropped]],
        into: type[Row],
    ) -> Outcome:
        made: list[Row | Dropped] = []
        for row in rows.iter_rows(named=True):
            request = ask(row)
            self.asked.append(request)
            made.extend(read(row, f"{len(self.asked):032x}", self.answer(request)))
        return outcome(into, made)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    return tmp_path / "workspace"


def models(tmp_path: Path, toml: str) -> Catalogue:
    """A catalogue of a test's own models."""
    path = tmp_path / "models.toml"
    path.write_text(toml)
    return Catalogue(path)
