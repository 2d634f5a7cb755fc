"""A row's whole story: from a published quadruple back to every reply, verdict and decision it rests on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from rich.text import Text
from rich.tree import Tree

from pipeline.doors.replies import Replies
from pipeline.release.folder import MANIFEST, Folder
from pipeline.requests import Failure
from pipeline.workspace import Workspace

_BACK = {
    "preferences": (
        ("comparisons", "candidate_id", ("candidate_id",)),
        ("contests", "a_id", ("a_id", "b_id")),  # by ratings counts whatever either of the two was compared with
        ("contests", "b_id", ("a_id", "b_id")),
        ("decisions", "candidate_id", ("candidate_id",)),
        ("judgments", "response_id", ("a_id", "b_id")),
    ),
}
"""Rows that point at a row of this table: their table, their column, and this table's columns."""


class Story:
    """Follows ids through one run's tables."""

    def __init__(self, workspace: Workspace, run: str) -> None:
        self._tables: dict[str, pl.DataFrame] = {}
        for made in workspace.made(run):  # of two of one name the last, and in its place: some share their ids
            self._tables.pop(made.name, None)
            self._tables[made.name] = workspace.table(run, made)
        release = workspace.folder / "releases" / run
        self._release = Folder(release) if (release / MANIFEST).is_file() else None
        self._dropped = workspace.dropped(run)
        self._replies = Replies(workspace.folder, write=False)

    def tell(self, row_id: str) -> Tree | None:
        """The story of the row with this id (or the beginning of it), or None."""
        for name, table in reversed(self._tables.items()):
            if "id" in table.columns:
                found = table.filter(pl.col("id").str.starts_with(row_id))
                if found.height:
                    tree = self._row(name, found.row(0, named=True), set())
                    if name in ("quadruples", "balanced"):
                        tree.add(Text(self._published(found["id"][0])))
                    return tree
        for table in self._dropped:
            for row in table.filter(pl.col("id").str.starts_with(row_id)).iter_rows(named=True):
                return Tree(
                    Text(_plain(f"dropped from {row['stage']}: {row['reason']} ({row['detail'] or row['id']})"))
                )
        return None

    def _published(self, row_id: str) -> str:
        """Where a quadruple stands in the run's release, or why it does not."""
        if self._release is None:
            return "published: not yet"
        version, rows = self._release.version, self._release.rows("quadruples")
        for row in rows.filter(pl.col("id") == row_id).iter_rows(named=True):
            return f"published: in v{version}, split {row['split']}, since v{row['since']}"
        reasons = [
            t.filter(pl.col("id") == row_id, pl.col("stage") == "release")["reason"].to_list() for t in self._dropped
        ]
        return f"published: not in v{version}: {next((r[0] for r in reasons if r), 'built before it was made')}"

    def _row(self, name: str, row: dict[str, Any], seen: set[str]) -> Tree:
        tree = Tree(f"[bold]{name}[/] {row['id']}")
        if row["id"] in seen:
            tree.label = f"{name} {row['id']} (above)"
            return tree
        seen.add(row["id"])
        for column, value in row.items():
            if value is None or column == "id":
                continue
            child = self._follow(column, value, seen)
            tree.add(child or Text(f"{column}: {_plain(value)}"))
        for table, column, columns in _BACK.get(name, ()):
            for found in self._pointing(table, column, [row[c] for c in columns]):
                tree.add(self._row(table, found, seen))
        return tree

    def _follow(self, column: str, value: Any, seen: set[str]) -> Tree | None:
        if column == "request_id":
            return self._reply(value)
        if column != "image" and not column.endswith("_id"):
            return None
        for name, table in reversed(self._tables.items()):
            if "id" in table.columns and (found := table.filter(pl.col("id") == value)).height:
                tree = self._row(name, found.row(0, named=True), seen)
                tree.label = f"{column} → {tree.label}"
                return tree
        return None

    def _pointing(self, table: str, column: str, values: list[str]) -> Iterator[dict[str, Any]]:
        if table in self._tables:
            yield from self._tables[table].filter(pl.col(column).is_in(values)).iter_rows(named=True)

    def _reply(self, request_id: str) -> Tree:
        kept = self._replies.kept(request_id)
        tree = Tree(f"reply {request_id}")
        if kept is None or kept.request is None or kept.reply is None:
            tree.add("still owed")
            return tree
        tree.add(Text(f"model: {kept.revision}"))
        for message in getattr(kept.request, "messages", ()):
            tree.add(Text(f"{message.role}: {_plain(message.text)}"))
        result = kept.reply.result
        said = (
            f"{result.error}: {result.message}"
            if isinstance(result, Failure)
            else getattr(result, "text", None) or result.model_dump_json()
        )
        tree.add(Text(f"said: {_plain(said)}"))
        return tree


def _plain(value: object) -> str:
    """One line, cut at 400 characters, with nothing in it that a terminal would obey."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text[:400] + "…" if len(text) > 400 else text


def find(workspace: Workspace, row_id: str, run: str | None) -> Tree | None:
    """The story of a row in a run, or in whichever run has it."""
    runs = [run] if run else sorted(p.parent.name for p in Path(workspace.folder).glob("runs/*/run.json"))
    return next((tree for name in runs if (tree := Story(workspace, name).tell(row_id))), None)
