"""The kept replies: what a model said comes back as it was said, whatever it said."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.doors.replies import Replies
from pipeline.errors import UserError
from pipeline.requests import (
    KEPT_FAILURES,
    Answer,
    Chat,
    Classified,
    Classify,
    Message,
    Reply,
    Request,
    Score,
    Scored,
    failed,
    request_id,
)

CHAT = Chat(
    model="m",
    messages=(Message(role="system", text="Be kind."), Message(role="user", text="Was ist das?", images=("ab" * 32,))),
    temperature=0.7,
    top_p=0.95,
    max_tokens=99,
    json_schema='{"type": "object"}',
    number=3,
)
SCORE = Score(model="m", messages=CHAT.messages, answer="A crane.")
CLASSIFY = Classify(model="m", context="Was ist das?", text="Ein Kran.")
OWED = ("timeout", "rate_limit", "server", "unreachable", "no_access", "out_of_memory", "too_long", "not_asked")
A, B = "0123456789abcdef" * 2, "fedcba9876543210" * 2
LOG = "replies/000001.jsonl"
HELLO = Reply(result=Answer(text="Hello."))


@pytest.fixture
def replies(tmp_path: Path) -> Iterator[Replies]:
    kept = Replies(tmp_path, write=True)
    yield kept
    kept.close()


def reopened(folder: Path) -> Replies:
    """What a reader finds, who comes later."""
    return Replies(folder, write=False)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (
            CHAT,
            Reply(
                result=Answer(text="Ein Kran.", reasoning="Hm.", finish="length"),
                answered_by="m-0613",
                provider_id="x-1",
                tokens_in=7,
                tokens_out=2,
                seconds=0.25,
            ),
        ),
        (CHAT, HELLO),
        (SCORE, Reply(result=Scored(logprobs=(-0.1, -2.0, 0.0, -1e-300)))),
        (SCORE, Reply(result=Scored(logprobs=()))),
        (CLASSIFY, Reply(result=Classified(labels={"unsafe": 0.25, "refusal": 1.0}))),
        *[(CHAT, failed(error, "because")) for error in sorted(KEPT_FAILURES)],
    ],
)
def test_each_kind_of_reply_comes_back_as_it_was_kept(
    replies: Replies, tmp_path: Path, request_: Request, reply: Reply
) -> None:
    name = request_id(request_, "m 1 int4")
    assert name not in replies
    assert replies.kept(name) is None
    before = time.time()
    replies.keep(name, "m 1 int4", request_, reply)
    later = Replies(tmp_path, write=False)
    for store in (replies, later):
        assert name in store
        assert len(store) == 1
        kept = store.kept(name)
        assert kept
        assert (kept.id, kept.revision, kept.request, kept.reply) == (name, "m 1 int4", request_, reply)
        assert before - 0.01 <= kept.at <= time.time() + 0.01
    later.close()


@pytest.mark.parametrize("error", OWED)
def test_a_failure_that_may_pass_is_not_kept(replies: Replies, tmp_path: Path, error: str) -> None:
    replies.keep(A, "m", CHAT, failed(error))
    assert A not in replies
    assert replies.kept(A) is None
    assert (tmp_path / LOG).read_bytes() == b""


def test_kept_failures_are_listed_with_their_error(replies: Replies, tmp_path: Path) -> None:
    replies.keep(A, "m", CHAT, failed("refused", "content filter"))
    replies.keep(B, "m", CHAT, Reply(result=Answer(text='{"kind":"failure","error":"refused"}')))
    assert replies.failures() == {A: "refused"}
    assert reopened(tmp_path).failures() == {A: "refused"}


def test_what_is_made_owed_is_owed_again_and_the_log_still_holds_it(replies: Replies, tmp_path: Path) -> None:
    replies.keep(A, "m", CHAT, HELLO)
    replies.keep(B, "m", CHAT, HELLO)
    assert replies.epoch == 0
    replies.owe(A)
    for store in (replies, reopened(tmp_path)):
        assert (A in store, B in store, len(store), store.epoch) == (False, True, 1, 1)
        assert store.kept(A) is None
    assert (tmp_path / LOG).read_text().count('"Hello."') == 2


def test_what_was_made_owed_can_be_kept_anew_and_made_owed_anew(replies: Replies, tmp_path: Path) -> None:
    for text in ("first", "second"):
        replies.keep(A, "m", CHAT, Reply(result=Answer(text=text)))
        replies.owe(A)
    replies.keep(A, "m", CHAT, Reply(result=Answer(text="third")))
    for store in (replies, reopened(tmp_path)):
        kept = store.kept(A)
        assert kept
        assert kept.reply == Reply(result=Answer(text="third"))
        assert (len(store), store.epoch) == (1, 2)


def test_a_torn_last_reply_is_owed_and_the_others_stay(replies: Replies, tmp_path: Path) -> None:
    replies.keep(A, "m", CHAT, HELLO)
    replies.keep(B, "m", CHAT, HELLO)
    replies.close()
    path = tmp_path / LOG
    path.write_bytes(path.read_bytes()[:-5])
    again = Replies(tmp_path, write=True)
    assert (A in again, B in again) == (True, False)
    again.keep(B, "m", CHAT, HELLO)
    again.close()
    assert len(reopened(tmp_path)) == 2


def test_a_reader_keeps_its_view_and_a_later_one_sees_what_the_writer_kept(replies: Replies, tmp_path: Path) -> None:
    replies.keep(A, "m", CHAT, HELLO)
    reader = Replies(tmp_path, write=False)
    replies.keep(B, "m", CHAT, HELLO)
    assert (A in reader, B in reader) == (True, False)
    reader.close()
    reader = Replies(tmp_path, write=False)
    assert (A in reader, B in reader) == (True, True)
    reader.close()


NASTY = {
    "newlines": "one\ntwo\r\nthree\u2028four\x85five",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80",
    "a null": "before\0after",
    "quotes": '"}]}\\"reply":null}',
    "the end of a line that owes": '","reply":null}',
    "emoji": "👩\u200d👩\u200d👧 ﷽ \U0010ffff",
    "a byte order mark": "\ufeffHello",
    "nothing": "",
    "ten megabytes": "0123456789" * 1_000_000,
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_any_text_comes_back_as_it_was_said(replies: Replies, tmp_path: Path, text: str) -> None:
    reply = Reply(result=Answer(text=text, reasoning=text), answered_by=text)
    replies.keep(A, "m", Chat(model="m", messages=(Message(role="user", text=text),)), reply)
    replies.keep(B, "m", CHAT, HELLO)
    for store in (replies, reopened(tmp_path)):
        kept, other = store.kept(A), store.kept(B)
        assert kept
        assert other
        assert (kept.reply, other.reply) == (reply, HELLO)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_lone_surrogates_come_back_as_replacement_characters(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """UTF-8 cannot hold them, so neither the log nor any table could: they are no text, and say so."""
    folder = tmp_path_factory.mktemp("replies")
    replies = Replies(folder, write=True)
    replies.keep(A, "m", CHAT, Reply(result=Answer(text=text)))
    replies.close()
    kept = reopened(folder).kept(A)
    assert kept
    assert kept.reply
    assert isinstance(kept.reply.result, Answer)
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert kept.reply.result.text == expected
    assert expected == text or any("\ud800" <= c <= "\udfff" for c in text)


@pytest.mark.parametrize(
    "reply",
    [
        failed("refused", "I \ud800 will not"),
        Reply(result=Answer(text="ok", reasoning="half \ude00 a smile"), answered_by="m\udfff"),
        Reply(result=Classified(labels={"un\ud83dsafe": 0.5})),
    ],
)
def test_a_lone_surrogate_anywhere_in_a_reply_does_not_stop_the_run(replies: Replies, reply: Reply) -> None:
    replies.keep(A, "m", CHAT, reply)
    kept = replies.kept(A)
    assert kept
    assert kept.reply
    assert kept.reply.model_dump_json().count("\ufffd") == len([c for c in repr(reply) if c == "\\"])


@pytest.mark.parametrize("value", [-math.inf, math.inf, math.nan])
def test_a_log_probability_that_is_no_finite_number_comes_back_as_it_was(
    replies: Replies, tmp_path: Path, value: float
) -> None:
    replies.keep(A, "m", SCORE, Reply(result=Scored(logprobs=(-1.0, value))))
    for store in (replies, reopened(tmp_path)):
        kept = store.kept(A)
        assert kept
        assert kept.reply
        assert isinstance(kept.reply.result, Scored)
        assert repr(kept.reply.result.logprobs) == repr((-1.0, value))


def test_a_full_disk_keeps_what_was_promised_and_owes_the_rest(small_disk: Path) -> None:
    replies, promised = Replies(small_disk, write=True), []

    def fill() -> None:
        for n in range(1000):
            replies.keep(f"{n:032x}", "m", CHAT, Reply(result=Answer(text="x" * 1000)))
            promised.append(f"{n:032x}")

    with pytest.raises(UserError, match="is full"):
        fill()
    assert len(promised) > 20
    later = reopened(small_disk)
    for store in (replies, later):
        assert len(store) == len(promised)
        assert all(store.kept(name) for name in promised)
    replies.close()
    later.close()


def test_what_a_reply_cost_is_known_while_it_lies_in_a_log_and_when_it_is_sealed(
    tmp_path: Path, replies: Replies
) -> None:
    replies.keep(A, "m", CHAT, HELLO, run="r", cost=0.25)
    replies.keep(B, "m", CHAT, HELLO, run="r")
    wanted = pl.Series([A, B, "no such id"])
    open_, _ = replies.costs(wanted).rows(), replies.seal()
    assert open_ == replies.costs(wanted).rows() == reopened(tmp_path).costs(wanted).rows() == [(A, 0.25)]
    assert replies.costs(pl.Series([B])).height == replies.costs(wanted.head(0)).height == 0
