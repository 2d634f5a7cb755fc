"""review: people decide, in a browser; and what they decided comes in and goes out as files."""

import contextlib
import importlib.util
import ipaddress
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import polars as pl
import typer

from pipeline import recipes, taxonomy
from pipeline.cli.options import WORKSPACE, Place, RunName
from pipeline.cli.terminal import out
from pipeline.doors.blobs import Blobs
from pipeline.doors.decide import Decide, illegal_images
from pipeline.doors.entries import Gold, Joined
from pipeline.doors.log import disk_error, private_folder, whole
from pipeline.errors import UserError
from pipeline.judges import gold as judged
from pipeline.tables import row_id
from pipeline.taxonomy import Taxonomy
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.review.items import Item

PORT = 8420
NEEDED = ("fastapi", "uvicorn", "multipart", "markdown_it")


def review(
    run: RunName,
    workspace: Place = WORKSPACE,
    status: Annotated[bool, typer.Option("--status", help="Only say how much is decided.")] = False,
    add_reviewer: Annotated[str | None, typer.Option(metavar="NAME", help="Let somebody in, under a pseudonym; prints their token, once.")] = None,
    role: Annotated[Literal["reviewer", "lead"], typer.Option(help="Theirs.")] = "reviewer",
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every pair with its decisions: JSON lines.")] = None,
    label_studio: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write tasks for Label Studio, with their configuration and images.")] = None,
    take: Annotated[Path | None, typer.Option(metavar="FILE", help="Take in decisions: JSON lines, as --export writes them, or Label Studio's JSON.")] = None,
    gold: Annotated[Path | None, typer.Option(metavar="FILE", help="Mix in pairs whose answer is known.")] = None,
    host: Annotated[str, typer.Option(help="The address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to serve on; 0: any.")] = PORT,
    classes: Annotated[str | None, typer.Option("--taxonomy", help="Names the classes, for a recipe of your own: a name, or a YAML file.")] = None,
) -> None:  # fmt: skip
    """Open a run's queue to people, in a browser. `tetrad run` takes up what they decide."""
    place = Workspace(workspace)
    tables = _tables(place, run)
    if status:
        _status(place, run, tables["queue"])
    elif export or label_studio:
        _write(place, run, tables, export, label_studio)
    else:
        with contextlib.closing(Decide(place.run(run), write=True)) as decide:
            if take:
                _take(decide, take, tables)
            elif add_reviewer is not None:
                _add(decide, add_reviewer, role)
            else:
                _serve(place, run, decide, tables, _taxonomy(place, run, classes), gold, host, port)
        if take:
            _status(place, run, tables["queue"])


def _tables(place: Workspace, run: str) -> dict[str, pl.DataFrame]:
    """The tables that a review is of: of each the last in the run."""
    made = {m.name: m for m in place.made(run)}
    if "queue" not in made:
        raise UserError(f"the run {run} has no review queue yet: `tetrad run` it up to review first")
    prompts = [m for m in made.values() if m.row == "Prompt"]
    found = {
        "queue": made["queue"],
        "candidates": made["candidates"],
        "responses": made["responses"],
        "prompts": prompts[-1],
    }
    return {name: place.table(run, table) for name, table in found.items()}


def _taxonomy(place: Workspace, run: str, name: str | None) -> Taxonomy | None:
    """The one that is named, or that of the run's recipe, if it is one of ours."""
    if name:
        return taxonomy.load(name)
    with contextlib.suppress(UserError):
        recipe = recipes.load(json.loads((place.run(run) / "run.json").read_text())["recipe"])
        found: Taxonomy | None = getattr(recipe, "TAXONOMY", None)
        return found
    return None


def _status(place: Workspace, run: str, queue: pl.DataFrame) -> None:
    with contextlib.closing(Decide(place.run(run), write=False)) as decide:
        decided = decide.decisions()
    done = queue.filter(pl.col("id").is_in(decided["candidate_id"].drop_nulls().to_list())).height
    for reason, number in sorted(Counter(queue["reason"]).items()):
        out.print(f"{number} pairs to look at: {reason}", highlight=False)
    out.print(f"{done} of {queue.height} are decided" + ("" if done else ": this run is unreviewed"), highlight=False)


def _add(decide: Decide, name: str, role: Literal["reviewer", "lead"]) -> None:
    from pipeline.review.access import hashed, new_token

    if not re.fullmatch(r"[A-Za-z][\w-]{0,31}", name, re.ASCII):
        raise UserError(f"{name!r} will not do as a pseudonym: a letter, then letters, digits, '_' and '-', at most 32")
    token = new_token()
    decide.keep(Joined(by="command", name=name, role=role, token_sha256=hashed(token)))
    out.print(
        f"{role} {name}, token (it is kept nowhere, and not shown again):\n{token}", highlight=False, soft_wrap=True
    )


