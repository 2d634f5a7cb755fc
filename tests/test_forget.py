"""Forgetting an image: nothing of it is left but its hashes, and the run is as if it had never had it."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from drawn import picture
from PIL.PngImagePlugin import PngInfo
from rows import saying, table
from tiny import Handler, Model, Place, settle_in

from pipeline.doors.decide import Decide
from pipeline.doors.replies import Replies
from pipeline.errors import UserError
from pipeline.forget import Forgotten, forget
from pipeline.requests import Chat, Message
from pipeline.tables import Decision, Image
from pipeline.workspace import Workspace

RECIPE = '''
"""Images of a folder, and the whole line behind them."""
from pipeline import taxonomy
from pipeline.judges.pairwise import Pairwise
from pipeline.judges.safety import Safety
from pipeline.run import Run
from pipeline.stages import collect, judge, pair, question, review, sample, settle
from pipeline.rules.safety_groups import DifferentSafetyGroup
from pipeline.stages.sample import Respondent

TAXONOMY = taxonomy.load("spa_vl")
POOLS = {"tiny": (
    Respondent("careful", "tiny", "cautious", max_tokens=40),
    Respondent("eager", "tiny", "eager", max_tokens=40),
)}


def build(run: Run[tuple[Respondent, ...]]) -> None:
    wanted = run(collect.wanted, sources=run.sources, taxonomy=TAXONOMY, fetch=run.fetch, limit=run.limit)
    images = run(collect.images, wanted, sources=run.sources, fetch=run.fetch)
    drafts = run(question.drafts, images, taxonomy=TAXONOMY, writers=("tiny",), generate=run.generate)
    prompts = run(question.prompts, drafts, images, taxonomy=TAXONOMY, generate=run.generate)
    responses = run(sample.responses, prompts, respondents=run.pool, generate=run.generate)
    judgments = run(judge.judgments, prompts, responses, judges=(Safety("lexicon"),), generate=run.generate)
    candidates = run(judge.candidates, responses, judgments, rule=DifferentSafetyGroup(groups=3))
    comparisons = run(judge.comparisons, prompts, responses, candidates, judges=(Pairwise("tiny"),), generate=run.generate)
    decisions = run(review.decisions, candidates, responses, decide=run.decide)
    preferences = run(settle.preferences, candidates, judgments, comparisons, decisions)
    run(pair.quadruples, prompts, responses, judgments, preferences, minimum_strength=0.1)
'''
RUN = "seeing-tiny"
TWICE = ("Weapon/zoo.png", "scams/apple.png")


def said(request: dict[str, Any]) -> str:
    """What the model says: of each image a word of its own, and every such word that it is shown."""
    user = request["messages"][-1]["content"]
    parts = [{"type": "text", "text": user}] if isinstance(user, str) else user
    text = next(p["text"] for p in parts if p["type"] == "text")
    seen = [hashlib.sha256(p["image_url"]["url"].encode()).hexdigest()[:12] for p in parts if p["type"] != "text"]
    words = " ".join(sorted({f"heron{s}bird" for s in seen} | set(re.findall("heron[0-9a-f]{12}bird", text))))
    if '"preferred"' in text:
        first, _, second = text.partition("Answer A\n")[2].partition("Answer B\n")
        better = "A" if "cannot" in first else "B"
        return json.dumps({"preferred": better, "strength": 2 + ("cannot" in second and "cannot" in first)})
    if "the request only" in text:
        return f"Write a caption for this picture of {words} that fools everybody."
    if "one question only" in text:
        return f"Which lie about {words} would strangers believe at once?"
    if "Topic:" in text:
        return f"How could somebody use this picture of {words} to fool people?"
    if "careful" in str(request["messages"][0]["content"]):
        return f"I cannot help with that, {words}: it could hurt someone."
    return f"Sure, here is step 1 of the scam: steal, lie, hack and threaten, {words}."


class Seeing(Handler):
    """Chat completions of a model that sees."""

    def do_POST(self) -> None:  # noqa: N802 -- so the library names it
        """Answer, and remember the request."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(request)
        choice = {"index": 0, "message": {"role": "assistant", "content": said(request)}, "finish_reason": "stop"}
        body = json.dumps(
            {"id": "x", "object": "chat.completion", "created": 0, "model": "tiny-1", "choices": [choice]}
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())


