"""A tree of harms, and what of it is blocked."""

from collections.abc import Iterator, Mapping
from functools import cached_property

import polars as pl
from pydantic import Field, field_validator

from pipeline.requests import Record
from pipeline.taxonomy.minors import pairs_minors_and_sex

_ID = r"^[a-z][a-z0-9_]*$"
NAMED = ("id", "name", "aliases")
"""Fields in which a node says what it is called: they count for all that stands below it."""
WORDED = (*NAMED, "definition", "keywords")
"""Fields that hold a node's own words."""
SHUT: Mapping[str, bool] = {"blocked": True, "image_allowed": False, "generate_allowed": False, "review_blur": True}
"""The flags of a node that is blocked, whatever its file says."""


class Node(Record):
    """A domain, a category or a subcategory."""

    id: str = Field(pattern=_ID)
    name: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    definition: str = ""
    keywords: tuple[str, ...] = ()
    """What to search images with; a blocked node has none."""
    image_allowed: bool = True
    """Whether images may be collected for it."""
    generate_allowed: bool = True
    """Whether questions and responses may be generated on it."""
    review_blur: bool = False
    """Whether its images are blurred until a reviewer asks for them."""
    blocked: bool = False
    """Whether it pairs minors with sexual content: its taxonomy sets it, by `words`, for the node and all below it. A file
    may say true, of what no list of words knows; false opens nothing."""
    maps_to: Mapping[str, tuple[str, ...]] = {}
    """Taxonomy id to the ids of its leaves that this leaf corresponds to; none where nothing does."""
    children: tuple["Node", ...] = ()


class Taxonomy(Record):
    """A tree of harms, one to three levels deep. A branch may end early."""

    id: str = Field(pattern=_ID)
    name: str = Field(min_length=1)
    version: str
    source: str
    licence: str
    levels: tuple[str, ...] = Field(min_length=1, max_length=3)
    """What its levels are called, from above."""
    nodes: tuple[Node, ...] = Field(min_length=1)

    @field_validator("nodes")
    @classmethod
    def _closed(cls, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        return tuple(_closed(node, [], False) for node in nodes)

    def paths(self) -> Iterator[tuple[Node, Node, Node]]:
        """Domain, category and subcategory of every leaf, in order. For a level that is missing the leaf itself stands: a
        leaf on the second level is its own category (domain, leaf, leaf), one on the first its own domain too."""
        for trail in trails(self.nodes):
            if not trail[-1].children:
                yield trail[0], trail[min(1, len(trail) - 1)], trail[-1]

    @cached_property
    def leaves(self) -> dict[str, tuple[Node, Node, Node]]:
        """Leaf id to its path."""
        return {path[2].id: path for path in self.paths()}

    @cached_property
    def _names(self) -> dict[str, str]:
        names = {}
        for path in self.paths():
            leaf = path[2]
            for name in (leaf.id, leaf.name, *leaf.aliases):
                names[name.casefold()] = leaf.id
        return names

    def resolve(self, name: str | None) -> str | None:
        """The id of the leaf that this is the id, the name or an alias of, in any case."""
        return self._names.get(name.casefold()) if name else None

    def allows(self, subcategory: str, *, images: bool) -> bool:
        """Whether a leaf's whole path allows images (or else: generated text), and no node of it is blocked."""
        return all(
            (node.image_allowed if images else node.generate_allowed) and not node.blocked
            for node in self.leaves[subcategory]
        )

    def frame(self) -> pl.DataFrame:
        """subcategory, domain, category: ids, one row a leaf."""
        return pl.DataFrame(
            [(leaf, path[0].id, path[1].id) for leaf, path in self.leaves.items()],
            schema={"subcategory": pl.String, "domain": pl.String, "category": pl.String},
            orient="row",
        )


def trails(nodes: tuple[Node, ...], above: tuple[Node, ...] = ()) -> Iterator[tuple[Node, ...]]:
    """Every node, in order, as the last of those that lead to it."""
    for node in nodes:
        yield (*above, node)
        yield from trails(node.children, (*above, node))


def words(node: Mapping[str, object], fields: tuple[str, ...]) -> list[str]:
    """The texts in these fields of a node, checked or not."""
    found: list[str] = []
    for field in fields:
        value = node.get(field)
        found += [v for v in (value if isinstance(value, list | tuple) else [value]) if isinstance(v, str)]
    return found


def judged(node: Mapping[str, object], above: list[str]) -> bool:
    """Whether a node's own words, beside the names of those above it, pair minors with sexual content."""
    return node.get("blocked") is True or pairs_minors_and_sex(" | ".join([*above, *words(node, WORDED)]))


def _closed(node: Node, above: list[str], shut: bool) -> Node:
    """The node and those below it with the flags that they have in the end."""
    shut = shut or judged(dict(node), above)
    below = [*above, *words(dict(node), NAMED)]
    changes: dict[str, object] = {"children": tuple(_closed(child, below, shut) for child in node.children)}
    return node.model_copy(update=changes | ({**SHUT, "keywords": ()} if shut else {}))
