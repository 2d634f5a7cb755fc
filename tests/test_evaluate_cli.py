"""`tetrad evaluate`, over real HTTP: judges that know, judges that take the first, judges that obey what they read."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import ChatServer, Exchange, answering, picture, status
from tiny import Done, tetrad

from pipeline.doors.blobs import Blobs
from pipeline.doors.budget import _most
from pipeline.doors.log import Lock
from pipeline.judges import gold
from pipeline.judges.injections import ALL, PAIRS, injections
from pipeline.judges.pairwise import Pairwise

PROGRAM = Path(sys.executable).with_name("tetrad")
RECIPE = '''
"""Judges of every kind, of models that differ in what they hear."""
from dataclasses import dataclass
from typing import Any

from pipeline.judges.listwise import Listwise
from pipeline.judges.pairwise import Pairwise
from pipeline.judges.rubric import Rubric
from pipeline.judges.safety import Safety
from pipeline.judges.safety_chat import SafetyChat
from pipeline.run import Run
from pipeline.stages.sample import Respondent


@dataclass(frozen=True)
class Pool:
    judges: tuple[Any, ...] = ()
    panel: tuple[Any, ...] = ()
    respondents: tuple[Respondent, ...] = (Respondent("nobody has its key", "locked"),)


POOLS = {
    "all": Pool(
        (Rubric("knowing", "helpfulness"), Listwise("knowing", "helpfulness"), SafetyChat("knowing"), Safety("lexicon")),
        (Pairwise("first"), Pairwise("knowing")),
    ),
    "heard": Pool((Rubric("obeying", "helpfulness"), Rubric("knowing", "helpfulness")), (Pairwise("obeying"), Pairwise("knowing"))),
    "two": Pool(panel=(Pairwise("knowing"),)),
    "late": Pool(panel=(Pairwise("late"),)),
    "locked": Pool(panel=(Pairwise("locked"),)),
    "unknown": Pool(panel=(Pairwise("no-such-model"),)),
    "dumb": Pool(panel=(Pairwise("knowing"), Pairwise("lexicon"))),
    "twins": Pool((Safety("lexicon"), Safety("knowing"))),
    "nobody": Pool(),
}


def build(run: Run[Pool]) -> None: ...
'''
PAIRED = [
    {"question": f"Question {n}?", "response_a": f"{'Good' if n % 2 else 'Bad'} {n}.",
     "response_b": f"{'Bad' if n % 2 else 'Good'} {n}.", "preferred": "a" if n % 2 else "b"}
    for n in range(6)
]  # fmt: skip
LABELLED = "question,response,label\nWhy?,Because.,safe\nWhy?,I hurt him.,unsafe\nWhy?,I cannot help.,refusal\n"


def shown(text: str) -> list[str]:
    """The answers that a judge is shown, as its marks part them."""
    mark = re.findall(r"^(#\w+) Question$", text, re.MULTILINE)[0]
    return re.findall(rf"^{mark} Answer(?: \w+)?\n(.*?)\n(?={mark} )", text, re.MULTILINE | re.DOTALL)


def worth(answer: str) -> int:
    """What is said of an answer by who knows: good ones, and of the pairs with injections the better."""
    return 5 if answer.startswith(("Good", *(pair.better for pair in PAIRS))) else 2


def obeyed(answer: str) -> int:
    """What is said of it by who also does as it says."""
    return 6 if worth(answer) == 2 and answer not in [pair.worse for pair in PAIRS] else worth(answer)


def verdict(model: str, text: str) -> dict[str, Any]:
    """What a model says to a judge's question."""
    answers, wanted = shown(text), text.rstrip().splitlines()[-1]
    values = [(obeyed if model == "obeying" else worth)(answer) for answer in answers]
    if '"preferred"' in wanted:
        return {"preferred": "A" if model == "first" or values[0] > values[1] else "B", "strength": 2}
    if '"ranking"' in wanted:
        return {"scores": values, "ranking": "1>2" if values[0] > values[1] else "2>1"}
    if '"safety"' in wanted:
        return {"safety": "unsafe" if "hurt" in answers[0] else "safe", "severity": -2 if "hurt" in answers[0] else 3}
    return {"rating": min(values[0], 5)}


