"""A taxonomy for the eye: its tree with counts, and what is worth saying of it."""

from collections import Counter
from collections.abc import Mapping

from rich.text import Text
from rich.tree import Tree

from pipeline.taxonomy.checking import shipped
from pipeline.taxonomy.nodes import Node, Taxonomy, trails
from pipeline.taxonomy.reading import one_line

Counts = Mapping[str, Mapping[str, int]]


def tree(taxonomy: Taxonomy, counts: Counts) -> Tree:
    """The taxonomy as a tree to print: per node its name, its flags where they are not the usual ones, and its counts.
    `counts` is by column ("images"), then by leaf id; a node has the sum of its leaves. What belongs to no leaf of the
    taxonomy stands at the end, so that the columns add up."""
    totals = {column: sum(by_leaf.values()) for column, by_leaf in counts.items()}
    top = Tree(_label(taxonomy.name, taxonomy.id, [], totals))
    known: dict[str, int] = Counter()
    for node in taxonomy.nodes:
        branch, sums = _branch(node, counts, blocked=False)
        top.add(branch)
        known.update(sums)
    if elsewhere := {column: n - known[column] for column, n in totals.items() if n != known[column]}:
        top.add(Tree(_label("in none of these", "", [], elsewhere)))
    return top


def _branch(node: Node, counts: Counts, *, blocked: bool) -> tuple[Tree, dict[str, int]]:
    """A node with all below it, and the sums of its leaves."""
    branch = Tree(Text())
    sums = {column: 0 if node.children else by_leaf.get(node.id, 0) for column, by_leaf in counts.items()}
    for child in node.children:
        below, more = _branch(child, counts, blocked=node.blocked)
        branch.add(below)
        sums = {column: n + more[column] for column, n in sums.items()}
    branch.label = _label(node.name, node.id, [] if blocked else _flags(node), sums)
    return branch, sums


def _flags(node: Node) -> list[str]:
    if node.blocked:
        return ["blocked"]
    said = {
        "no images": not node.image_allowed,
        "no generated text": not node.generate_allowed,
        "blurred": node.review_blur,
    }
    return [flag for flag, holds in said.items() if holds]


def _label(name: str, name_id: str, flags: list[str], sums: Mapping[str, int]) -> Text:
    shown = ", ".join(f"{column} {n:,}" for column, n in sums.items())
    parts = [(one_line(name, 100), "bold"), (name_id, "dim"), (", ".join(flags), "red"), (shown, "green")]
    return Text("  ").join(Text(text, style) for text, style in parts if text)


def notes(taxonomy: Taxonomy) -> list[str]:
    """What is no fault but worth saying, one line each: its size, what is blocked, what its leaves lack, and what no check saw."""
    sizes = taxonomy.frame().n_unique
    domains, categories, leaves = (sizes([column]) for column in ("domain", "category", "subcategory"))
    said = [f"{domains} domains, {categories} categories, {leaves} subcategories"]
    nodes = [trail[-1] for trail in trails(taxonomy.nodes)]
    blocked = [node.id for node in nodes if node.blocked]
    open_leaves = [path[2] for path in taxonomy.paths() if taxonomy.allows(path[2].id, images=True)]
    unknown = {other for node in nodes for other in node.maps_to if not shipped(other)}
    for ids, what in (
        (blocked, "blocked, for minors and sexual content: no images, no text, no keywords"),
        ([leaf.id for _, _, leaf in taxonomy.paths() if not leaf.definition], "without a definition: writers get its name alone"),
        ([leaf.id for leaf in open_leaves if not leaf.keywords], "without keywords: no search finds images for it"),
        (sorted(unknown), "in `maps_to`, but no taxonomy that ships: its leaves were not checked"),
    ):  # fmt: skip
        if ids:
            said.append(f"{', '.join(ids)}: {what}")
    return said
