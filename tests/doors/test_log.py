"""The log: what is in it was kept, what is not was never promised; and one writer at a time."""

import itertools
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.doors.log import Lock, Log, private_folder, rewrite, whole
from pipeline.errors import UserError

TEXT = st.text(st.characters(codec="utf-8"))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
LINES = st.builds(lambda d, ascii_only: json.dumps(d, ensure_ascii=ascii_only).encode(), DOCUMENTS, st.booleans())


def is_torn(line: bytes) -> bool:
    """Whether no writer can have written this as a whole line."""
    try:
        json.loads(line)
    except ValueError:
        return b"\n" not in line
    return False


TORN = st.binary(max_size=50).filter(is_torn)
numbers = itertools.count()
examples = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


def new(folder: Path, lines: list[bytes], behind: bytes = b"") -> Path:
    """A log with these lines, and something behind them."""
    path = folder / f"{next(numbers)}.jsonl"
    with Log(path, write=True) as log:
        for line in lines:
            log.append(line)
    with path.open("ab") as file:
        file.write(behind)
    return path


def read(path: Path) -> list[bytes]:
    with Log(path, write=False) as log:
        return [line for _, line in log.lines()]


@examples
@given(lines=st.lists(LINES))
def test_what_is_appended_is_read_back(folder: Path, lines: list[bytes]) -> None:
    path = folder / f"{next(numbers)}.jsonl"
    with Log(path, write=True) as log:
        offsets = [log.append(line) for line in lines]
        assert [log.line(offset) for offset in offsets] == lines
        assert list(log.lines()) == list(zip(offsets, lines, strict=True))
    with Log(path, write=False) as log:
        assert list(log.lines()) == list(zip(offsets, lines, strict=True))


@examples
@given(lines=st.lists(LINES, min_size=1, max_size=5), more=LINES, data=st.data())
def test_cut_at_any_byte_the_whole_lines_before_the_cut_stay_and_appending_goes_on(
    folder: Path, lines: list[bytes], more: bytes, data: st.DataObject
) -> None:
    path = new(folder, lines)
    cut = data.draw(st.integers(0, path.stat().st_size))
    os.truncate(path, cut)
    ends = itertools.accumulate(len(line) + 1 for line in lines)
    whole = [line for line, end in zip(lines, ends, strict=True) if end <= cut]
    with Log(path, write=True) as log:
        assert [line for _, line in log.lines()] == whole
        log.append(more)
    assert read(path) == [*whole, more]
    assert path.read_bytes() == b"".join(line + b"\n" for line in [*whole, more])


@examples
@given(lines=st.lists(LINES, max_size=3), garbage=st.lists(TORN, min_size=1, max_size=3), ended=st.booleans())
def test_garbage_behind_the_last_line_is_cut(
    folder: Path, lines: list[bytes], garbage: list[bytes], ended: bool
) -> None:
    path = new(folder, lines, b"\n".join(garbage) + b"\n" * ended)
    assert read(path) == lines
    Log(path, write=True).close()
    assert path.read_bytes() == b"".join(line + b"\n" for line in lines)


@pytest.mark.parametrize("zeros", [1, 4096, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 300_000])
def test_zero_bytes_behind_the_last_line_are_cut(folder: Path, zeros: int) -> None:
    path = new(folder, [b"{}", b'{"a": 1}'], bytes(zeros))
    Log(path, write=True).close()
    assert path.read_bytes() == b'{}\n{"a": 1}\n'


def test_a_file_of_nothing_but_garbage_becomes_an_empty_log(folder: Path) -> None:
    path = new(folder, [], bytes(100_000))
    with Log(path, write=True) as log:
        assert (list(log.lines()), log.end) == ([], 0)
        assert log.append(b"1") == 0


def test_a_line_of_five_megabytes_comes_back_whole_or_torn_not_at_all(folder: Path) -> None:
    long = json.dumps("x" * 5_000_000).encode()
    path = new(folder, [b"1", long, b"2"])
    assert read(path) == [b"1", long, b"2"]
    os.truncate(path, 4_000_000)
    Log(path, write=True).close()
    assert read(path) == [b"1"]