class Judging(Exchange):
    """Every model judges by its rule; `late` has not been paid."""

    server: "Judges"

    def do_POST(self) -> None:  # noqa: N802 -- so the library names it
        self.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = self.asked["messages"][-1]["content"]
        self.text = content if isinstance(content, str) else content[-1]["text"]
        self.images = []
        self.server.asked.append(self.asked)
        self.server.closing.wait(self.server.pause)
        if self.asked["model"] == "late" and self.server.late:
            status(402)(self)
            return
        answering(content=json.dumps(verdict(self.asked["model"], self.text)))(self)


class Judges(ChatServer):
    """Their server."""

    late = True

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = Judging

    def toml(self) -> str:
        """How they are reached; each has a price, and one a key that nobody set."""
        price = "price = { input = 1000, output = 1000, source = 'a page', date = 2026-11-01 }"
        return "\n".join(
            f'[{name}]\nbackend = "openai"\nserved_as = "{name}"\nrevision = "1"\nbase_url = "{self.url}"\n{extra}\n'
            for name, extra in (
                ("knowing", f"{price}\nconcurrency = 2"), ("first", ""), ("obeying", ""), ("late", ""),
                ("locked", 'key = "TETRAD_TEST_KEY"'),
            )
        )  # fmt: skip


class Place:
    """A folder with the recipe, the gold files and a workspace."""

    def __init__(self, folder: Path, server: Judges) -> None:
        self.folder, self.server = folder, server
        self.workspace, self.recipe = folder / "workspace", folder / "judging.py"
        self.pairs, self.labels = folder / "pairs.jsonl", folder / "labels.csv"
        self.recipe.write_text(RECIPE)
        self.pairs.write_text("\n".join(map(json.dumps, PAIRED)))
        self.labels.write_text(LABELLED)
        (folder / "models.toml").write_text(server.toml())

    def __call__(self, verb: str, *arguments: str | Path, pool: str = "all") -> Done:
        return tetrad("evaluate", verb, self.recipe, "--pool", pool, *arguments, "--workspace", self.workspace)

    def rows(self, verb: str, *arguments: str | Path, pool: str = "all") -> list[dict[str, Any]]:
        """What a command that goes well prints as JSON."""
        done = self(verb, *arguments, "--json", pool=pool)
        assert done.code == 0, done.err
        found: list[dict[str, Any]] = json.loads(done.out)
        return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place of its own."""
    with Judges() as server:
        monkeypatch.setenv("TETRAD_MODELS", str(tmp_path / "models.toml"))
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.delenv("TETRAD_TEST_KEY", raising=False)
        yield Place(tmp_path, server)


def test_a_judge_that_knows_is_right_and_one_that_takes_the_first_contradicts_itself(place: Place) -> None:
    rows = place.rows("judges", "--gold", place.pairs)
    found = {row["judge"]: (row["accuracy"], row["order_consistency"], row["calls"]) for row in rows}
    assert found == {
        "knowing/pairwise": (1.0, 1.0, 12),
        "knowing/helpfulness": (1.0, None, 12),
        "knowing/listwise/helpfulness": (1.0, None, 6),
        "knowing/safety": (0.0, None, 12),
        "safety": (0.0, None, 12),
        "first/pairwise": (0.0, 0.0, 12),
    }
    assert [row["accuracy"] for row in rows] == sorted((row["accuracy"] for row in rows), reverse=True)
    costs = {row["judge"]: row["cost"] for row in rows}
    assert costs["knowing/pairwise"] == pytest.approx(12 * 12 / 1000), "7 tokens in and 5 out, each"
    assert costs["first/pairwise"] is costs["safety"] is None, "nobody wrote down a price"


def test_a_second_call_asks_nothing_and_says_the_same(place: Place) -> None:
    first = place("judges", "--gold", place.pairs)
    asked = len(place.server.asked)
    assert asked == 12 * 4 + 6
    assert f"models were asked {asked + 12} times" in first.err, "the word lists are asked, too"
    second = place("judges", "--gold", place.pairs)
    assert len(place.server.asked) == asked
    assert "models were asked 0 times" in second.err
    assert (first.code, second.code, second.out) == (0, 0, first.out)


def test_a_table_for_people_names_every_judge_in_full_the_best_first(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    header, *lines = place("judges", "--gold", place.pairs).out.splitlines()
    assert header.split() == ["judge", "items", "right", "95", "%", "same", "unread", "refused", "calls", "USD"]
    assert lines[0].split() == ["knowing/helpfulness", "6", "1.00", "1.00-1.00", "-", "0.00", "0.00", "12", "0.1440"]
    assert lines[5].split()[-1] == "-", "nobody wrote down a price"
    assert lines[6].startswith("same: ")
    monkeypatch.setenv("COLUMNS", "76")
    narrow = place("judges", "--gold", place.pairs).out.splitlines()
    names = "".join(line.split()[0] for line in narrow[1:] if not line.startswith("same"))
    assert "knowing/listwise/helpfulness" in names, "folded, not cut off"


def test_labels_are_asked_of_judges_of_safety_and_it_is_said_who_is_left_out(place: Place) -> None:
    done = place("judges", "--gold", place.labels, "--json")
    assert {(row["judge"], row["kind"], row["items"]) for row in json.loads(done.out)} == {
        ("knowing/safety", "label", 3),
        ("safety", "label", 3),
    }
    assert json.loads(done.out)[0]["accuracy"] == 1.0
    assert "left out, for they give no label: knowing/helpfulness, knowing/listwise" in done.err
    assert len(place.server.asked) == 3


def test_only_the_judges_that_are_named_are_asked(place: Place) -> None:
    rows = place.rows("judges", "--gold", place.pairs, "--judge", "first/pairwise", "--judge", "safety")
    assert {row["judge"] for row in rows} == {"first/pairwise", "safety"}
    assert {asked["model"] for asked in place.server.asked} == {"first"}


def test_an_obeying_judge_flips_and_a_steadfast_one_does_not(place: Place) -> None:
    rows = {row["judge"]: row for row in place.rows("injections", pool="heard") if row["family"] == ALL}
    assert list(rows) == ["knowing/helpfulness", "knowing/pairwise", "obeying/helpfulness", "obeying/pairwise"]
    number = len(injections())
    assert {(row["read"], row["flipped"]) for row in rows.values() if row["judge"].startswith("knowing")} == {
        (number, 0),
        (2 * number, 0),
    }
    assert rows["obeying/pairwise"]["rate"] == rows["obeying/helpfulness"]["rate"] == 1.0
    assert len(place.server.asked) == 4 * (number + len(PAIRS)) + 2 * (number + len(PAIRS))


def test_what_injections_were_answered_is_kept_and_tabled(place: Place) -> None:
    first = place("injections", pool="two")
    asked = len(place.server.asked)
    again = place("injections", pool="two")
    assert (first.code, again.code, again.out) == (0, 0, first.out)
    assert len(place.server.asked) == asked
    header, whole, *lines = first.out.splitlines()
    assert header.split() == ["judge", "family", "read", "flipped", "rate", "95", "%", "unread", "refused"]
    assert whole.split()[:5] == ["knowing/pairwise", ALL, str(2 * len(injections())), "0", "0.00"]
    families = {attack.family for attack in injections()}
    assert [line.split()[0] for line in lines[: len(families)]] == sorted(families)


def test_gold_items_on_images_show_the_image(place: Place) -> None:
    image = Blobs(place.workspace / "images").keep(picture("gold"))
    place.pairs.write_text("\n".join(json.dumps({**row, "image": image}) for row in PAIRED))
    place.rows("judges", "--gold", place.pairs, pool="two")
    assert all(asked["messages"][0]["content"][0]["type"] == "image_url" for asked in place.server.asked)


def test_what_a_server_would_not_answer_yet_is_asked_again_by_the_same_command(place: Place) -> None:
    late = place("judges", "--gold", place.pairs, pool="late")
    assert late.code == 0, late.err
    assert "12 replies are owed: the same command asks for them again" in late.err
    place.server.late = False
    (row,) = place.rows("judges", "--gold", place.pairs, pool="late")
    assert row["accuracy"] == 1.0


@pytest.mark.parametrize("image", ["cat.jpg", "0" * 64, "../../models.toml", "/etc/hostname"])
def test_an_image_that_is_not_kept_is_found_before_anything_is_asked(image: str, place: Place) -> None:
    place.pairs.write_text(json.dumps({**PAIRED[0], "image": image}))
    assert_one_line(place("judges", "--gold", place.pairs), f"the image '{image}' is not in ")
    assert place.server.asked == []


def assert_one_line(done: Done, words: str) -> None:
    assert done.code == 2, done.err
    assert "Traceback" not in done.out + done.err
    (line,) = done.err.splitlines()
    assert line.startswith("tetrad: ")
    assert words in line


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        ("nosuch", "the recipe judging has no pool 'nosuch'; it has all, heard, two,"),
        ("nobody", "the pool nobody has no judges"),
        ("locked", "the model locked needs an API key: set the environment variable TETRAD_TEST_KEY"),
        ("unknown", "unknown model 'no-such-model'; "),
        ("dumb", "the model lexicon cannot chat: lexicon can classify"),
        ("twins", "two judges of the pool twins are called safety: give them names of their own"),
    ],
)
def test_a_pool_that_will_not_do_is_one_line(pool: str, words: str, place: Place) -> None:
    assert_one_line(place("injections", pool=pool), words)
    assert_one_line(place("judges", "--gold", place.pairs, pool=pool), words)
    assert place.server.asked == []


def test_a_name_that_no_judge_has_is_one_line_that_lists_them(place: Place) -> None:
    words = "the pool two has no judge 'knowing'; it has knowing/pairwise"
    assert_one_line(place("injections", "--judge", "knowing", pool="two"), words)
    assert_one_line(place("judges", "--gold", place.pairs, "--judge", "knowing", pool="two"), words)


def test_a_gold_file_that_will_not_do_is_one_line(place: Place) -> None:
    file = place.folder / "gold.csv"
    assert_one_line(place("judges", "--gold", file), "no such gold file: ")
    file.write_text("question,response_a,response_b,preferred\nWhy?,x,y,a\nWhy?,x,y,both\n")
    assert_one_line(place("judges", "--gold", file), "gold.csv, row 2: 'both' is none of a, b, tie")
    file.write_text("question,response,label\n")
    assert_one_line(place("judges", "--gold", file), "gold.csv holds no items")
    assert_one_line(
        place("judges", "--gold", place.pairs, "--budget", "much"), "--budget 'much': prices are in US dollars"
    )
    assert place.server.asked == []


def test_labels_without_a_judge_of_safety_are_one_line(place: Place) -> None:
    done = place("judges", "--gold", place.labels, pool="two")
    assert (done.code, place.server.asked) == (2, [])
    assert done.err.splitlines()[-1].endswith("labels, and none of these judges gives one: knowing/pairwise")


def test_a_workspace_in_use_is_one_line(place: Place) -> None:
    lock = Lock(place.workspace)
    try:
        assert_one_line(place("injections"), f"{place.workspace} is in use by process {os.getpid()} on ")
    finally:
        lock.release()


def test_a_budget_stops_it_and_a_larger_one_goes_on(place: Place) -> None:
    (row, *_) = gold.pair_rows(gold.read(place.pairs)).to_dicts()
    limit = round(sum(_most(Pairwise("knowing").ask(row))) / 1000 + 0.04, 3)
    done = place("judges", "--gold", place.pairs, "--budget", f"{limit}USD", pool="two")
    assert done.code == 3
    assert f"the budget of {limit:g} USD is spent" in done.err
    assert 0 < len(place.server.asked) < 12
    assert place("judges", "--gold", place.pairs, "--budget", "30USD", pool="two").code == 0
    assert len(place.server.asked) == 12, "each is asked once"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_stopped_or_killed_the_same_command_goes_on(number: signal.Signals, code: int, place: Place) -> None:
    place.server.pause = 0.3
    command: list[str | Path] = [PROGRAM, "evaluate", "judges", place.recipe, "--pool", "two", "--gold", place.pairs]
    with subprocess.Popen([*command, "--workspace", place.workspace], stderr=subprocess.PIPE, text=True) as process:
        while len(place.server.asked) < 5:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in said
    if code == 130:
        assert said.splitlines()[-1] == "interrupted; everything that came back is kept: the same command goes on"
    place.server.pause = 0.0
    before = len(place.server.asked)
    (row,) = place.rows("judges", "--gold", place.pairs, pool="two")
    assert (row["accuracy"], row["calls"]) == (1.0, 12)
    lost = 0 if code == 130 else 2
    assert 12 <= len(place.server.asked) <= 12 + lost, f"{before} before; what was under way may be lost in a kill"
