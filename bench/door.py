"""Tetrad's side of the benchmarks: the generate door, with keeping on, over a job."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
from job import QUESTION, Job

import pipeline.backends.openai  # noqa: F401 -- else the door would import it while the clock runs
from pipeline.doors.blobs import Blobs
from pipeline.doors.generate import Cells, Generate
from pipeline.doors.replies import Replies
from pipeline.models import Catalogue
from pipeline.requests import AnyRequest, Chat, Message, Reply, request_id
from pipeline.tables import Row

MODELS = """
[bench]
backend = "openai"
served_as = "model"
revision = "1"
base_url = "{url}"
concurrency = {concurrency}
"""


class Said(Row):
    """What came back for a row."""

    id: str
    text: str | None
    """None: owed."""


class Quiet:
    """Tells nobody how far it has come."""

    def begin(self, owed: dict[str, int]) -> None: ...
    def advance(self, model: str, reply: Reply, cost: float | None) -> None: ...
    def end(self) -> None: ...


def rows(job: Job) -> pl.DataFrame:
    """What the door is asked: a row a question."""
    images = pl.Series(job.names() or [None] * job.requests, dtype=pl.String)
    number = pl.int_range(job.requests).cast(pl.String)
    return pl.select(id=number, question=pl.format(QUESTION, number), image=images)


def ask(cells: Cells) -> AnyRequest:
    """A row's request."""
    message = Message(role="user", text=cells["question"], images=(cells["image"],) if cells["image"] else ())
    return Chat(model="bench", messages=(message,), temperature=1.0)


def read(cells: Cells, _: str, reply: Reply) -> Iterable[Said]:
    """A request's row."""
    yield Said(id=cells["id"], text=getattr(reply.result, "text", None))


def answers(folder: Path, job: Job) -> pl.Series:
    """Ask through the door of the workspace in this folder, going on with what it has kept; null: still owed."""
    replies = Replies(folder, write=True)
    generate = Generate(replies, models(folder, job), Blobs(Path(job.images or folder)), folder, Quiet())
    texts = generate(rows(job), ask, read, Said).kept["text"]
    generate.close()
    replies.close()
    return texts


def models(folder: Path, job: Job) -> Catalogue:
    """The one model: the server."""
    path = folder / "models.toml"
    path.write_text(MODELS.format(url=job.url, concurrency=job.concurrency))
    return Catalogue(path)


def kept(folder: Path, job: Job) -> set[int]:
    """Numbers of the requests whose replies the workspace has kept; to be called while nobody writes."""
    identity = models(folder, job)["bench"].identity
    names = pl.Series([request_id(ask(cells), identity) for cells in rows(job).iter_rows(named=True)])
    replies = Replies(folder, write=False)
    missing = replies.missing(names)
    replies.close()
    return {number for number, owed in enumerate(missing) if not owed}
