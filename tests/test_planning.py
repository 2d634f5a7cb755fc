"""What a run still has to ask, from what it did so far."""

from datetime import date

import pytest

from pipeline.models import Catalogue, Model, Price
from pipeline.planning import Owed, plan
from pipeline.requests import Chat, Message, rough_tokens
from pipeline.workspace import Asking, Made

PRICE = Price(input=2, output=10, source="a page", date=date(2026, 11, 1))


class Known(Catalogue):
    """Two models: one with a price."""

    def __init__(self) -> None:
        models = {"dear": PRICE, "own": None}
        self._models = {
            name: Model(name=name, backend="openai", served_as="x", revision="1", base_url="http://127.0.0.1:1/v1", price=price)
            for name, price in models.items()
        }  # fmt: skip


def page(number: int, name: str, **asking: Asking) -> Made:
    return Made(number, name, "sample", "Response", "key", "sha", 1, 1, {}, {}, 0, 1.0, asking)


def owed(asking: dict[str, Asking], *pages: Made) -> list[Owed]:
    return list(plan("responses", 3, asking, dict.fromkeys(asking, (1000.0, 500.0)), list(pages), Known()))


def test_without_a_pilot_the_first_table_is_counted_and_its_tokens_are_guessed() -> None:
    (row,) = owed({"dear": Asking(requests=12, owed=10)})
    assert (row.table, row.model, row.requests, row.exact) == ("responses", "dear", 10, True)
    assert (row.tokens_in, row.tokens_out) == (1000, 500)
    assert row.cost == pytest.approx((1000 * 2 + 500 * 10) / 1e6)
    assert row.seconds is None


def test_what_was_seen_replaces_the_guess() -> None:
    seen = page(3, "responses", dear=Asking(requests=4, tokens_in=400, tokens_out=40, asked=4, seconds=2.0))
    (row,) = owed({"dear": Asking(requests=104, owed=100)}, seen)
    assert (row.tokens_in, row.tokens_out, row.seconds) == (10_000, 1_000, 50)
    assert row.cost == pytest.approx((10_000 * 2 + 1_000 * 10) / 1e6)


def test_later_tables_grow_with_the_first_that_is_owed() -> None:
    pilot = [
        page(3, "responses", dear=Asking(requests=10, tokens_in=10, tokens_out=10)),
        page(4, "judgments", own=Asking(requests=20, tokens_in=60, tokens_out=20, asked=20, seconds=10.0)),
    ]
    _, row = owed({"dear": Asking(requests=100, owed=90)}, *pilot)
    assert (row.table, row.model, row.requests, row.exact) == ("judgments", "own", 180, False)
    assert (row.tokens_in, row.tokens_out, row.seconds, row.cost) == (540, 180, 90, None)


def test_what_is_owed_in_a_table_that_is_already_there_is_counted_once() -> None:
    pages = [
        page(3, "responses", dear=Asking(requests=10, owed=2)),
        page(4, "judgments", own=Asking(requests=8, owed=3)),
    ]
    rows = owed({"dear": Asking(requests=10, owed=2)}, *pages)
    assert [(r.table, r.requests, r.exact) for r in rows] == [("responses", 2, True), ("judgments", 3, True)]


def test_the_batch_api_costs_its_share() -> None:
    assert PRICE.model_copy(update={"batch": 0.5}).of(1_000_000, 0, batch=True) == 1


def test_a_rough_guess_counts_text_and_images() -> None:
    request = Chat(model="dear", messages=(Message(role="user", text="x" * 400, images=("a", "b")),), max_tokens=64)
    assert rough_tokens(request) == (2100, 64)