def test_a_reader_leaves_a_torn_file_as_it_is(folder: Path) -> None:
    path = new(folder, [b"1", b"2"], b'{"torn')
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert read(path) == [b"1", b"2"]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_reader_keeps_its_view_while_a_writer_goes_on(folder: Path) -> None:
    path = new(folder, [b"1"])
    with Log(path, write=True) as writer, Log(path, write=False) as reader:
        writer.append(b"2")
        assert [line for _, line in reader.lines()] == [b"1"]
        assert read(path) == [b"1", b"2"]


def test_a_reader_in_the_middle_of_an_append_sees_the_lines_before_it(folder: Path) -> None:
    path = new(folder, [b"1"], b'{"half": ')
    with Log(path, write=False) as reader, path.open("ab") as writer:
        writer.write(b"1}\n")
        writer.flush()
        assert [line for _, line in reader.lines()] == [b"1"]


def test_a_reader_of_a_log_that_is_not_there_finds_nothing_and_makes_nothing(folder: Path) -> None:
    path = folder / "nowhere" / "log.jsonl"
    assert read(path) == []
    assert not path.parent.exists()


def test_appending_goes_on_while_the_lines_are_read(folder: Path) -> None:
    lines = [json.dumps("x" * 1000 + str(n)).encode() for n in range(1000)]
    with Log(new(folder, lines), write=True) as log:
        found = []
        for _, line in log.lines():
            found.append(line)
            if len(found) <= 3:
                log.append(b"0")
        assert found == [*lines, b"0", b"0", b"0"]


def test_two_can_read_the_lines_at_once(folder: Path) -> None:
    lines = [json.dumps("x" * 1000 + str(n)).encode() for n in range(1000)]
    with Log(new(folder, lines), write=False) as log:
        both: Iterator[tuple[tuple[int, bytes], tuple[int, bytes]]] = zip(log.lines(), log.lines(), strict=True)
        assert [(a[1], b[1]) for a, b in both] == [(line, line) for line in lines]


def test_a_log_opened_for_reading_takes_nothing(folder: Path) -> None:
    path = new(folder, [b"1"])
    with Log(path, write=False) as log, pytest.raises(RuntimeError, match="opened for reading"):
        log.append(b"2")
    assert read(path) == [b"1"]


def test_a_full_disk_is_one_line_for_the_user_and_loses_nothing_that_was_promised(small_disk: Path) -> None:
    path = small_disk / "log.jsonl"
    promised: list[bytes] = []
    log = Log(path, write=True)

    def fill() -> None:
        for n in range(1000):
            line = json.dumps(f"{n} " + "x" * 997).encode()
            log.append(line)
            promised.append(line)

    with pytest.raises(UserError, match=r"the disk under .* is full: free some space") as error:
        fill()
    assert "\n" not in str(error.value)
    assert 50 < len(promised) < 66
    assert read(path) == promised
    with pytest.raises(UserError, match="is full"):
        log.append(json.dumps("x" * 100_000).encode())
    log.close()
    assert path.read_bytes() == b"".join(line + b"\n" for line in promised)
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    with Log(path, write=True) as log:
        log.append(b'"there is room again"')
    assert read(path) == [*promised, b'"there is room again"']


def test_a_folder_below_a_file_is_one_line_for_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am no folder")
    for below in (tmp_path / "file" / "log.jsonl", tmp_path / "file" / "deep" / "log.jsonl"):
        with pytest.raises(UserError, match=f"cannot make the folder {re.escape(str(below.parent))}: .*--workspace"):
            Log(below, write=True)


