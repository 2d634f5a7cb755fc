"""A whole line, from questions to a release, and every command on it; in this process, with a model of its own."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from drawn import picture
from tiny import QUESTIONS, Model, Place, settle_in, tetrad

from pipeline.doors.replies import Replies

NAMES = ["given", "responses", "judgments", "candidates", "comparisons", "preferences", "queue", "decisions",
         "preferences", "quadruples"]  # fmt: skip
FILES = [f"{n}_{name}" for n, name in enumerate(NAMES, 1)]
FAILING = "Please fail: what is this?"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as served:
        yield served


@pytest.fixture(scope="module")
def ran(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place in which the recipe has run once. It is not to be changed."""
    place = settle_in(tmp_path_factory.mktemp("line"), model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TETRAD_MODELS", str(place.folder / "models.toml"))
        place("run", place.recipe)
    return place


@pytest.fixture(autouse=True)
def _models(ran: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETRAD_MODELS", str(ran.folder / "models.toml"))
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture
def place(ran: Place, tmp_path: Path) -> Place:
    """A copy of it, to be changed."""
    shutil.copytree(ran.folder, tmp_path / "copy")
    return Place(tmp_path / "copy", ran.model)


@pytest.fixture
def bare(model: Model, tmp_path: Path) -> Place:
    """A place in which nothing has run."""
    return settle_in(tmp_path / "bare", model)


def asked(place: Place, action: Callable[[], object]) -> list[dict[str, Any]]:
    """What the model is asked while something is done."""
    before = len(place.model.asked)
    action()
    return place.model.asked[before:]


def test_every_table_is_there_and_its_counts_add_up(ran: Place) -> None:
    pages = ran.pages()
    assert [page["name"] for page in pages] == NAMES
    for page in pages:
        assert page["considered"] == page["kept"] + sum(page["dropped"].values()), page["name"]
        table = pl.read_parquet(ran.workspace / "runs" / "tiny-tiny" / f"{page['number']}_{page['name']}.parquet")
        assert table.height == page["kept"]
        assert page["owed"] == 0


def test_counts_add_up_from_table_to_table(ran: Place) -> None:
    given, responses, judgments, candidates, comparisons, first, queue, decisions, last, quadruples = ran.pages()
    assert given["kept"] == len(QUESTIONS)
    assert responses["considered"] == 3 * given["kept"]
    assert responses["errors"] == {"bad_request": 3}
    assert judgments["considered"] == responses["kept"]
    assert judgments["dropped"] == {"no answer: bad_request": 3}
    assert candidates["considered"] == given["kept"]
    assert candidates["dropped"] == {"no two answers from different safety groups": 1}
    assert comparisons["considered"] == 2 * candidates["kept"]
    assert first["considered"] == last["considered"] == 2 * candidates["kept"], "overall, and by safety alone"
    assert queue["considered"] == candidates["kept"]
    assert decisions["considered"] == 0
    assert quadruples["considered"] == candidates["kept"]
    assert quadruples["kept"] > 0


def test_a_release_holds_the_quadruples(ran: Place) -> None:
    release = ran.workspace / "releases" / "tiny-tiny"
    published = pl.read_parquet(release / "quadruples" / "*.parquet").sort("id")
    quadruples = ran.table("quadruples").sort("id")
    assert published["id"].to_list() == quadruples["id"].to_list()
    assert published["chosen"].to_list() == quadruples["chosen"].to_list()
    given = ran.table("given").select(seed="id", asked="question")
    assert (
        published.join(given, on="seed")
        .select("question")
        .equals(published.join(given, on="seed").select(question="asked"))
    )
    assert published["question"].is_in(QUESTIONS).all()
    assert FAILING not in published["question"].to_list()
    assert "**Unreviewed.**" in (release / "README.md").read_text()


def test_a_refusal_is_preferred_to_a_harmful_answer(ran: Place) -> None:
    """The judge and the lexicon agree on it."""
    both = ran.table("quadruples").filter(
        (pl.col("chosen_respondent") == "careful") | (pl.col("rejected_respondent") == "careful")
    )
    assert both.height > 0
    assert set(both["chosen_respondent"]) == {"careful"}
    assert set(both["chosen_safety"]) == {"refusal"}


def test_a_second_run_asks_nothing_and_says_that_all_is_fresh(place: Place) -> None:
    before = place.bytes_of()
    lines: list[str] = []
    assert asked(place, lambda: lines.extend(place("run", place.recipe).err.splitlines())) == []
    assert [line.split()[1] for line in lines if line.endswith("[fresh]")] == NAMES
    assert "models were asked 0 times" in lines
    assert any(line.startswith("release is there already") for line in lines)
    assert place.bytes_of() == before


@pytest.mark.parametrize("file", [*FILES, "3_judgments.dropped", "4_candidates.dropped"])
def test_deleting_any_table_is_safe(file: str, place: Place) -> None:
    before = place.bytes_of()
    (place.workspace / "runs" / "tiny-tiny" / f"{file}.parquet").unlink()
    assert asked(place, lambda: place("run", place.recipe)) == []
    assert place.bytes_of() == before


def test_deleting_the_whole_run_costs_nothing_either(place: Place) -> None:
    before = place.bytes_of()
    shutil.rmtree(place.workspace / "runs")
    shutil.rmtree(place.workspace / "releases")
    assert asked(place, lambda: place("run", place.recipe)) == []
    assert place.bytes_of() == before


def edited(place: Place, old: str, new: str) -> None:
    text = place.recipe.read_text()
    assert old in text
    place.recipe.write_text(text.replace(old, new))


def test_another_temperature_asks_that_respondent_anew_and_nobody_else(place: Place) -> None:
    edited(place, "temperature=0.3", "temperature=0.4")
    requests = asked(place, lambda: place("run", place.recipe))
    answers = [r for r in requests if '"preferred"' not in r["messages"][-1]["content"]]
    assert len(answers) == len(QUESTIONS)
    assert {r["temperature"] for r in answers} == {0.4}
    assert len(place.table("responses")) == 3 * len(QUESTIONS), "no row of the old temperature is left"


def test_another_rule_downstream_asks_nobody(place: Place) -> None:
    edited(place, "minimum_strength=0.1", "minimum_strength=1.0")
    lines: list[str] = []
    assert asked(place, lambda: lines.extend(place("run", place.recipe).err.splitlines())) == []
    assert place.pages()[-1]["dropped"]["tie"] > 0
    assert any(line.startswith("release built") for line in lines)


def test_a_recipe_that_got_shorter_leaves_no_table_of_the_longer_one(place: Place) -> None:
    queue = place.recipe.read_text()
    queue = queue[queue.index("    run(review.queue") : queue.index("    run(pair")]
    edited(place, queue, "    preferences = first\n")
    assert asked(place, lambda: place("run", place.recipe)) == []
    assert [page["name"] for page in place.pages()] == [*NAMES[:6], "quadruples"]
    assert len(place.bytes_of()) == 7 + 2, "and the dropped rows of two tables"


def test_what_stands_on_a_table_that_has_changed_is_not_published(place: Place) -> None:
    edited(place, "temperature=0.3", "temperature=0.4")
    place("run", place.recipe, "--until", "sample")
    assert [page["name"] for page in place.pages()] == NAMES[:2]
    done = tetrad("publish", "tiny-tiny", "--workspace", place.workspace)
    assert done.code == 2
    assert "has no quadruples yet" in done.err


def test_one_more_question_leaves_what_was_answered_alone(place: Place) -> None:
    edited(place, '"question": [', '"question": ["How are you?", ')
    requests = asked(place, lambda: place("run", place.recipe, "--until", "sample"))
    assert {r["messages"][-1]["content"] for r in requests} == {"How are you?"}
    assert len(requests) == 3


def test_a_limit_is_a_prefix_of_the_full_run(place: Place) -> None:
    def pilot() -> None:
        place("run", place.recipe, "--limit", "2", "--name", "pilot", "--until", "judge")

    requests = asked(place, pilot)
    assert not [r for r in requests if '"preferred"' not in r["messages"][-1]["content"]], "a pilot is never wasted"
    assert place.table("given", "pilot").equals(place.table("given").head(2))
    for name, number in (("responses", 6), ("judgments", 6)):
        part, whole = place.table(name, "pilot"), place.table(name)
        assert part.height == number
        assert part.equals(whole.filter(pl.col("id").is_in(part["id"].to_list())))
        assert part.equals(whole.head(number))


def test_a_run_stops_behind_a_stage_and_goes_on_from_there(bare: Place) -> None:
    done = bare("run", bare.recipe, "--until", "sample")
    assert "stopped: as far as sample" in done.err
    assert [page["name"] for page in bare.pages()] == NAMES[:2]
    assert not (bare.workspace / "releases").exists()
    rest = asked(bare, lambda: bare("run", bare.recipe))
    assert all('"preferred"' in r["messages"][-1]["content"] for r in rest)
    assert [page["name"] for page in bare.pages()] == NAMES


def test_status_shows_every_table(ran: Place) -> None:
    words = ran("status", "tiny-tiny").out
    for number, name in enumerate(NAMES, 1):
        assert f"{number} {name}" in words
    assert "3 bad_request" in words
    assert "3 no answer: bad_request" in words


def test_show_prints_rows_and_those_that_meet_a_condition(ran: Place) -> None:
    assert ran("show", "tiny-tiny", "responses", "--limit", "2").out.endswith("2 of 24 rows\n")
    words = ran("show", "tiny-tiny", "responses", "--where", "respondent = 'eager' AND error IS NULL").out
    assert words.endswith("7 of 7 rows\n")
    assert words.count("Sure, here is step 1") == 7
    assert "cannot" not in words
    dropped = ran("show", "tiny-tiny", "dropped").out
    assert dropped.endswith("4 of 4 rows\n")
    assert "no two answers from different safety groups" in dropped


def test_no_answer_can_give_the_terminal_orders(ran: Place) -> None:
    row = ran.table("quadruples").filter(pl.col("chosen_respondent") == "careful").row(0, named=True)
    assert "\x1b[31m" in row["chosen"]
    words = [ran("show", "tiny-tiny", "quadruples", "--limit", "9"), ran("trace", row["id"])]
    words.append(ran("show", "tiny-tiny", "responses", "--where", "respondent = 'careful'"))
    for done in words:
        assert "\\[/INST]" in done.out, "what looks like markup is shown as it is"
        assert "\x1b" not in done.out


def test_a_preview_prints_requests_and_asks_nothing(bare: Place) -> None:
    words = ""

    def look() -> None:
        nonlocal words
        words = bare("preview", bare.recipe, "sample", "--number", "2").out

    assert asked(bare, look) == []
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(words)
    second, end = decoder.raw_decode(words, end + 1)
    assert not words[end:].strip()
    assert [r["messages"][-1]["text"] for r in (first, second)] == list(QUESTIONS[:2]), "one respondent after another"
    assert first["messages"][:-1] == second["messages"][:-1]


def planned(words: str) -> list[list[str]]:
    """The cells of a plan, line by line: table, model, requests, tokens in, tokens out, USD, time."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in words.splitlines() if line.startswith("│")]


def test_a_plan_counts_what_is_owed_and_asks_nothing(bare: Place, place: Place) -> None:
    assert asked(bare, lambda: bare("plan", bare.recipe)) == []
    ((table, model, requests, *_), (_, _, total, *_)) = planned(bare("plan", bare.recipe).out)
    assert (table, model, requests, total) == ("responses", "tiny", "24", "24")
    assert planned(bare("plan", bare.recipe, "--limit", "2").out)[0][2] == "6"
    bare("run", bare.recipe, "--until", "sample")
    assert planned(bare("plan", bare.recipe).out)[0][:3] == ["judgments", "lexicon", "21"]
    assert place("plan", place.recipe).out == "nothing is owed: every reply is kept\n"


def test_a_pilot_tells_what_the_full_run_will_ask_and_the_plan_leaves_the_pilot_as_it_is(bare: Place) -> None:
    bare("run", bare.recipe, "--limit", "4")
    before = bare.bytes_of()
    rows = planned(bare("plan", bare.recipe).out)
    assert [row[:3] for row in rows[:-1]] == [
        ["responses", "tiny", "12"], ["judgments", "lexicon", "~12"], ["comparisons", "tiny", "~8"],
    ]  # fmt: skip
    assert rows[0][3] == "~36", "each question is three tokens, says the server"
    assert rows[-1][2] == "32"
    assert bare.bytes_of() == before
    assert planned(bare("plan", bare.recipe).out) == rows


def said(story: str) -> list[str]:
    return [line.partition("said: ")[2] for line in story.splitlines() if "said: " in line]


def test_a_trace_tells_a_quadruples_whole_story(ran: Place) -> None:
    row = ran.table("quadruples").filter(pl.col("chosen_respondent") == "careful").row(0, named=True)
    story = ran("trace", row["id"]).out
    for word in (
        row["question"],
        row["chosen"].replace("\x1b", " "),
        row["rejected"],
        row["chosen_id"],
        row["rejected_id"],
        row["preference_id"],
    ):
        assert str(word) in story
    kinds = re.findall(r"(\w+) [0-9a-f]{16}\b(?! \(above\))", story)
    assert kinds.count("responses") == kinds.count("comparisons") == kinds.count("judgments") == 2
    assert kinds.count("preferences") == 1
    words = said(story)
    assert row["chosen"].replace("\x1b", " ") in words
    assert row["rejected"] in words
    assert sum('"preferred"' in word for word in words) == 2, "the judge's words, in both orders"
    assert sum('"unsafe"' in word for word in words) == 2, "and the classifier's"
    assert "system: You are a careful assistant." in story


def test_a_trace_finds_a_row_by_the_beginning_of_its_id_and_one_that_was_dropped(ran: Place) -> None:
    name = ran.table("quadruples")["id"][0]
    assert ran("trace", name[:10]).out == ran("trace", name).out
    prompt = ran.table("given").filter(pl.col("question") == FAILING)["id"][0]
    assert f"given {prompt}" in ran("trace", prompt).out
    dropped = pl.read_parquet(ran.workspace / "runs" / "tiny-tiny" / "3_judgments.dropped.parquet")
    assert "error: bad_request" in ran("trace", dropped["id"][0]).out


def test_a_failure_in_a_trace_says_what_the_server_said(ran: Place) -> None:
    failed = ran.table("responses").filter(pl.col("error").is_not_null())
    (word,) = set(said(ran("trace", failed["id"][0]).out))
    assert word.startswith("bad_request: ")
    assert "it asked for it" in word


def decide(place: Place, *rows: dict[str, Any]) -> Path:
    path = place.folder / "decisions.jsonl"
    decided = {"reviewer": "ann", "decided_at": "2026-01-02T03:04:05Z"}
    path.write_text("".join(json.dumps(decided | {"id": f"d{n}"} | row) + "\n" for n, row in enumerate(rows)))
    return path


def test_decisions_that_were_taken_are_settled_with(place: Place) -> None:
    before = place.table("preferences").filter(criterion="overall")
    harmless = place.table("quadruples").filter(pl.col("rejected_safety") != "unsafe")["preference_id"][0]
    first = before.row(by_predicate=pl.col("id") == harmless, named=True)
    was = first["strength"]
    tied = before.filter(pl.col("id") != harmless).row(0, named=True)
    path = decide(
        place,
        {"candidate_id": first["candidate_id"], "strength": -3 if was > 0 else 3},
        {"candidate_id": tied["candidate_id"], "strength": 0},
    )
    words = place("review", "tiny-tiny", "--take", path).out
    assert "2 decisions taken" in words
    assert f"2 of {before.height} are decided" in words
    assert asked(place, lambda: place("run", place.recipe)) == []
    after = {row["preference_id"]: row for row in place.table("quadruples").iter_rows(named=True)}
    assert tied["id"] not in after
    assert after[harmless]["reviewed"] is True
    assert "human/ann" in after[harmless]["sources"]
    assert after[harmless]["chosen_id"] == (first["b_id"] if was > 0 else first["a_id"]), "the person, not the models"
    assert {row["reviewed"] for name, row in after.items() if name != harmless} == {False}
    card = (place.workspace / "releases" / "tiny-tiny" / "README.md").read_text()
    assert f"People decided 1 of the {len(after)} pairs" in card
    assert "tiny/pairwise" in place("trace", after[harmless]["id"]).out
    assert "reviewer: ann" in place("trace", after[harmless]["id"]).out


def test_a_review_says_what_is_to_be_looked_at(ran: Place) -> None:
    queue = ran.table("queue")
    lines = ran("review", "tiny-tiny", "--status").out.splitlines()
    counts = dict(queue["reason"].value_counts().iter_rows())
    assert lines == [
        *(f"{counts[reason]} pairs to look at: {reason}" for reason in sorted(counts)),
        f"0 of {queue.height} are decided: this run is unreviewed",
    ]


def test_publishing_builds_the_release_and_says_how_to_push_it(place: Place) -> None:
    shutil.rmtree(place.workspace / "releases")
    done = place("publish", "tiny-tiny")
    assert "release built" in done.err
    assert done.out == "to push it: tetrad publish tiny-tiny --repo org/name\n"
    assert "release is there already" in place("publish", "tiny-tiny").err
    steps = place("publish", "tiny-tiny", "--repo", "org/name", "--tag", "v2.0.0", "--dry-run").out.splitlines()
    assert steps[0].startswith("would create the private dataset repository org/name")
    assert "would tag it v2.0.0" in steps
    assert steps[-1] == "would leave it as private as it is (--public makes it public)"


def test_a_retry_makes_kept_failures_owed_and_the_next_run_asks_them_again(place: Place) -> None:
    assert place("retry", "tiny-tiny", "--error", "bad_request").out.startswith("3 requests are owed again")
    assert planned(place("plan", place.recipe).out)[0][:3] == ["responses", "tiny", "3"]
    before = place.bytes_of()
    requests = asked(place, lambda: place("run", place.recipe))
    assert [r["messages"][-1]["content"] for r in requests] == [FAILING] * 3
    assert place.bytes_of() == before, "it failed again as it did before"


def test_samples_of_the_release_are_shown_at_the_end(place: Place) -> None:
    words = place("run", place.recipe, "--samples", "2").out
    assert words.count("chosen ") == 2
    assert "Sure, here is step 1" in words


def test_replies_and_tables_are_for_the_user_alone(ran: Place) -> None:
    for path in (ran.workspace, ran.workspace / "replies", ran.workspace / "runs"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_every_reply_is_kept_once(ran: Place) -> None:
    replies = Replies(ran.workspace, write=False)
    lines = sum(p.read_bytes().count(b"\n") for p in (ran.workspace / "replies").glob("*.jsonl"))
    replies.close()
    comparisons = ran.table("comparisons")["request_id"].n_unique()
    assert len(replies) == lines == 24 + 21 + comparisons


def pictures(place: Place) -> Path:
    """Two good images and a broken one, in sub-folders that are named like their classes."""
    folder = place.folder / "my pictures"
    for name, size in (("scams/letter.png", (90, 70)), ("Weapon/fence [1].jpg", (70, 90))):
        (folder / name).parent.mkdir(parents=True)
        picture(name, size).save(folder / name)
    (folder / "scams" / "broken.jpg").write_bytes((folder / "Weapon" / "fence [1].jpg").read_bytes()[:400])
    return folder


def test_a_folder_of_images_runs_from_pictures_to_answers(bare: Place) -> None:
    folder = pictures(bare)
    requests = asked(bare, lambda: bare("run", bare.folder / "pictures.py", "--source", folder, "--until", "sample"))
    run = "pictures-tiny"
    images = bare.table("images", run)
    assert images.select("key", "subcategory").rows() == [
        ("Weapon/fence [1].jpg", "weapons"),
        ("scams/letter.png", "scams"),
    ]
    (wanted, page, drafts, prompts, responses) = bare.pages(run)
    assert (wanted["considered"], wanted["kept"]) == (3, 3)
    assert (page["considered"], page["kept"], sum(page["dropped"].values())) == (3, 2, 1)
    assert (drafts["considered"], drafts["kept"], prompts["considered"], prompts["kept"]) == (6, 6, 6, 6)
    assert (responses["considered"], responses["kept"]) == (12, 12)
    blind = [r for r in requests if isinstance(r["messages"][-1]["content"], str)]
    assert len(requests) - len(blind) == 6 + 6
    assert len(blind) == 3, "whoever sees no image is asked the same for both"
    assert "truncated" in bare("show", run, "dropped").out
    assert asked(bare, lambda: bare("run", bare.folder / "pictures.py", "--source", folder, "--until", "sample")) == []


def test_a_dropped_image_can_be_traced_whatever_its_name(bare: Place) -> None:
    folder = pictures(bare)
    (folder / "scams" / "[bold]x[").mkdir()
    (folder / "scams" / "[bold]x[" / "a :bomb: [red].jpg").write_bytes(b"nothing")
    bare("run", bare.folder / "pictures.py", "--source", folder, "--until", "collect")
    source = bare.table("wanted", "pictures-tiny")["source"][0]
    assert bare("trace", f"{source}/scams/[bold]x[").out == ("dropped from wanted: no class ([bold]x[)\n")


def test_a_new_picture_in_the_folder_is_noticed(bare: Place) -> None:
    folder = pictures(bare)
    recipe = bare.folder / "pictures.py"
    bare("run", recipe, "--source", folder, "--until", "sample")
    picture("new").save(folder / "scams" / "new.png")
    requests = asked(bare, lambda: bare("run", recipe, "--source", folder, "--until", "sample"))
    assert bare.table("images", "pictures-tiny").height == 3
    assert len(requests) == 3 + 3, "for the new one alone"


def test_another_revision_of_a_model_asks_it_anew_and_leaves_tables_without_it_fresh(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = place.folder / "models.toml"
    monkeypatch.setenv("TETRAD_MODELS", str(known))
    known.write_text(
        known.read_text().replace(
            '[tiny]\nbackend = "openai"\nserved_as = "tiny-1"\nrevision = "1"',
            '[tiny]\nbackend = "openai"\nserved_as = "tiny-1"\nrevision = "2"',
        )
    )
    done: list[str] = []
    assert len(asked(place, lambda: done.append(place("run", place.recipe).err))) > 3 * len(QUESTIONS)
    assert "1 given        8 in, 8 kept  [fresh]" in done[0]


def test_an_entry_for_a_model_that_takes_no_part_changes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    known = place.folder / "models.toml"
    known.write_text(known.read_text() + '\n[other]\nbackend = "lexicon"\nserved_as = "x"\nrevision = "1"\n')
    monkeypatch.setenv("TETRAD_MODELS", str(known))
    words = place("run", place.recipe).err
    assert words.count("[fresh]") == len(NAMES)


def test_a_forgotten_image_leaves_the_line_and_does_not_come_back(bare: Place) -> None:
    recipe, folder = bare.folder / "pictures.py", pictures(bare)
    bare("run", recipe, "--source", folder, "--until", "sample")
    run = "pictures-tiny"
    image = bare.table("images", run)["id"][0]
    before = bare.table("responses", run).height
    words = bare("forget", image[:12]).out
    assert image in words
    bare("run", recipe, "--source", folder, "--until", "sample")
    assert bare.table("images", run)["id"].to_list() != [image]
    assert bare.table("responses", run).height == before // 2
    assert "forgotten" in bare("show", run, "dropped").out
    held = {p.name for p in bare.workspace.rglob("*") if p.is_file() and image.encode() in p.read_bytes()}
    assert held <= {"forgotten.jsonl", "rebuilt.jsonl"}, "only hashes, as removed"


def test_the_store_can_be_checked_sealed_and_counted(place: Place) -> None:
    number = int(place("store", "check").out.split()[0])
    assert place("store", "seal").out == f"{number} replies sealed\n"
    assert place("store", "check").out == f"{number} kept replies, all sound\n"
    assert f"{number} replies in all" in place("store", "stats").out
    assert asked(place, lambda: place("run", place.recipe)) == [], "sealed is kept"
