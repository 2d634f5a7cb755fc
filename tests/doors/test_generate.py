"""The generate door, with real backends: what is kept is not asked again, what is owed is, and every reply meets its row."""

import io
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from pipeline.doors.blobs import Blobs
from pipeline.doors.generate import CHUNK, Cells, Generate
from pipeline.doors.replies import Replies
from pipeline.errors import Halt, UserError
from pipeline.models import Catalogue
from pipeline.requests import Answer, Chat, Classified, Classify, Failure, Message, Reply, Request, Score
from pipeline.tables import Dropped, Outcome, Row
from tests.servers import ChatServer

CATALOGUE = """
[far]
backend = "openai"
served_as = "vlm"
revision = "{revision}"
base_url = "{url}"
key = "TETRAD_TEST_KEY"
concurrency = 8

[near]
backend = "openai"
served_as = "small"
revision = "1"
base_url = "{url}"
concurrency = 1

[words]
backend = "lexicon"
served_as = "lexicon"
revision = "1"

[shy]
backend = "lexicon"
served_as = "lexicon"
revision = "1"
terms = {{ publish = true, train = true, not_sent = ["money"], source = "a page", date = 2026-11-01 }}

[engine]
backend = "vllm"
served_as = "{url}/no/such/folder"
revision = "1"

[keyless]
backend = "openai"
served_as = "vlm"
revision = "1"
base_url = "{url}"
key = "TETRAD_TEST_NO_SUCH_KEY"
"""


LINEAGE = {"loans": frozenset({"loans", "fraud", "money"}), "slurs": frozenset({"slurs", "hate", "words"})}
"""Subcategory to itself and all above it."""


class Said(Row):
    """What came back for a row."""

    id: str
    request_id: str
    text: str | None
    error: str | None


class Watch:
    """Remembers what the door told of its progress."""

    def __init__(self) -> None:
        self.owed: list[dict[str, int]] = []
        self.came = Counter[str]()
        self.ended = 0

    def begin(self, owed: dict[str, int]) -> None:
        self.owed.append(owed)

    def advance(self, model: str, reply: Reply, cost: float | None) -> None:  # noqa: ARG002
        assert isinstance(reply, Reply)
        self.came[model] += 1

    def end(self) -> None:
        self.ended += 1


class Desk:
    """A workspace with its doors open, beside a server; opened anew it is the next run."""

    def __init__(self, folder: Path, server: ChatServer, revision: str = "1") -> None:
        self.server = server
        self.images = Blobs(folder / "images")
        self.replies = Replies(folder, write=True)
        self.watch = Watch()
        known = folder / "models.toml"
        known.write_text(CATALOGUE.format(url=server.url, revision=revision))
        self.generate = Generate(
            self.replies, Catalogue(known), self.images, folder, self.watch, run="a run", lineage=LINEAGE
        )

    def ask(self, rows: pl.DataFrame, ask: Any = None) -> Outcome:
        return self.generate(rows, ask or chat, read, Said)

    def close(self) -> None:
        self.generate.close()
        self.replies.close()


def chat(cells: Cells) -> Request:
    """Asks what the row says, of the model that it names."""
    images = (cells["image"],) if cells.get("image") else ()
    return Chat(
        model=cells.get("model") or "far",
        messages=(Message(role="user", text=cells["question"], images=images),),
        temperature=cells.get("temperature") or 0.0,
    )


def classify(cells: Cells) -> Request:
    return Classify(model=cells.get("model") or "words", context="", text=cells["question"])


def read(cells: Cells, request_id: str, reply: Reply) -> Iterable[Said | Dropped]:
    match reply.result:
        case Answer(text=text):
            yield Said(id=cells["id"], request_id=request_id, text=text, error=None)
        case Classified(labels=labels):
            yield Said(id=cells["id"], request_id=request_id, text=str(labels["refusal"]), error=None)
        case Failure(error=error):
            yield Said(id=cells["id"], request_id=request_id, text=None, error=error)


