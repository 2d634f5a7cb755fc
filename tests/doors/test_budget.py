"""What a run may spend: the worst case of what is under way counts, and what came back at its price."""

from datetime import date

import pytest

from pipeline.doors.budget import IMAGE_TOKENS, Budget
from pipeline.errors import UserError
from pipeline.models import Model, Price
from pipeline.requests import Answer, Chat, Message, Reply, failed

PRICE = Price(input=1, output=10, source="a page", date=date(2026, 11, 1))


def model(price: Price | None = PRICE) -> Model:
    return Model(name="dear", backend="openai", served_as="x", revision="1", base_url="http://127.0.0.1:1", price=price)


def chat(text: str = "x" * 984, images: int = 0, max_tokens: int = 100) -> Chat:
    """By default at most 1,000 tokens in and 100 out: 0.002 dollars."""
    pictures = tuple(f"{n}" for n in range(images))
    return Chat(model="dear", messages=(Message(role="user", text=text, images=pictures),), max_tokens=max_tokens)


def reply(tokens_in: int, tokens_out: int) -> Reply:
    return Reply(result=Answer(text="yes"), tokens_in=tokens_in, tokens_out=tokens_out)


def test_what_is_under_way_counts_at_its_worst_case() -> None:
    budget = Budget(0.0041)
    assert budget.allows("a", model(), chat())
    assert budget.allows("b", model(), chat())
    assert not budget.allows("c", model(), chat())


def test_what_came_back_for_less_makes_room() -> None:
    budget = Budget(0.00405)
    assert budget.allows("a", model(), chat())
    assert budget.allows("b", model(), chat())
    assert budget.came("a", model(), reply(100, 0)) == pytest.approx(0.0001)
    assert not budget.allows("c", model(), chat()), "0.0001 spent, 0.002 held, 0.002 wanted"
    assert budget.came("b", model(), reply(100, 0)) == pytest.approx(0.0001)
    assert budget.allows("c", model(), chat())
    assert budget.spent == pytest.approx(0.0002)


def test_asking_twice_for_the_same_request_holds_its_cost_once() -> None:
    budget = Budget(0.0021)
    assert all(budget.allows("a", model(), chat()) for _ in range(3))


def test_what_earlier_sittings_spent_counts() -> None:
    assert not Budget(0.0041, spent=0.003).allows("a", model(), chat())


def test_an_image_counts_as_the_most_that_providers_charge() -> None:
    assert Budget(0.002 + IMAGE_TOKENS / 1e6).allows("a", model(), chat(images=1))
    assert not Budget(0.002 + IMAGE_TOKENS / 1e6).allows("a", model(), chat(images=2))


def test_a_failure_without_usage_costs_nothing_and_gives_back_what_was_held() -> None:
    budget = Budget(0.0021)
    assert budget.allows("a", model(), chat())
    assert budget.came("a", model(), failed("timeout")) is None
    assert budget.allows("b", model(), chat())


def test_a_model_without_a_price_is_refused_only_where_there_is_a_budget() -> None:
    Budget().check(model(None))
    with pytest.raises(UserError, match="--budget needs the price of dear"):
        Budget(1).check(model(None))


def test_engines_of_ones_own_need_no_price() -> None:
    Budget(1).check(Model(name="mine", backend="vllm", served_as="x", revision="1"))


def test_without_a_budget_everything_goes_and_is_counted_all_the_same() -> None:
    budget = Budget()
    assert budget.allows("a", model(), chat(max_tokens=10**9))
    assert budget.came("a", model(), reply(1_000_000, 0)) == 1
    assert budget.spent == 1
