"""The store's files: whatever is kept, made owed, sealed, torn, forgotten and opened again, the last row of an id counts."""

import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.doors.replies import Kept, Replies
from pipeline.doors.store.kept import COLUMNS, kept_of, line_of, row_in, row_of, rows_of, table_of
from pipeline.errors import UserError
from pipeline.requests import (
    Answer,
    AnyRequest,
    Chat,
    Classified,
    Classify,
    Embed,
    Embedded,
    Failure,
    Line,
    Message,
    Reply,
    Score,
    Scored,
    Transcribed,
    failed,
    images_of,
    request_id,
)  # fmt: skip

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
NUMBER = st.floats(width=64)
SHA = st.sampled_from(["a" * 64, "b" * 64, "c" * 64])
MAYBE = st.none() | TEXT
MESSAGES = st.lists(
    st.builds(Message, role=st.sampled_from(["system", "user"]), text=TEXT, images=st.lists(SHA, max_size=2).map(tuple)),
    max_size=2,
).map(tuple)  # fmt: skip
REQUESTS: st.SearchStrategy[AnyRequest] = st.one_of(
    st.builds(Chat, model=st.just("m"), messages=MESSAGES, json_schema=MAYBE, number=st.integers(0, 9)),
    st.builds(Score, model=st.just("m"), messages=MESSAGES, answer=TEXT.filter(bool)),
    st.builds(Classify, model=st.just("m"), context=TEXT, text=TEXT, image=st.none() | SHA),
    st.builds(Embed, model=st.just("m"), text=MAYBE, image=st.none() | SHA),
)
RESULTS: st.SearchStrategy[Any] = st.one_of(
    st.builds(Answer, text=TEXT, reasoning=MAYBE, finish=st.sampled_from(["stop", "length", "refusal"])),
    st.builds(Scored, logprobs=st.lists(NUMBER, max_size=4).map(tuple)),
    st.builds(
        Transcribed,
        lines=st.lists(st.builds(Line, text=TEXT, score=NUMBER, box=st.tuples(*[NUMBER] * 4)), max_size=3).map(tuple),
    ),
    st.builds(Classified, labels=st.dictionaries(TEXT, NUMBER, max_size=3)),
    st.builds(Embedded, vector=st.lists(NUMBER, max_size=4).map(tuple)),
    st.builds(Failure, error=st.sampled_from(["refused", "bad_request"]), message=TEXT),
)
COUNTS = st.none() | st.integers(0, 2**40)
REPLIES = st.builds(
    Reply, result=RESULTS, answered_by=MAYBE, provider_id=MAYBE, tokens_in=COUNTS, tokens_out=COUNTS,
    seconds=st.none() | st.floats(0, 1e6),
)  # fmt: skip
KEPT = st.builds(
    Kept, id=st.integers(0, 2**128 - 1).map(lambda n: f"{n:032x}"), at=st.floats(0, 4e9), run=MAYBE, revision=MAYBE,
    cost=st.none() | st.floats(0, 1e3), request=REQUESTS, reply=REPLIES,
)  # fmt: skip
CHAT = Chat(model="m", messages=(Message(role="user", text="What is it?", images=("a" * 64,)),))
HELLO = Reply(result=Answer(text="Hello."))


def name(number: int) -> str:
    return f"{number:032x}"


def same(one: object, other: object) -> bool:
    """Equal, NaN included, of which none equals another."""
    return repr(one) == repr(other)


@settings(max_examples=200, deadline=None)
@given(st.lists(KEPT, max_size=4))
def test_a_row_gives_back_what_was_kept_from_a_line_and_from_parquet(kept: list[Kept]) -> None:
    lines = [line_of(row_of(one)) for one in kept]
    rows = [row_in(line) or {} for line in lines]
    assert same([kept_of(row) for row in rows], kept)
    assert same([kept_of(row) for row in rows_of(table_of(rows))], kept)


def test_every_field_of_a_reply_has_a_column() -> None:
    records = (Answer, Scored, Classified, Embedded, Transcribed, Failure, Reply, Kept)
    fields = {field for record in records for field in record.model_fields} - {"result", "reply"}
    assert fields | {"model"} == set(COLUMNS.names)


