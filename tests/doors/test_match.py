"""What is on a list of known material is neither kept nor shown, and what cannot be matched stays out."""

import hashlib
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_fetch import Shelf, fetched, original

from pipeline.doors.fetch import MATCHED, Fetch, Fetched, NotFetched
from pipeline.doors.match import COMMAND, LIST, Both, Command, HashList, Matcher, MatcherError, configured
from pipeline.errors import UserError

PICTURES = {"a.jpg": b"apes", "b.jpg": b"bees"}


def hash_list(folder: Path, *lines: str) -> HashList:
    path = folder / "hashes.txt"
    path.write_text("\n".join(lines))
    return HashList(path)


def program(folder: Path, body: str) -> Command:
    """A command that runs Python: `data` holds what it gets."""
    path = folder / "matcher.py"
    path.write_text(f"import sys\ndata = sys.stdin.buffer.read()\n{body}\n")
    return Command(shlex.join([sys.executable, str(path)]))


@pytest.mark.parametrize("kind", [hashlib.md5, hashlib.sha1, hashlib.sha256])
def test_a_hash_of_any_of_the_three_kinds_matches_and_names_its_label(
    kind: Callable[[bytes], "hashlib._Hash"], tmp_path: Path
) -> None:
    known = hash_list(tmp_path, "# a list", "", f"{kind(b'apes').hexdigest().upper()}, list seven", "0" * 64)
    assert known.match(b"apes") == "list seven"
    assert known.match(b"bees") is None


@pytest.mark.parametrize(
    ("text", "fault"),
    {"": "is empty", "# nothing\n": "is empty", "abc": "line 1: no MD5", "zz" * 16: "line 1: no MD5"}.items(),
)
def test_a_list_that_would_match_nothing_is_one_line_for_the_user(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=fault):
        hash_list(tmp_path, text)
    with pytest.raises(UserError, match="cannot read the list of hashes"):
        HashList(tmp_path / "nowhere.txt")


def test_a_command_says_by_its_exit_code_what_it_knows(tmp_path: Path) -> None:
    known = program(tmp_path, "print('case 7'); sys.exit(data == b'apes')")
    assert known.match(b"apes") == "case 7"
    assert known.match(b"bees") is None


@pytest.mark.parametrize("body", ["sys.exit(2)", "raise OSError", "import os; os.kill(os.getpid(), 9)"])
def test_a_command_that_breaks_down_cannot_say(body: str, tmp_path: Path) -> None:
    broken = program(tmp_path, f"\n{body}" if body != "raise OSError" else "sys.exit(3)")
    with pytest.raises(MatcherError, match="exit code"):
        broken.match(b"apes")


def test_a_command_that_is_not_there_is_found_before_anything_is_fetched() -> None:
    for line in ("", "no-such-program --flag"):
        with pytest.raises(UserError, match=COMMAND):
            Command(line)


def test_the_environment_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured() is None
    hash_list(tmp_path, hashlib.sha1(b"apes", usedforsecurity=False).hexdigest())
    monkeypatch.setenv(LIST, str(tmp_path / "hashes.txt"))
    one = configured()
    assert isinstance(one, HashList)
    monkeypatch.setenv(COMMAND, f"{sys.executable} -c pass")
    both = configured()
    assert isinstance(both, Both)
    assert both.match(b"apes") == "hashes.txt"
    assert both.match(b"bees") is None
    assert both.fingerprint.startswith(one.fingerprint)


def keeping(folder: Path, matcher: Matcher | None) -> dict[str, bytes | str]:
    """What comes in, and under which reason it does not."""
    fetch, shelf = Fetch(folder, matcher=matcher), Shelf(dict(PICTURES))
    try:
        return {key: original(fetch, shelf, key) for key in PICTURES}
    finally:
        fetch.close()


def kept(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in (folder / "originals").glob("??/*")}


def test_a_match_is_not_kept_and_stays_out_when_the_list_is_gone(tmp_path: Path) -> None:
    known = hash_list(tmp_path, f"{hashlib.sha256(b'apes').hexdigest()} case 7")
    assert keeping(tmp_path, known) == {"a.jpg": MATCHED, "b.jpg": b"bees"}
    assert kept(tmp_path) == {b"bees"}
    assert keeping(tmp_path, None) == {"a.jpg": MATCHED, "b.jpg": b"bees"}
    entries = [json.loads(line) for line in (tmp_path / "originals" / "fetched.jsonl").read_text().splitlines()]
    (matched,) = [e for e in entries if "matched" in e]
    assert (matched["matched"], matched["sha256"]) == ("case 7", hashlib.sha256(b"apes").hexdigest())


def test_a_list_that_comes_later_removes_what_was_kept_already_and_what_was_made_of_it(tmp_path: Path) -> None:
    fetch, shelf = Fetch(tmp_path), Shelf(dict(PICTURES))
    (one,) = fetched(fetch, shelf, "a.jpg")
    assert isinstance(one, Fetched)
    picture = fetch.rebuilt(one.original_sha256, b"an ape's picture")
    assert picture in fetch.images
    fetch.close()
    known = hash_list(tmp_path, hashlib.md5(b"apes", usedforsecurity=False).hexdigest())
    assert keeping(tmp_path, known) == {"a.jpg": MATCHED, "b.jpg": b"bees"}
    assert kept(tmp_path) == {b"bees"}
    assert not list((tmp_path / "images").glob("??/*"))


def test_what_cannot_be_matched_stays_out_and_is_owed(tmp_path: Path) -> None:
    fetch, shelf = Fetch(tmp_path, matcher=program(tmp_path, "sys.exit(2)")), Shelf(dict(PICTURES))
    assert fetched(fetch, shelf, *PICTURES) == [NotFetched("not screened", "exit code 2", owed=True)] * 2
    assert fetch.owed == 2
    fetch.close()
    assert not kept(tmp_path)
    assert keeping(tmp_path, program(tmp_path, "sys.exit(0)")) == PICTURES


def test_what_was_matched_by_the_same_matcher_is_not_matched_again(tmp_path: Path) -> None:
    once = program(tmp_path, f"open({str(tmp_path / 'seen')!r}, 'a').write('x')")
    for _ in range(2):
        assert keeping(tmp_path, once) == PICTURES
    assert (tmp_path / "seen").read_text() == "xx"