def rows(*questions: str, **columns: Any) -> pl.DataFrame:
    ids = [f"row-{n}" for n in range(len(questions))]
    return pl.DataFrame({"id": ids, "question": questions, **columns}, schema_overrides={"question": pl.String})


def picture(number: int) -> bytes:
    """A small picture; another number is another one."""
    data = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETRAD_TEST_KEY", "sk-canary-0123456789")
    monkeypatch.delenv("TETRAD_TEST_NO_SUCH_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, server: ChatServer) -> Iterator[Desk]:
    opened = Desk(tmp_path, server)
    yield opened
    opened.close()


def test_replies_come_back_joined_to_their_own_rows_whatever_the_order(desk: Desk, server: ChatServer) -> None:
    server.pause = 0.03
    shas = [desk.images.keep(picture(n % 7)) for n in range(60)]
    table = rows(*[f"Question {n}" for n in range(60)], image=shas)
    made = desk.ask(table)
    assert made.kept["id"].to_list() == table["id"].to_list()
    assert made.kept["text"].to_list() == [f"{sha} Question {n}" for n, sha in enumerate(shas)]
    assert (made.considered, made.dropped.height, desk.generate.owed) == (60, 0, 0)
    assert len(server.asked) == made.kept["request_id"].n_unique() == 60


def test_rows_that_ask_the_same_are_asked_once_and_share_the_reply(desk: Desk, server: ChatServer) -> None:
    made = desk.ask(rows("One?", "Two?", "One?", "One?"))
    assert made.kept["text"].to_list() == ["One?", "Two?", "One?", "One?"]
    assert made.kept["request_id"].n_unique() == 2
    assert server.attempts == {"One?": 1, "Two?": 1}
    assert desk.watch.owed == [{"far": 2}]


def test_what_is_kept_is_not_asked_again_by_this_run_nor_by_the_next(
    desk: Desk, server: ChatServer, tmp_path: Path
) -> None:
    table = rows("One?", "Two?")
    first = desk.ask(table)
    assert desk.ask(table).kept.equals(first.kept)
    desk.close()
    later = Desk(tmp_path, server)
    assert later.ask(rows("Two?", "Three?", "One?")).kept["text"].to_list() == ["Two?", "Three?", "One?"]
    assert later.watch.owed == [{"far": 1}]
    assert server.attempts == {"One?": 1, "Two?": 1, "Three?": 1}
    later.close()


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"max_tokens": 9},
        {"json_schema": "{}"},
        {"number": 1},
        {"model": "near"},
        {"messages": (Message(role="user", text="One?", images=("picture",)),)},
        {"messages": (Message(role="system", text="Be kind."), Message(role="user", text="One?"))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_changes_in_the_request_asks_anew(desk: Desk, server: ChatServer, change: dict[str, Any]) -> None:
    if "images" in repr(change) and "picture" in repr(change):
        sha256 = desk.images.keep(picture(0))
        change = {"messages": (Message(role="user", text="One?", images=(sha256,)),)}
    before = desk.ask(rows("One?")).kept["request_id"].item()
    after = desk.ask(rows("One?"), lambda cells: chat(cells).model_copy(update=change)).kept["request_id"].item()
    assert before != after
    assert len(server.asked) == 2


def test_a_new_revision_of_the_model_asks_anew_and_a_new_route_does_not(
    desk: Desk, server: ChatServer, tmp_path: Path
) -> None:
    desk.ask(rows("One?"))
    desk.close()
    with ChatServer() as elsewhere:
        moved = Desk(tmp_path, elsewhere)
        moved.ask(rows("One?"))
        assert elsewhere.asked == []
        moved.close()
        newer = Desk(tmp_path, elsewhere, revision="2")
        newer.ask(rows("One?"))
        assert len(elsewhere.asked) == 1
        newer.close()
    assert len(server.asked) == 1


def test_a_failure_that_may_pass_stays_owed_and_is_asked_by_the_next_call(desk: Desk, server: ChatServer) -> None:
    table = rows("500 five times then ok", "fine", "500 five times then ok")
    first = desk.ask(table)
    assert first.kept["error"].to_list() == ["server", None, "server"]
    assert desk.generate.owed == 2
    second = desk.ask(table)
    assert second.kept["text"].to_list() == ["500 five times then ok", "fine", "500 five times then ok"]
    assert second.kept["error"].null_count() == 3
    assert desk.generate.owed == 2, "counts over all calls; the second added none"
    assert server.attempts == {"500 five times then ok": 6, "fine": 1}
    assert desk.watch.owed == [{"far": 2}, {"far": 1}]


def test_a_failure_of_the_call_before_is_not_told_again(desk: Desk, server: ChatServer) -> None:
    """What was owed is asked anew; its old error must not stand in for the new one."""
    desk.ask(rows("503"))
    server.attempts.clear()
    assert desk.ask(rows("401")).kept["error"].to_list() == ["no_access"]
    assert desk.ask(rows("503")).kept["error"].to_list() == ["server"]
    assert server.attempts["503"] == 5
    assert desk.generate.owed == 3


def test_a_kept_failure_is_a_row_with_its_error_and_is_not_asked_again_until_made_owed(
    desk: Desk, server: ChatServer
) -> None:
    first = desk.ask(rows("400", "content filter", "no choices"))
    assert first.kept["error"].to_list() == ["bad_request", "refused", "no_answer"]
    assert first.kept["text"].null_count() == 3
    assert desk.ask(rows("400", "content filter", "no choices")).kept.equals(first.kept)
    assert (len(server.asked), desk.generate.owed) == (3, 0)
    desk.replies.owe(first.kept["request_id"][0])
    desk.ask(rows("400", "content filter"))
    assert server.attempts == {"400": 2, "content filter": 1, "no choices": 1}


def test_an_answer_that_no_file_could_hold_does_not_stop_the_run(desk: Desk) -> None:
    made = desk.ask(rows("lone surrogate", "10 MB", "invalid UTF-8", "fine"))
    assert made.kept["text"].to_list() == [
        "half a smile \ufffd",
        "ten megabytes " * 750_000,
        "caf\ufffd \ufffd",
        "fine",
    ]
    assert made.kept["error"].to_list() == [None] * 4


def test_several_models_answer_side_by_side_each_its_own_rows(desk: Desk, server: ChatServer) -> None:
    names = ["far", "near", "far", "near"]
    made = desk.ask(rows("One?", "One?", "Two?", "Two?", model=names))
    assert made.kept["request_id"].n_unique() == 4
    assert Counter(sent["model"] for sent in server.asked) == {"vlm": 2, "small": 2}
    kept = [desk.replies.kept(name) for name in made.kept["request_id"]]
    assert [k.reply.answered_by for k in kept if k and k.reply] == ["vlm-0613", "small-0613"] * 2
    assert [k.revision for k in kept if k] == ["far 1", "near 1"] * 2
    assert desk.watch.came == {"far": 2, "near": 2}


def test_the_lexicon_is_asked_through_the_same_door(desk: Desk, server: ChatServer) -> None:
    made = desk.ask(rows("I cannot help with that.", "It is a crane.", "I cannot help with that."), classify)
    assert made.kept["text"].to_list() == ["1.0", "0.0", "1.0"]
    assert (len(desk.replies), desk.watch.came) == (2, {"words": 2})
    desk.ask(rows("It is a crane."), classify)
    assert desk.watch.came == {"words": 2}
    assert server.asked == []


def test_a_chat_and_a_classification_can_go_out_in_one_call(desk: Desk) -> None:
    made = desk.ask(rows("One?", "I'm sorry, but no."), lambda c: classify(c) if "sorry" in c["question"] else chat(c))
    assert made.kept["text"].to_list() == ["One?", "1.0"]


def test_one_image_s_prompts_are_asked_together(desk: Desk, server: ChatServer) -> None:
    shas = [desk.images.keep(picture(n)) for n in (0, 1, 0, 1, 0, 1)]
    desk.ask(rows(*"abcdef", image=shas, model=["near"] * 6))
    first, second = sorted(set(shas))
    by_image = {sha: [q for q, s in zip("abcdef", shas, strict=True) if s == sha] for sha in shas}
    sent = [str(m["messages"][0]["content"][1]["text"]) for m in server.asked]
    assert len(sent) == 6
    assert sent == by_image[first] + by_image[second]


def test_no_rows_ask_nothing(desk: Desk, server: ChatServer) -> None:
    made = desk.ask(rows())
    assert (made.kept.height, made.considered, server.asked, desk.watch.owed) == (0, 0, [], [])


def test_progress_is_told_from_beginning_to_end(desk: Desk) -> None:
    desk.ask(rows("One?", "400", "503"))
    assert (desk.watch.owed, desk.watch.came, desk.watch.ended) == ([{"far": 3}], {"far": 3}, 1)
    desk.ask(rows("One?", "400"))
    assert (len(desk.watch.owed), desk.watch.ended) == (1, 1)


BEFORE = {
    "an unknown model": ("nobody", chat, r"unknown model 'nobody'; .*models\.toml know engine, far, keyless, near, shy, words"),
    "a missing key": ("keyless", chat, "keyless needs an API key: set the environment variable TETRAD_TEST_NO_SUCH_KEY"),
    "a chat of a classifier": ("words", chat, "the model words cannot chat: lexicon can classify"),
    "a classification of a chat model": ("near", classify, "the model near cannot classify: openai can chat"),
}  # fmt: skip


@pytest.mark.parametrize(("model", "ask", "line"), BEFORE.values(), ids=BEFORE)
def test_what_the_user_can_mend_is_one_line_before_anything_is_sent(
    desk: Desk, server: ChatServer, model: str, ask: Any, line: str
) -> None:
    table = rows("One?", "Two?", model=["far", model])
    with pytest.raises(UserError, match=line) as error:
        desk.ask(table, lambda cells: chat(cells) if cells["model"] == "far" else ask(cells))
    assert "\n" not in str(error.value)
    assert (server.asked, len(desk.replies), desk.watch.owed) == ([], 0, [])


def test_a_text_cannot_be_scored_by_a_server_that_only_chats(desk: Desk, server: ChatServer) -> None:
    with pytest.raises(UserError, match="the model far cannot score: openai can chat"):
        desk.ask(rows("One?"), lambda c: Score(model="far", messages=(), answer=c["question"]))
    assert server.asked == []


def test_a_key_is_needed_only_for_what_is_owed(
    desk: Desk, server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ask(rows("One?"))
    desk.close()
    monkeypatch.delenv("TETRAD_TEST_KEY")
    later = Desk(tmp_path, server)
    assert later.ask(rows("One?")).kept["text"].to_list() == ["One?"]
    with pytest.raises(UserError, match="set the environment variable TETRAD_TEST_KEY"):
        later.ask(rows("One?", "Two?"))
    later.close()


def test_a_preview_shows_what_is_owed_until_it_has_seen_enough_and_sends_nothing(
    desk: Desk, server: ChatServer
) -> None:
    desk.ask(rows("One?"))
    shown: list[Request] = []

    def look(request: Request) -> bool:
        shown.append(request)
        return len(shown) < 2

    desk.generate.preview = look
    with pytest.raises(Halt):
        desk.ask(rows("One?", "Two?", "Three?", "Four?"))
    assert shown == [chat({"question": "Two?"}), chat({"question": "Three?"})]
    assert (len(server.asked), len(desk.replies)) == (1, 1)


def test_a_preview_of_what_is_kept_goes_on(desk: Desk) -> None:
    desk.ask(rows("One?"))
    desk.generate.preview = lambda _: False
    assert desk.ask(rows("One?")).kept["text"].to_list() == ["One?"]


def test_what_a_row_drops_is_counted_with_what_it_keeps(desk: Desk) -> None:
    def picky(cells: Cells, request_id: str, reply: Reply) -> Iterable[Said | Dropped]:
        if isinstance(reply.result, Failure):
            yield Dropped(stage="said", id=cells["id"], reason="no answer", detail=reply.result.error)
        else:
            yield from read(cells, request_id, reply)

    made = desk.generate(rows("One?", "400", "503"), chat, picky, Said)
    assert (made.considered, made.kept.height) == (3, 1)
    assert made.dropped["detail"].to_list() == ["bad_request", "server"]
    assert desk.generate.owed == 1


def test_a_disk_that_fills_up_is_one_line_and_nothing_kept_is_asked_again(small_disk: Path, server: ChatServer) -> None:
    table = rows(*[f"Question {n} {'x' * 1000}" for n in range(100)])
    desk = Desk(small_disk, server)
    with pytest.raises(UserError, match=r"the disk under .* is full: free some space and run the same command again"):
        desk.ask(table)
    kept = len(desk.replies)
    assert 5 < kept < 60
    assert desk.watch.ended == 1
    desk.close()
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    server.asked.clear()
    later = Desk(small_disk, server)
    assert later.ask(table).kept["text"].to_list() == table["question"].to_list()
    assert len(server.asked) == 100 - kept
    later.close()


def test_what_a_providers_terms_forbid_is_not_sent_and_says_so(desk: Desk) -> None:
    table = rows("A loan?", "A slur?", "Neither?", model=["shy"] * 3, subcategory=["loans", "slurs", None])
    made = desk.ask(table, classify)
    assert made.kept["error"].to_list() == ["terms", None, None]
    assert desk.watch.owed == [{"shy": 2}]
    assert desk.generate.owed == 0, "asking later would not help"
    assert len(desk.replies) == 2


def test_a_model_without_terms_is_sent_everything(desk: Desk) -> None:
    made = desk.ask(rows("A loan?", subcategory=["loans"]), classify)
    assert made.kept["error"].to_list() == [None]


def test_thousands_of_rows_meet_their_replies_in_order(desk: Desk) -> None:
    table = rows(*[f"I cannot do {n}" if n % 3 else f"Here is {n}" for n in range(2 * CHUNK + 5)])
    made = desk.ask(table, classify)
    assert made.kept["id"].to_list() == table["id"].to_list()
    assert [text == "1.0" for text in made.kept["text"]] == [n % 3 > 0 for n in range(2 * CHUNK + 5)]


def test_requests_with_one_beginning_go_out_together_image_by_image(desk: Desk, server: ChatServer) -> None:
    shas = [desk.images.keep(picture(n % 2)) for n in range(8)]
    table = rows(*[f"Question {n}" for n in range(8)], image=shas, system=["kind", "kind", "curt", "curt"] * 2)

    def ask(cells: Cells) -> Request:
        turns = (
            Message(role="system", text=cells["system"]),
            Message(role="user", text=cells["question"], images=(cells["image"],)),
        )
        return Chat(model="near", messages=turns)

    desk.ask(table, ask)
    sent = [(r["messages"][0]["content"], r["messages"][1]["content"][0]["image_url"]["url"]) for r in server.asked]
    assert len(set(sent)) == 4
    assert sum(a != b for a, b in pairwise(sent)) == 3, "each beginning is met once"


def test_what_replies_took_is_counted_by_model(desk: Desk) -> None:
    desk.ask(rows("One?"))
    desk.generate.asking = {}
    desk.ask(rows("One?", "Two?", "503"))
    took = desk.generate.asking["far"]
    assert (took.requests, took.owed, took.asked) == (3, 1, 2)
    assert (took.tokens_in, took.tokens_out) == (14, 10)
    assert took.seconds > 0


def test_a_reply_says_which_run_asked(desk: Desk) -> None:
    made = desk.ask(rows("One?"))
    kept = desk.replies.kept(made.kept["request_id"][0])
    assert kept is not None
    assert kept.run == "a run"
    assert kept.cost is None, "it has no price"


def test_an_engine_that_is_not_installed_is_found_before_anything_is_asked(desk: Desk, server: ChatServer) -> None:
    with pytest.raises(UserError, match=r"the model engine needs the package vllm: pip install 'tetrad\[vllm\]'"):
        desk.ask(rows("One?", "Two?", model=["far", "engine"]))
    assert server.asked == []
