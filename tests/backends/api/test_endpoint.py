"""How much one address bears. The clock is handed in."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends.api.endpoint import PATIENCE, Endpoint, Sent
from pipeline.backends.api.rate import Rate
from pipeline.backends.api.trouble import Trouble
from pipeline.requests import Answer, Reply

BUSY = Trouble("rate_limit", "429", 429)


def endpoint(most: int = 32) -> Endpoint:
    return Endpoint("far", "http://far:1/v1", most, PATIENCE)


def rounds(one: Endpoint, count: int, seconds: float, tokens: int = 80, start: float = 0.0) -> float:
    """So many full round trips, each of so many seconds; returns when they have ended."""
    now = start
    for _ in range(count):
        sent = [one.send(now) for _ in range(one.room(now))]
        now += seconds
        for each in sent:
            one.answered(each, Reply(result=Answer(text=""), tokens_out=tokens), now)
    return now


def test_it_begins_at_the_limit() -> None:
    assert endpoint().room(0.0) == 32


def test_one_round_trip_of_refusals_is_one_cut() -> None:
    one = endpoint()
    sent = [one.send(1.0) for _ in range(32)]
    for n, each in enumerate(sent[:20]):
        one.troubled(each, BUSY, 2.0 + n)
    assert one.limit == 32 * 0.7


def test_it_climbs_back_to_the_limit_and_not_further() -> None:
    one = endpoint()
    one.troubled(one.send(1.0), BUSY, 2.0)
    rounds(one, 400, 1.0, start=3.0)
    assert one.limit == 32


def test_a_server_that_slows_down_without_doing_more_is_sent_gently_less() -> None:
    one = endpoint()
    now = rounds(one, 10, 1.0)
    rounds(one, 20, 10.0, start=now)
    assert 8 <= one.limit < 32


def test_longer_answers_are_no_sign_of_a_slow_server() -> None:
    one = endpoint()
    now = rounds(one, 10, 1.0, tokens=80)
    rounds(one, 20, 10.0, tokens=980, start=now)
    assert one.limit == 32


def test_a_server_that_batches_may_be_slower_when_it_does_more() -> None:
    one = endpoint()
    one.limit = 4.0
    now = 0.0
    for _ in range(300):  # each doubling of what is under way adds half to the time: as batching does
        now = rounds(one, 1, 1.5 ** (one.limit / 8), start=now) if one.limit < 16 else rounds(one, 1, 2.5, start=now)
    assert one.limit > 28


def test_retry_after_closes_it_for_as_long() -> None:
    one = endpoint()
    one.troubled(one.send(1.0), BUSY._replace(retry_after=10.0), 2.0)
    assert (one.room(11.9), one.opens(2.0), one.room(12.0)) == (0, 12.0, 1)


def test_failures_without_an_answer_between_shut_it_and_a_probe_opens_it() -> None:
    one = endpoint()
    sent = [one.send(1.0) for _ in range(PATIENCE.failures)]
    for each in sent:
        one.troubled(each, Trouble("server", "500", 500), 2.0)
    assert (one.room(2.0), one.opens(2.0)) == (0, 2.0 + PATIENCE.pause)
    assert one.room(17.0) == 1
    probe = one.send(17.0)
    assert one.room(17.0) == 0
    one.answered(probe, Reply(result=Answer(text="")), 18.0)
    assert one.room(18.0) == 32


def test_the_pause_doubles_with_each_probe_until_it_is_given_up() -> None:
    one = endpoint()
    for each in [one.send(0.0) for _ in range(PATIENCE.failures)]:
        one.troubled(each, Trouble("timeout", "too long"), 0.0)
    now, pauses = 0.0, []
    while (opens := one.opens(now)) is not None:
        pauses.append(opens - now)
        now = opens
        one.troubled(one.send(now), Trouble("timeout", "too long"), now)
    assert pauses == [15.0, 30.0, 60.0]
    assert one.given_up
    assert one.room(now + 1e6) == 0


def test_what_was_never_sent_says_nothing_of_the_address() -> None:
    one = endpoint()
    for _ in range(100):
        one.troubled(one.send(1.0), Trouble("unreadable_image", "gone"), 1.0)
        one.troubled(one.send(1.0), Trouble("no_access", "401", 401), 1.0) if not one.given_up else None
    assert one.given_up


@given(st.lists(st.tuples(st.sampled_from(["well", "busy", "dead", "no", "never"]), st.floats(0.001, 5)), max_size=200))
def test_whatever_comes_back_the_limit_stays_within_bounds_and_room_comes_again(
    events: list[tuple[str, float]],
) -> None:
    one, now = endpoint(8), 1.0
    troubles = {"busy": BUSY, "dead": Trouble("unreachable", ""), "no": Trouble("bad_request", "", 400), "never": Trouble("bad_request", "")}  # fmt: skip
    flying: list[Sent] = []
    for kind, seconds in events:
        now += seconds
        while one.room(now) > 0:
            flying.append(one.send(now))
        if flying:
            each = flying.pop(0)
            if kind == "well":
                one.answered(each, Reply(result=Answer(text="")), now)
            else:
                one.troubled(each, troubles[kind], now)
        assert 1 <= one.limit <= 8
        assert 0 <= one.under_way == len(flying) <= 9
        assert one.given_up or flying or one.room(now) > 0 or one.opens(now) is not None


def test_a_rate_lets_a_second_s_worth_go_at_once_and_then_keeps_the_pace() -> None:
    rate, now, times = Rate(600), 100.0, []
    for _ in range(30):
        now += rate.wait(now)
        rate.take(1, now)
        times.append(now - 100)
    assert max(times[:11]) == 0
    assert [round(t, 6) for t in times[11:14]] == [0.1, 0.2, 0.3]


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 500)), min_size=1, max_size=60), st.floats(1, 6000))
def test_a_rate_is_never_passed_by_more_than_its_burst_and_the_last_one(steps: list[tuple[float, float]], per_minute: float) -> None:  # fmt: skip
    rate, now, taken, last = Rate(per_minute), 50.0, 0.0, 0.0
    for rest, amount in steps:
        now += rest
        now += rate.wait(now)
        rate.take(amount, now)
        taken, last = taken + amount, max(last, amount)
        allowed = (now - 50.0 + 1.0) * per_minute / 60 + last
        assert taken <= allowed * (1 + 1e-9) + 1e-6


def test_without_a_limit_nothing_waits() -> None:
    rate = Rate(None)
    rate.take(1e9, 1.0)
    assert rate.wait(1.0) == 0
