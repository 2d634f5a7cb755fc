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
from pipeline.doors.decide import Decide
from pipeline.doors.entries import Joined
from pipeline.errors import UserError
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
    take: Annotated[Path | None, typer.Option(metavar="FILE", help="Take in decisions: JSON lines.")] = None,
    host: Annotated[str, typer.Option(help="The address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to serve on; 0: any.")] = PORT,
    tax: Annotated[str | None, typer.Option("--taxonomy", help="Names the classes, for a recipe of your own: a name, or a YAML file.")] = None,
) -> None:  # fmt: skip
    """Open a run's queue to people, in a browser. `tetrad run` takes up what they decide."""
    place = Workspace(workspace)
    tables = _tables(place, run)
    if status:
        _status(place, run, tables["queue"])
        return
    with contextlib.closing(Decide(place.run(run), write=True)) as decide:
        if take:
            number = decide.take(take, set(tables["candidates"]["id"]), set(tables["responses"]["id"]))
            out.print(f"{number} decisions taken; run the recipe again to settle with them", highlight=False)
        elif add_reviewer:
            _add(decide, add_reviewer, role)
        else:
            _serve(place, run, decide, tables, _taxonomy(place, run, tax), host, port)


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

    if not re.fullmatch(r"[A-Za-z][\w-]{0,31}", name):
        raise UserError(f"{name!r} will not do as a pseudonym: a letter, then letters, digits, '_' and '-', at most 32")
    token = new_token()
    decide.keep(Joined(by="command", name=name, role=role, token_sha256=hashed(token)))
    out.print(
        f"{role} {name}, token (it is kept nowhere, and not shown again):\n{token}", highlight=False, soft_wrap=True
    )


def _serve(
    place: Workspace, run: str, decide: Decide, tables: dict[str, pl.DataFrame], classes: Taxonomy | None, host: str, port: int
) -> None:  # fmt: skip
    missing = [name for name in NEEDED if not importlib.util.find_spec(name)]
    if missing:
        raise UserError(f"the review application needs {', '.join(missing)}: pip install 'tetrad[review]'")
    from pipeline.review import items
    from pipeline.review.access import Sessions, key_in
    from pipeline.review.app import build
    from pipeline.review.desk import Desk
    from pipeline.review.serving import listen, serve
    from pipeline.review.web import Review, Settings

    desk = Desk(decide, items.of_run(tables, classes))
    if not any(person.role == "lead" and person.welcome for person in desk.standing.people.values()):
        _add(decide, "lead", "lead")
        desk = Desk(decide, items.of_run(tables, classes))
    settings = Settings(run, str(place.folder), _categories(desk.items, classes), _harms(classes))
    images = Blobs(place.folder / "images")
    app = build(Review(desk, images, Sessions(key_in(place.run(run) / "review.key")), settings))
    listening = listen(host, port)
    at = listening.getsockname()
    out.print(
        f"{len(desk.queue)} pairs at http://{at[0]}:{at[1]}/  (Ctrl-C stops it; `tetrad run` takes decisions up)",
        highlight=False,
        soft_wrap=True,
    )
    if not ipaddress.ip_address(at[0]).is_loopback:
        out.print(
            "others can reach it, and what they send is not encrypted: put a server with TLS before it", highlight=False
        )
    serve(app, listening)


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
