"""A run whose queue waits, and its review served from a thread: real pages over real HTTP, without a pipeline before them."""

import contextlib
import dataclasses
import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline import taxonomy
from pipeline.doors.blobs import Blobs
from pipeline.doors.decide import Decide
from pipeline.doors.entries import AnyEntry, Joined, Role
from pipeline.review import items
from pipeline.review.access import Sessions, hashed, key_in
from pipeline.review.app import build
from pipeline.review.desk import Desk
from pipeline.review.serving import listen, server
from pipeline.review.web import Review, Settings
from pipeline.tables import Candidate, Prompt, QueueItem, Response
from pipeline.workspace import Made, Workspace
from tests.drawn import picture
from tests.rows import Cells, make, table

RUN = "house"
TAXONOMY = taxonomy.load("spa_vl")
CLASSES = ("insult", "hate", "gambling", "theft")
"""Of these, images of `hate` are blurred first."""


@dataclass(frozen=True)
class Pair:
    """What a test says of a pair."""

    question: str
    a: str
    b: str
    subcategory: str | None = "insult"
    word: str | None = "a word"
    """Of which its image is drawn; none: it has none."""
    photograph: bytes | None = None
    """In its place."""


def pairs(number: int) -> list[Pair]:
    """Plain ones."""
    return [
        Pair(
            f"What is unkind about picture {n}?",
            f"It shows **nobody** being unkind. Number {n}.",
            f"Somebody might feel mocked by the shape on the left. It is better to ask them first, number {n}.",
            CLASSES[n % len(CLASSES)], f"word {n}",
        )
        for n in range(number)
    ]  # fmt: skip


def tables_of(said: list[Pair], images: Blobs) -> dict[str, pl.DataFrame]:
    """The tables that a review is of."""
    paths = {leaf: (path[0].id, path[1].id) for leaf, path in TAXONOMY.leaves.items()}
    prompts: list[Cells] = []
    responses: list[Cells] = []
    candidates: list[Cells] = []
    for n, pair in enumerate(said):
        domain, category = paths.get(pair.subcategory or "", (None, None))
        prompts.append({"id": f"p{n}", "image": images.keep(pair.photograph or _png(pair.word)) if pair.word else None, "question": pair.question,
                        "domain": domain, "category": category, "subcategory": pair.subcategory})  # fmt: skip
        responses += [
            {
                "id": f"p{n}-{side}",
                "prompt_id": f"p{n}",
                "model": "secret-model",
                "respondent": "secret-model",
                "text": text,
            }
            for side, text in (("a", pair.a), ("b", pair.b))
        ]
        candidates.append({"id": f"c{n}", "prompt_id": f"p{n}", "a_id": f"p{n}-a", "b_id": f"p{n}-b"})
    queue: list[Cells] = [{"id": f"c{n}", "reason": "uncertain", "rank": n} for n in range(len(said))]
    return {
        "prompts": table(Prompt, *prompts), "responses": table(Response, *responses),
        "candidates": table(Candidate, *candidates), "queue": table(QueueItem, *queue),
    }  # fmt: skip


def _png(word: str | None) -> bytes:
    data = io.BytesIO()
    picture(word or "").save(data, "PNG")
    return data.getvalue()


def write(workspace: Path, said: list[Pair]) -> None:
    """A run's folder with these tables, as `tetrad run` would leave it."""
    folder = workspace / "runs" / RUN
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"format": 1, "recipe": "spa_vl", "pool": "demo"}))
    rows = {"prompts": "Prompt", "responses": "Response", "candidates": "Candidate", "queue": "QueueItem"}
    for number, (name, frame) in enumerate(tables_of(said, Blobs(workspace / "images")).items(), 1):
        page = Made(number, name, "review", rows[name], "", "", frame.height, frame.height, {}, {}, 0, 0.0)
        frame.write_parquet(folder / f"{page.file}.parquet")
        (folder / f"{page.file}.json").write_text(json.dumps(dataclasses.asdict(page)))


@dataclass
class House:
    """A review that is served."""

    url: str
    review: Review
    tokens: dict[str, str]
    folder: Path

    @property
    def desk(self) -> Desk:
        """What its pages share."""
        return self.review.desk

    def log(self) -> list[dict[str, Any]]:
        """The log as it lies on the disk."""
        return [json.loads(line) for line in (self.folder / "decisions.jsonl").read_text().splitlines()]

    def said(self, kind: str) -> list[dict[str, Any]]:
        """Its entries of one kind."""
        return [entry for entry in self.log() if entry["kind"] == kind]


@contextlib.contextmanager
def house(
    workspace: Path, said: list[Pair], *, people: dict[str, Role] | None = None, before: tuple[AnyEntry, ...] = (),
    lifetime: float = 3600.0,
) -> Iterator[House]:  # fmt: skip
    """Serve a review of these pairs to these people; `before`: what stands in the log; `lifetime`: of a session, seconds."""
    if not (workspace / "runs" / RUN).is_dir():
        write(workspace, said)
    place = Workspace(workspace)
    folder = place.run(RUN)
    tables = {m.name: place.table(RUN, m) for m in place.made(RUN)}
    tokens = {name: f"the-token-of-{name}" for name in (people or {"heron": "reviewer"})}
    decide = Decide(folder, write=True)
    joined = [
        Joined(by="test", name=name, role=role, token_sha256=hashed(tokens[name]))
        for name, role in (people or {"heron": "reviewer"}).items()
    ]
    decide.keep(*joined, *before)
    desk = Desk(decide, items.of_run(tables, TAXONOMY))
    harms: dict[str, dict[str, str]] = {}
    for _, category, leaf in TAXONOMY.paths():
        harms.setdefault(category.name, {})[leaf.id] = leaf.name
    names = {path[1].id: path[1].name for path in TAXONOMY.paths()}
    categories = {i.category: names[i.category] for i in desk.items.values() if i.category}
    settings = Settings(RUN, place, categories, harms)
    review = Review(desk, Blobs(workspace / "images"), Sessions(key_in(folder / "review.key"), lifetime), settings)
    listening = listen("127.0.0.1", 0)
    served = server(build(review))
    thread = threading.Thread(target=served.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not served.started:
            time.sleep(0.01)
        yield House(f"http://127.0.0.1:{listening.getsockname()[1]}", review, tokens, folder)
    finally:
        served.should_exit = True
        thread.join()
        decide.close()


__all__ = ["House", "Pair", "house", "make", "pairs", "write"]