def _take(decide: Decide, path: Path, tables: dict[str, pl.DataFrame]) -> None:
    from pipeline.review import items, label_studio

    if label_studio.is_export(path):
        every = (
            tables["candidates"].select("id").with_row_index("rank")
        )  # the queue may be another since it was exported
        found = label_studio.decisions(path, items.of_run(tables | {"queue": every}, None))
        decide.keep(*found)
        number = len(found)
    else:
        number = decide.take(path, set(tables["candidates"]["id"]), set(tables["responses"]["id"]))
    out.print(f"{number} decisions taken; run the recipe again to settle with them", highlight=False)


def _write(
    place: Workspace, run: str, tables: dict[str, pl.DataFrame], export: Path | None, folder: Path | None
) -> None:
    """Files for others: of the pairs that may be shown."""
    from pipeline.review import exchange, items, label_studio
    from pipeline.review.desk import Desk

    with contextlib.closing(Decide(place.run(run), write=False)) as decide:
        desk = Desk(decide, items.of_run(tables, None), blocked=illegal_images(place.folder))
    shown = [desk.items[pair] for pair in desk.queue if not desk.withheld(pair)]
    if export:
        with whole(export) as file:
            file.writelines(f"{line}\n".encode() for line in exchange.lines(desk))
        out.print(f"{len(shown)} pairs in {export}", highlight=False, soft_wrap=True)
    if folder:
        private_folder(folder)
        images = Blobs(place.folder / "images")
        try:
            tasks = [label_studio.task(item, label_studio.copy(item, images, folder)) for item in shown]
            (folder / "tasks.json").write_text(json.dumps(tasks, indent=1))
            (folder / "config.xml").write_text(label_studio.config())
        except OSError as error:
            raise disk_error(folder, error) from None
        out.print(
            f"{len(shown)} tasks in {folder}: config.xml is the project's labelling interface",
            highlight=False,
            soft_wrap=True,
        )


def _needs() -> None:
    missing = [name for name in NEEDED if not importlib.util.find_spec(name)]
    if missing:
        raise UserError(f"review needs {', '.join(missing)}: pip install 'tetrad[review]'")


def _serve(
    place: Workspace, run: str, decide: Decide, tables: dict[str, pl.DataFrame], classes: Taxonomy | None,
    gold: Path | None, host: str, port: int,
) -> None:  # fmt: skip
    _needs()
    from pipeline.review import items
    from pipeline.review.access import Sessions, key_in
    from pipeline.review.app import build
    from pipeline.review.desk import Desk
    from pipeline.review.serving import listen, serve
    from pipeline.review.standing import Standing
    from pipeline.review.web import Review, Settings

    images = Blobs(place.folder / "images")
    before = Standing(decide.entries())
    if gold:
        decide.keep(*(g for g in _gold(gold, images) if g.candidate_id not in before.gold))
    if not any(person.role == "lead" and person.welcome for person in before.people.values()):
        _add(decide, "lead", "lead")
    desk = Desk(decide, items.of_run(tables, classes), taxonomy=classes, blocked=illegal_images(place.folder))
    settings = Settings(run, place, _categories(desk.items, classes), _harms(classes))
    app = build(Review(desk, images, Sessions(key_in(place.run(run) / "review.key")), settings))
    with contextlib.closing(listen(host, port)) as listening:
        at, on, *_ = listening.getsockname()
        url = f"http://{f'[{at}]' if ':' in at else at}:{on}/"
        out.print(f"{len(desk.queue)} pairs wait at {url} (Ctrl-C stops it)", highlight=False, soft_wrap=True)
        if not ipaddress.ip_address(at).is_loopback:
            out.print("others can reach it, and nothing is encrypted: put a server with TLS before it", highlight=False)
        serve(app, listening)


def _gold(path: Path, images: Blobs) -> list[Gold]:
    found = []
    for row in judged.read(path).iter_rows(named=True):
        if row["b"] is None:
            continue
        if row["image"] and row["image"] not in images:
            raise UserError(f"{path}: the workspace has no image {row['image']}")
        found.append(
            Gold(
                by="command",
                candidate_id=row_id("known", row["id"]),
                **{k: row[k] for k in ("image", "question", "a", "b", "preferred", "subcategory")},
            )
        )
    return found


def _categories(found: "dict[str, Item]", classes: Taxonomy | None) -> dict[str, str]:
    """Of the queue: id to name."""
    names = {path[1].id: path[1].name for path in classes.paths()} if classes else {}
    return {i: names.get(i, i) for i in sorted({item.category for item in found.values() if item.category})}


def _harms(classes: Taxonomy | None) -> dict[str, dict[str, str]]:
    """Category's name to its leaves: id to name."""
    found: dict[str, dict[str, str]] = {}
    for _, category, leaf in classes.paths() if classes else ():
        found.setdefault(category.name, {})[leaf.id] = leaf.name
    return found
