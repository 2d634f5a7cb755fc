"""publish: a run becomes a release."""

import contextlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
import typer

from pipeline.cli.options import WORKSPACE, Place, RunName
from pipeline.cli.terminal import err, out
from pipeline.doors.blobs import Blobs
from pipeline.doors.decide import Decide, illegal_images
from pipeline.doors.forgotten import ForgottenImages
from pipeline.doors.log import whole
from pipeline.doors.replies import Replies
from pipeline.errors import UserError
from pipeline.findings import makers
from pipeline.models import catalogue
from pipeline.release.folder import Folder
from pipeline.release.splits import SHARES, shares_of
from pipeline.release.told import Model, Told
from pipeline.stages import publish as publishing
from pipeline.workspace import Made, Workspace

Gate = Literal["manual", "auto", "none"]
Personal = Literal["mask", "drop"]
NONE = "none"
"""Said of an option, it takes back what was said of it before. A folder of that name is `./none`."""


def publish(
    run: RunName, workspace: Place = WORKSPACE, repo: Annotated[str | None, typer.Option(help="org/name on the Hub.")] = None,
    tag: Annotated[str | None, typer.Option(help="What it is called on the Hub; by default its version.")] = None,
    gate: Annotated[Gate, typer.Option(help="Who is let in there: manual (by hand), auto (at once) or none (no gate).")] = "manual",
    public: Annotated[bool, typer.Option("--public", help="Make it public there, once it is verified and tagged.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done on the Hub.")] = False,
    base: Annotated[str | None, typer.Option(help="The release that this version builds on: its folder, or its tag on the Hub; none: it builds on none.")] = None,
    avoid: Annotated[list[Path] | None, typer.Option(help="A benchmark that nothing may be taken from: a file or folder; none: forget those said before.")] = None,
    shares: Annotated[str | None, typer.Option("--splits", help="Such as train=0.8,validation=0.1,test=0.1; none: as by default.")] = None,
    personal: Annotated[Personal | None, typer.Option(help="What becomes of a text with personal data.")] = None,
) -> None:  # fmt: skip
    """Build the release folder; with --repo, push it to the Hub: private, gated, verified, tagged. What is said of how to build
    it holds, each option by itself, until it is said anew."""
    from pipeline.doors import push  # the Hub's client takes its time to load

    if repo is not None:
        push.named(repo)
    said: dict[str, Any] = {}
    if base:
        said["base"] = None if base == NONE else str(_base(Workspace(workspace), base, repo).resolve())
    if avoid:
        said["avoid"] = [] if [str(p) for p in avoid] == [NONE] else [str(p.resolve()) for p in avoid]
    if shares:
        said["shares"] = None if shares == NONE else shares
    if personal:
        said["personal"] = personal
    folder = release(Workspace(workspace), run, said)
    tag = tag or f"v{Folder(folder).version}"
    if repo is None:
        out.print(f"to push it: tetrad publish {run} --repo org/name", highlight=False)
        return
    to = push.Target(repo, tag, gate, public)
    for step in push.steps(folder, to) if dry_run else push.push(folder, to):
        out.print(("would " if dry_run else "") + step, highlight=False, soft_wrap=True)


def _base(workspace: Workspace, base: str, repo: str | None) -> Path:
    """The folder of the release that is built on; one on the Hub is brought here."""
    from pipeline.doors import push

    if Path(base).is_dir():
        return Path(base)
    if repo is None:
        raise UserError(f"--base {base}: there is no such folder; for a version on the Hub, say its --repo too")
    return push.fetch(repo, base, workspace.folder / "releases" / f"{repo.replace('/', '--')}@{base}")


def release(workspace: Workspace, name: str, said: dict[str, Any] | None = None) -> Path:
    """Build the release folder, unless it is there. `said`: how, from now on; what it does not name: as it was said last."""
    made = workspace.made(name)
    folder = workspace.folder / "releases" / name
    if workspace.private(name):
        raise UserError(f"the run {name} is private: it is never released")
    if not any(m.name == "quadruples" for m in made):
        raise UserError(f"the run {name} has no quadruples yet: `tetrad run` it to the end first")
    _unflagged(workspace, name)
    catalogue().releasable(publishing.models([pl.scan_parquet(workspace.path(name, m)) for m in made]))
    remembered = folder.with_name(f"{name}.plan.json")
    last = json.loads(remembered.read_text(encoding="utf-8")) if remembered.is_file() else {}
    holding = last | (said or {})
    plan = replace(_plan(holding, folder), told=_told(workspace, name, made))
    new = not publishing.holds(folder, made, plan)
    if new:
        tables = {m.name: workspace.table(name, m) for m in made}
        if tables["quadruples"].is_empty():
            raise UserError(
                f"the run {name} made no quadruples, so there is nothing to release: `tetrad status {name}` says why"
            )
        publishing.release(
            tables, made=made, images=Blobs(workspace.folder / "images"), folder=folder, name=name, plan=plan,
            forgotten=frozenset(ForgottenImages(workspace.folder)), dropped={i: why for table in workspace.dropped(name) for i, why in table.select("id", "reason").iter_rows()},
        )  # fmt: skip
    if holding != last:
        with whole(remembered) as file:
            file.write(json.dumps(holding).encode())
    version = Folder(folder).version
    err.print(
        f"release {'built' if new else 'is there already'}: {folder} (v{version})", highlight=False, soft_wrap=True
    )
    return folder


def _unflagged(workspace: Workspace, name: str) -> None:
    """UserError: something was flagged as illegal, an image in any run, or words in this one."""
    if flagged := sorted(illegal_images(workspace.folder)):
        raise UserError(
            f"the image {flagged[0]} was flagged as illegal: see to it (tetrad forget {flagged[0]}), or clear the flag on "
            "the lead's page, before anything is released"
        )
    with contextlib.closing(Decide(workspace.run(name), write=False)) as decide:
        for flag in decide.illegal():
            raise UserError(
                f"the words of the pair {flag.candidate_id} were flagged as illegal: see to it, and clear the flag on the lead's "
                "page, before anything is released"
            )


def _told(workspace: Workspace, name: str, made: list[Made]) -> Told:
    """What the card says of the models, as they were asked, and whom to write to ($TETRAD_CONTACT)."""
    known, replies = catalogue(), Replies(workspace.folder, write=False)
    tables = {m.name: pl.scan_parquet(workspace.path(name, m)) for m in made}
    found = {}
    for model, request in makers.requests(tables).items():
        kept = replies.kept(request)
        entry = known.get(model)
        terms = f"{entry.terms.source}, read {entry.terms.date}" if entry and entry.terms else None
        identity = (kept.revision if kept else None) or (entry.identity if entry else model)
        found[model] = Model(identity, entry.licence if entry else None, terms)
    return Told(found, os.environ.get("TETRAD_CONTACT", "").strip() or None)


def _plan(said: dict[str, Any], folder: Path) -> publishing.Plan:
    base = Path(said["base"]) if said.get("base") else None
    if base and base.resolve() == folder.resolve():
        raise UserError(f"--base {base} is the folder that is written: copy it elsewhere, and build on the copy")
    avoid = tuple(map(Path, said.get("avoid") or ()))
    text = said.get("shares")
    return publishing.Plan(base, avoid, shares_of(text) if text else SHARES, said.get("personal") or "mask")