def test_a_disk_mounted_for_reading_is_one_line_for_the_user(small_disk: Path) -> None:
    (small_disk / "there").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(UserError, match=r"cannot make the folder .* Read-only file system"):
        Log(small_disk / "new" / "log.jsonl", write=True)
    with pytest.raises(UserError, match="cannot write in the folder"):
        Lock(small_disk / "there")


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Whatever the code does not guard is open to all."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("no_umask")
def test_folders_are_for_their_user_alone_and_so_are_the_parents_made_with_them(tmp_path: Path) -> None:
    private_folder(tmp_path / "a" / "b" / "c")
    assert {mode(tmp_path / p) for p in ("a", "a/b", "a/b/c")} == {0o700}


@pytest.mark.usefixtures("no_umask")
def test_files_are_for_their_user_alone(tmp_path: Path) -> None:
    Log(tmp_path / "a" / "log.jsonl", write=True).close()
    Lock(tmp_path / "b").release()
    assert {mode(tmp_path / p) for p in ("a", "b")} == {0o700}
    assert {mode(tmp_path / p) for p in ("a/log.jsonl", "b/lock")} == {0o600}


OWNER = """
import sys
from pathlib import Path
from pipeline.doors.log import Lock
from pipeline.errors import UserError
try:
    lock = Lock(Path(sys.argv[1]))
except UserError as error:
    print(error)
else:
    print("mine", flush=True)
    sys.stdin.read()
"""


def owner(folder: Path) -> "subprocess.Popen[str]":
    """Another process that wants the lock, and holds it until its stdin is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_second_process_is_refused_with_one_line_that_names_the_owner(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    said, _ = owner(tmp_path).communicate()
    assert said.count("\n") == 1
    assert f"{tmp_path} is in use by process {os.getpid()} on {socket.gethostname()} since 20" in said
    lock.release()
    said, _ = owner(tmp_path).communicate()
    assert said == "mine\n"


def test_when_the_owner_is_killed_the_next_one_gets_in(tmp_path: Path) -> None:
    with owner(tmp_path) as other:
        assert other.stdout
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(UserError, match=f"in use by process {other.pid} "):
            Lock(tmp_path)
        other.send_signal(signal.SIGKILL)
        other.wait()
        Lock(tmp_path).release()


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    with pytest.raises(UserError, match=f"in use by process {os.getpid()} "):
        Lock(tmp_path)
    lock.release()


def test_a_writer_finds_out_that_another_one_writes_to_its_log(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = Log(path, write=True)
    log.append(b"1")
    log.sync()
    with path.open("ab") as other:
        other.write(b"2\n")
    log.append(b"3")
    with pytest.raises(UserError, match="was changed by somebody else"):
        log.sync()
    log.close()


def test_a_writer_finds_out_that_its_log_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = Log(path, write=True)
    path.unlink()
    log.append(b"1")
    with pytest.raises(UserError, match="was changed by somebody else"):
        log.sync()
    log.close()


@examples
@given(lines=st.lists(LINES), data=st.data())
def test_a_log_is_rewritten_line_by_line(folder: Path, lines: list[bytes], data: st.DataObject) -> None:
    new_ones: dict[bytes, bytes | None] = {line: data.draw(st.none() | LINES | st.just(line)) for line in lines}
    path = new(folder, lines)
    inode = path.stat().st_ino
    changed = sum(new_ones[line] != line for line in lines)
    assert rewrite(path, lambda line: new_ones[line]) == changed
    assert read(path) == [one for line in lines if (one := new_ones[line]) is not None]
    assert (path.stat().st_ino == inode) == (changed == 0)


def test_rewriting_a_log_that_is_not_there_makes_none(tmp_path: Path) -> None:
    assert rewrite(tmp_path / "nowhere.jsonl", lambda _: None) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole(path) as file:
        file.write(b"new" * (1 // len(b"")))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]
    with whole(path) as file:
        file.write(b"new")
    assert [(p.name, p.read_bytes(), mode(p)) for p in tmp_path.iterdir()] == [("file", b"new", 0o600)]


def test_a_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    path = small_disk / "file"
    path.write_bytes(b"old")
    with pytest.raises(UserError, match="is full"), whole(path) as file:
        file.write(b"x" * 100_000)
    assert [(p.name, p.read_bytes()) for p in small_disk.iterdir()] == [("file", b"old")]