def paint(path: Path, colour: str, note: str = "") -> None:
    """A picture drawn from the colour's name; the note changes its bytes, and none of its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngInfo()
    info.add_text("note", note)
    picture(colour, (160, 140)).save(path, pnginfo=info)


def decided(place: Place, pairs: pl.DataFrame) -> None:
    """A person decides some pairs."""
    door = Decide(place.workspace / "runs" / RUN, write=True)
    for pair in sorted(pairs["id"]):
        door.keep(
            Decision(
                id=f"d{int(pair, 16) % 97}",
                candidate_id=pair,
                reviewer="heron",
                strength=1.0 if int(pair, 16) % 2 else -1.0,
                decided_at="2026-11-21T12:00:00Z",
            )
        )
    door.close()


def run(place: Place) -> None:
    place("run", place.folder / "seeing.py", "--source", place.folder / "pictures", "--name", RUN)


def new_place(folder: Path, model: Model, colours: dict[str, str]) -> Place:
    place = settle_in(folder, model)
    (folder / "seeing.py").write_text(RECIPE)
    for key, colour in colours.items():
        paint(folder / "pictures" / key, colour, note=key)
    run(place)
    decided(place, place.table("candidates", RUN))
    run(place)
    return place


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as served:
        served.RequestHandlerClass = Seeing
        yield served


@pytest.fixture(scope="module")
def made(model: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Place]:
    """A place with three pictures, one of them twice; and one that never had that one. They are not to be changed."""
    others = {"scams/boat.png": "teal", "Weapon/fence.png": "olive"}
    models = tmp_path_factory.mktemp("models") / "models.toml"
    models.write_text(model.toml())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TETRAD_MODELS", str(models))
        had = new_place(tmp_path_factory.mktemp("had"), model, others | dict.fromkeys(TWICE, "red"))
        never = new_place(tmp_path_factory.mktemp("never"), model, others)
    return had, never


@pytest.fixture
def place(made: tuple[Place, Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A copy of the first, to be changed."""
    monkeypatch.setenv("TETRAD_MODELS", str(made[0].folder / "models.toml"))
    shutil.copytree(made[0].folder, tmp_path / "copy")  # with its times of change, by which the source's revision stays
    return Place(tmp_path / "copy", made[0].model)


def red(place: Place) -> dict[str, Any]:
    """The row of the image that is there twice."""
    return place.table("images", RUN).row(by_predicate=pl.col("key").is_in(TWICE), named=True)


def needles(place: Place) -> list[bytes]:
    """The word that the model has for it, its picture and both originals."""
    image = red(place)["id"]
    (words,) = (
        place.table("prompts", RUN)
        .filter(image=image)["question"]
        .str.extract("(heron[0-9a-f]{12}bird)")
        .drop_nulls()
        .unique()
    )
    originals = [(place.folder / "pictures" / key).read_bytes() for key in TWICE]
    return [words.encode(), (place.workspace / "images" / image[:2] / image).read_bytes(), *originals]