class Store(RuleBasedStateMachine):
    """The store against a list of what happened to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.replies = Replies(self.folder, write=True)
        self.happened: list[tuple[str, AnyRequest | None, Reply | None]] = []
        self.ends: list[int] = []
        """Where the lines of the growing log end: of the last that happened."""

    def teardown(self) -> None:
        self.replies.close()
        shutil.rmtree(self.folder)

    def _happen(self, number: int, request: AnyRequest | None, reply: Reply | None) -> None:
        self.happened.append((name(number), request, reply))
        self.ends.append(self._log().stat().st_size)

    def _log(self) -> Path:
        return max(self.folder.glob("replies/*.jsonl"))

    @rule(number=st.integers(0, 6), request=REQUESTS, reply=REPLIES)
    def keep(self, number: int, request: AnyRequest, reply: Reply) -> None:
        self.replies.keep(name(number), "m 1", request, reply, run="r", cost=0.5)
        self._happen(number, request, reply)

    @rule(number=st.integers(0, 6))
    def owe(self, number: int) -> None:
        self.replies.owe(name(number))
        self._happen(number, None, None)

    @rule()
    def seal(self) -> None:
        kept = sum(reply is not None for _, _, reply in self.happened[len(self.happened) - len(self.ends) :])
        assert self.replies.seal() == kept
        self.ends = []

    @rule()
    def reopen(self) -> None:
        self.replies.close()
        self.replies = Replies(self.folder, write=True)

    @precondition(lambda self: self.ends)
    @rule(share=st.floats(0, 1))
    def tear(self, share: float) -> None:
        self.replies.close()
        cut = int(share * self.ends[-1])
        os.truncate(self._log(), cut)
        whole = [end for end in self.ends if end <= cut]
        del self.happened[len(self.happened) - len(self.ends) + len(whole) :]
        self.ends = whole
        self.replies = Replies(self.folder, write=True)

    @rule(numbers=st.sets(st.integers(0, 6), max_size=2), images=st.sets(SHA, max_size=1))
    def forget(self, numbers: set[int], images: set[str]) -> None:
        ids, gone = {name(n) for n in numbers}, 0
        kept, ends = [], []
        shift = len(self.happened) - len(self.ends)
        for n, (one, request, reply) in enumerate(self.happened):
            goes = one in ids or (request is not None and bool(images & set(images_of(request))))
            gone += goes and reply is not None
            if not goes or reply is None:
                kept.append((name(0) if goes else one, request, reply))
                ends += [0] * (n >= shift)
        assert self.replies.forget(ids, images) == gone
        self.happened = kept
        whole = self._log().read_bytes().split(b"\n")[:-1]
        self.ends = [sum(len(line) + 1 for line in whole[: n + 1]) for n in range(len(whole))]
        assert len(self.ends) == len(ends)

    @invariant()
    def is_what_happened(self) -> None:
        last = {one: (request, reply) for one, request, reply in self.happened}
        live = {one: pair for one, pair in last.items() if pair[1] is not None}
        ids = [name(n) for n in range(8)]
        assert len(self.replies) == len(live)
        assert self.replies.missing(pl.Series(ids)).to_list() == [i not in live for i in ids]
        many = self.replies.many(ids)
        assert same([many.get(i) for i in ids], [live.get(i, (None, None))[1] for i in ids])
        for i in ids:
            kept = self.replies.kept(i)
            assert same((kept.request, kept.reply) if kept else (None, None), live.get(i, (None, None)))
        assert self.replies.epoch == sum(reply is None for _, _, reply in self.happened)
        assert self.replies.spent("r") == 0.5 * sum(reply is not None for _, _, reply in self.happened)
        errors = {i: r.result.error for i, (_, r) in live.items() if r and isinstance(r.result, Failure)}
        assert self.replies.failures() == errors
        assert self.replies.stats()["replies"].sum() == len(live)


TestStore = Store.TestCase
TestStore.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_a_full_log_is_sealed_beside_the_asking_and_nothing_is_lost_meanwhile(tmp_path: Path) -> None:
    replies = Replies(tmp_path, write=True)
    expected = {name(n): Reply(result=Answer(text=f"{n} " * 3_000_000)) for n in range(10, 18)}
    expected |= {name(n): HELLO for n in range(20, 30)}
    for one, reply in expected.items():
        replies.keep(one, "m", CHAT, reply)
        assert one in replies
    replies.owe(name(10))
    first = tmp_path / "replies" / "000001.parquet"
    while first.with_suffix(".jsonl").exists():
        time.sleep(0.01)
        replies.sync()
    del expected[name(10)]
    replies.sync()
    assert first.exists()
    assert replies.many(expected) == expected
    assert (len(replies), name(10) in replies) == (len(expected), False)
    replies.close()
    again = Replies(tmp_path, write=True)
    assert again.many(expected) == expected
    assert len(again) == len(expected)
    again.close()


def filled(folder: Path, number: int = 10) -> Replies:
    """A store of one sealed segment and of an open one, half each, whose ids fit their requests."""
    replies = Replies(folder, write=True)
    for n in range(number):
        if n == number // 2:
            replies.seal()
        request = Chat(model="m", messages=CHAT.messages, number=n)
        replies.keep(request_id(request, "m 1"), "m 1", request, Reply(result=Answer(text=f"heron {n}"), tokens_in=n))
    return replies


def test_when_a_kill_leaves_both_files_of_a_segment_the_parquet_counts(tmp_path: Path) -> None:
    replies = filled(tmp_path)
    log = tmp_path / "replies" / "000002.jsonl"
    before = log.read_bytes()
    replies.seal()
    replies.close()
    log.write_bytes(before[:-30])
    (tmp_path / "replies" / "000003.parquet.aside").write_bytes(b"half")
    reader = Replies(tmp_path, write=False)
    assert (len(reader), reader.check(), log.exists()) == (10, [], True)
    reader.close()
    writer = Replies(tmp_path, write=True)
    assert (len(writer), log.exists()) == (10, False)
    assert list(tmp_path.glob("replies/*.aside")) == []
    writer.close()


def test_polars_reads_the_sealed_segments_while_the_run_goes_on(tmp_path: Path) -> None:
    replies = filled(tmp_path)
    rows = pl.read_parquet(tmp_path / "replies" / "*.parquet")
    assert rows["text"].to_list() == [f"heron {n}" for n in range(5)]
    assert rows.columns == COLUMNS.names
    replies.close()


def test_a_reader_keeps_its_view_while_the_writer_seals(tmp_path: Path) -> None:
    writer = filled(tmp_path)
    reader = Replies(tmp_path, write=False)
    before = reader.many(reader.failures() | dict.fromkeys(rows_ids(tmp_path), ""))
    writer.seal()
    writer.forget(set(), {"a" * 64})
    assert len(reader) == 10
    assert reader.many(before) == before
    assert len(before) == 5
    reader.close()
    writer.close()


def rows_ids(folder: Path) -> list[str]:
    return pl.read_parquet(folder / "replies" / "*.parquet")["id"].to_list()


def test_the_check_finds_nothing_in_a_sound_store(tmp_path: Path) -> None:
    replies = filled(tmp_path)
    assert replies.check() == []
    replies.close()


def test_the_check_finds_lines_nobody_can_read_wherever_they_are_and_the_others_stay(tmp_path: Path) -> None:
    replies = filled(tmp_path)
    replies.close()
    log = tmp_path / "replies" / "000002.jsonl"
    lines = log.read_bytes().splitlines()
    lines[1] = bytes(len(lines[1]))
    lines[3] = lines[3][:50]
    log.write_bytes(b"\n".join(lines) + b"\n")
    again = Replies(tmp_path, write=True)
    faults = [f"000002.jsonl, line {n}: nobody can read it" for n in (2, 4)]
    assert (again.check(), len(again)) == (faults, 8)
    assert again.seal() == 0, "what nobody can read is not thrown away"
    again.keep(name(1), "m", CHAT, HELLO)
    again.close()
    later = Replies(tmp_path, write=False)
    assert (later.check()[:2], len(later)) == (faults, 9)
    later.close()


def test_the_check_finds_a_page_that_the_disk_changed(tmp_path: Path) -> None:
    filled(tmp_path).close()
    path = tmp_path / "replies" / "000001.parquet"
    data = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(0)
    text = next(group.column(n) for n in range(group.num_columns) if group.column(n).path_in_schema == "text")
    data[text.data_page_offset + text.total_compressed_size - 3] ^= 0xFF
    path.write_bytes(data)
    replies = Replies(tmp_path, write=False)
    (fault,) = replies.check()
    assert fault.startswith("000001.parquet, row group 0: ")
    replies.close()


def test_a_segment_without_an_end_is_one_line_for_the_user(tmp_path: Path) -> None:
    filled(tmp_path).close()
    path = tmp_path / "replies" / "000001.parquet"
    os.truncate(path, path.stat().st_size - 5)
    with pytest.raises(UserError, match=r"000001.parquet is damaged .*: put a copy back") as error:
        Replies(tmp_path, write=False)
    assert "\n" not in str(error.value)


def test_the_check_finds_a_missing_segment_and_ids_that_do_not_fit(tmp_path: Path) -> None:
    replies = filled(tmp_path)
    replies.keep(name(7), "m 1", CHAT, HELLO)
    replies.close()
    (tmp_path / "replies" / "000001.parquet").unlink()
    later = Replies(tmp_path, write=False)
    assert later.check() == ["segment 000001 is missing", f"000002.jsonl, {name(7)}: does not fit its request"]
    later.close()


def test_a_value_that_fits_no_column_leaves_its_segment_a_log(tmp_path: Path) -> None:
    replies = Replies(tmp_path, write=True)
    reply = Reply(result=Answer(text="much"), tokens_in=10**30)
    replies.keep(name(1), "m", CHAT, reply)
    assert replies.seal() == 0
    assert replies.many([name(1)]) == {name(1): reply}
    replies.close()


def test_what_is_kept_is_counted(tmp_path: Path) -> None:
    replies = filled(tmp_path)
    replies.keep(name(1), "n 1", CHAT, failed("refused", "no"), cost=0.25)
    stats = replies.stats().rows(named=True)
    assert [(r["revision"], r["error"], r["replies"], r["open"], r["sealed"]) for r in stats] == [
        ("m 1", None, 10, 5, 5),
        ("n 1", "refused", 1, 1, 0),
    ]
    assert [(r["tokens_in"], r["cost"]) for r in stats] == [(45, 0.0), (0, 0.25)]
    assert all(r["bytes"] > 100 for r in stats)
    replies.close()


def test_sealed_on_a_full_disk_everything_stays(small_disk: Path) -> None:
    replies = Replies(small_disk, write=True)
    for n in range(3):
        replies.keep(name(n), "m", CHAT, Reply(result=Answer(text=os.urandom(8000).hex())))
    with pytest.raises(UserError, match="is full"):
        replies.seal()
    assert len(replies.many([name(n) for n in range(3)])) == 3
    assert list(small_disk.glob("replies/*.aside")) == []
    replies.close()


def test_infinities_and_nan_survive_the_sealing(tmp_path: Path) -> None:
    replies = Replies(tmp_path, write=True)
    reply = Reply(result=Scored(logprobs=(-math.inf, math.nan, -0.0)))
    replies.keep(name(1), "m", Score(model="m", messages=(), answer="x"), reply)
    replies.seal()
    assert same(replies.many([name(1)])[name(1)], reply)
    replies.close()


WRITER = """
import sys
from pathlib import Path
from pipeline.doors.replies import Replies
from pipeline.requests import Answer, Chat, Reply
replies = Replies(Path(sys.argv[1]), write=True)
first = len(replies)
for n in range(first, first + 2000):
    text = f"{n} " * 200_000
    replies.keep(f"{n:032x}", "m", Chat(model="m", messages=()), Reply(result=Answer(text=text)))
    replies.sync()
    print(n, flush=True)
"""


@pytest.mark.slow
def test_killed_while_it_writes_and_seals_it_has_all_it_promised(tmp_path: Path) -> None:
    """Replies of a megabyte, so that segments are sealed all the while."""
    promised = -1
    for most in (66, 70, 80):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            for _, line in zip(range(most), writer.stdout, strict=False):
                promised = int(line)
            writer.kill()
        replies = Replies(tmp_path, write=False)
        kept = replies.many([name(n) for n in range(promised + 2)])
        assert [n for n in range(promised + 1) if name(n) not in kept] == []
        texts = [reply.result.text for reply in kept.values() if isinstance(reply.result, Answer)]
        assert {text.split(" ", 1)[0] for text in texts} == {str(int(one, 16)) for one in kept}
        assert len(replies) - promised in (1, 2), "and at most the one under way besides"
        replies.close()
    assert promised >= 210