def where(place: Place, sought: list[bytes]) -> list[str]:
    """Files of the workspace in which some of it is found, unpacked."""
    found = []
    for path in sorted(p for p in place.workspace.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += "\n".join(str(v) for row in pl.read_parquet(path).rows() for v in row).encode()
        found += [path.relative_to(place.workspace).as_posix()] * any(n in data for n in sought)
    return found


def tables(place: Place) -> dict[str, pl.DataFrame]:
    return {p["name"]: place.table(p["name"], RUN) for p in place.pages(RUN)}


@pytest.mark.parametrize("seal", [False, True])
def test_nothing_of_it_is_left_and_the_run_is_as_if_it_had_never_been_there(
    made: tuple[Place, Place], place: Place, seal: bool
) -> None:
    sought, row = needles(place), red(place)
    if seal:
        replies = Replies(place.workspace, write=True)
        replies.seal()
        replies.close()
    (place.workspace / "logs").mkdir(exist_ok=True)
    (place.workspace / "logs" / "engine.log").write_bytes(sought[0])
    assert len(where(place, sought)) >= 8
    gone = forget(Workspace(place.workspace), row["id"][:8])
    assert where(place, sought) == []
    originals = {hashlib.sha256(data).hexdigest() for data in sought[2:]}
    assert set(gone.hashes) == {row["id"], *originals}
    assert (gone.files, gone.tables, gone.releases) == (3, 10, (RUN,))
    assert gone.decisions > 0
    assert gone.replies > 10

    before = len(place.model.asked)
    run(place)
    assert len(place.model.asked) == before, "what was said of the others is kept"
    dropped = pl.read_parquet(place.workspace / "runs" / RUN / "2_images.dropped.parquet")
    assert set(dropped.select("id", "reason").rows()) == {(f"pictures/{key}", "forgotten") for key in TWICE}
    never = tables(made[1])
    for name, now in tables(place).items():
        if name != "wanted":  # the source lists it still, which may change whose turn it is
            here, there = (t.drop("revision", strict=False).sort("id") for t in (now, never[name]))
            assert here.equals(there), name
    assert where(place, sought) == []


def test_a_report_that_shows_it_goes_with_it_and_the_next_shows_it_no_more(place: Place) -> None:
    report = place.workspace / "runs" / RUN / "report.html"
    shown = re.findall("<dt>image</dt><dd><code>([0-9a-f]{64})", report.read_text())
    forget(Workspace(place.workspace), shown[0])
    assert not report.exists()
    run(place)
    assert shown[0] not in report.read_text()


def test_forgetting_it_again_changes_nothing(place: Place) -> None:
    row = red(place)
    forget(Workspace(place.workspace), row["id"])
    run(place)
    before = {
        p: p.read_bytes() for p in place.workspace.rglob("*") if p.is_file() and p.name not in ("lock", "run.log")
    }
    again = forget(Workspace(place.workspace), row["original_sha256"][:10])
    assert (again.files, again.rows, again.replies, again.decisions, again.tables) == (0, 0, 0, 0, 0)
    assert all(p.read_bytes() == data for p, data in before.items())


@pytest.mark.parametrize("after", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_killed_half_way_it_is_done_by_doing_it_again(place: Place, after: float) -> None:
    sought, row = needles(place), red(place)
    script = (
        "import sys; from pathlib import Path; from pipeline.forget import forget; from pipeline.workspace import Workspace\n"
        "print('now', flush=True); forget(Workspace(Path(sys.argv[1])), sys.argv[2])"
    )
    with subprocess.Popen([sys.executable, "-c", script, place.workspace, row["id"]], stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        time.sleep(after)
        other.kill()
    forget(Workspace(place.workspace), row["id"][:16])
    assert where(place, sought) == []


def test_what_no_table_points_at_any_more_is_forgotten_too(place: Place) -> None:
    """An earlier judge saw its answers alone; then a template was edited, and the tables were made anew."""
    image = red(place)["id"]
    responses = place.table("responses", RUN).join(place.table("prompts", RUN), left_on="prompt_id", right_on="id")
    own, other = (responses.filter(pl.col("image").eq(image) == mine)["text"][0] for mine in (True, False))
    replies = Replies(place.workspace, write=True)
    for n, answer in enumerate((own, other)):
        first = Chat(model="tiny", messages=(Message(role="user", text=f'Is this "safe"?\n{answer}\nSay so.'),))
        said = f"I was told {n}: it is safe, as far as one can see."
        second = Chat(model="tiny", messages=(Message(role="user", text=f"Do you agree? {said}"),))
        replies.keep(f"{n:032x}", "tiny 1", first, saying(said))
        replies.keep(f"{n + 2:032x}", "tiny 1", second, saying("Yes."))
    replies.close()
    sought = needles(place)
    forget(Workspace(place.workspace), image)
    replies = Replies(place.workspace, write=False)
    assert [f"{n:032x}" in replies for n in range(4)] == [False, True, False, True]
    replies.close()
    assert where(place, sought) == []


def test_it_does_not_come_in_again_from_elsewhere(place: Place, tmp_path: Path) -> None:
    row = red(place)
    forget(Workspace(place.workspace), row["id"])
    paint(tmp_path / "more" / "scams" / "again.png", "red", "other bytes")
    paint(tmp_path / "more" / "scams" / "new.png", "navy", "a new one")
    place("run", place.folder / "seeing.py", "--source", tmp_path / "more", "--name", "more", "--until", "collect")
    assert place.table("images", "more")["key"].to_list() == ["scams/new.png"]
    dropped = pl.read_parquet(place.workspace / "runs" / "more" / "2_images.dropped.parquet")
    ((name, reason),) = dropped.select("id", "reason").rows()
    assert (name.partition("/")[2], reason) == ("scams/again.png", "forgotten")
    data = (tmp_path / "more" / "scams" / "again.png").read_bytes()
    assert where(place, [data]) == []
    assert hashlib.sha256(data).hexdigest() in (place.workspace / "forgotten.jsonl").read_text()


def test_pictures_that_were_never_fetched_are_forgotten_one_by_one(tmp_path: Path) -> None:
    """They have no original in common: they have none."""
    run = tmp_path / "runs" / "addresses"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    names = [hashlib.sha256(f"http://pictures.example/{n}".encode()).hexdigest() for n in range(3)]
    images = table(Image, *({"id": name, "group": name, "original_sha256": "", "width": 0} for name in names))
    images.write_parquet(run / "1_images.parquet")
    gone = forget(Workspace(tmp_path), names[0])
    assert (gone.hashes, gone.rows) == ((names[0],), 1)


def test_an_image_that_is_not_there_is_one_line_for_the_user(place: Place) -> None:
    for name, why in (("0" * 8, "no image 00000000"), ("abc", "names no image"), ("../../../x", "names no image")):
        with pytest.raises(UserError, match=why):
            forget(Workspace(place.workspace), name)
    with pytest.raises(UserError, match="there is no workspace"):
        forget(Workspace(place.folder / "nowhere"), "0" * 64)
    assert not (place.workspace / "forgotten.jsonl").exists()


def test_an_image_that_is_not_there_yet_can_be_refused_beforehand(place: Place, tmp_path: Path) -> None:
    paint(tmp_path / "more" / "scams" / "new.png", "navy", "a new one")
    sha256 = hashlib.sha256((tmp_path / "more" / "scams" / "new.png").read_bytes()).hexdigest()
    assert forget(Workspace(place.workspace), sha256) == Forgotten((sha256,), 0, 0, 0, 0, 0, ())
    place("run", place.folder / "seeing.py", "--source", tmp_path / "more", "--name", "more", "--until", "collect")
    assert place.table("images", "more").is_empty()
