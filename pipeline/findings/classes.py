"""What there is of each class and kind: images, prompts, quadruples, and of what there is too little."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

import polars as pl

from pipeline import TAXONOMIES, taxonomy
from pipeline.findings import Tables
from pipeline.taxonomy import Taxonomy

NONE = "no class"
_ID = re.compile(r"\bid: *([a-z0-9_]+)")


@dataclass
class Leaf:
    """A subcategory."""

    path: tuple[str, str, str]
    """Names of domain, category and subcategory."""
    images: int = 0
    prompts: Counter[str] = field(default_factory=Counter)
    """By kind."""
    quadruples: Counter[str] = field(default_factory=Counter)
    """By kind."""
    short: dict[str, tuple[int, int]] = field(default_factory=dict)
    """`images`, or a kind of prompt, of which there are too few: found, wanted."""

    @property
    def anything(self) -> bool:
        """Whether there is something of it."""
        return bool(self.images or self.prompts or self.quadruples)

    @property
    def prompts_in_all(self) -> int:
        """Of every kind."""
        return self.prompts.total()

    @property
    def quadruples_in_all(self) -> int:
        """Of every kind."""
        return self.quadruples.total()


@dataclass(frozen=True)
class Coverage:
    """All subcategories that anything is known of, in the taxonomy's order."""

    leaves: tuple[Leaf, ...]
    kinds: tuple[str, ...]

    def domains(self) -> list[tuple[str, list[Leaf]]]:
        """Domain by domain."""
        found: dict[str, list[Leaf]] = {}
        for leaf in self.leaves:
            found.setdefault(leaf.path[0], []).append(leaf)
        return list(found.items())

    def most(self, of: str) -> int:
        """The highest count of prompts or quadruples."""
        return max((n for leaf in self.leaves for n in getattr(leaf, of).values()), default=0)


def paths(leaves: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """The leaves of the shipped taxonomy that knows most of these ids, with their names; and the others by their ids."""
    wanted = set(leaves)
    found: dict[str, tuple[str, str, str]] = {}
    if tree := _tree(wanted):
        found = {leaf: (d.name, c.name, s.name) for leaf, (d, c, s) in tree.leaves.items()}
    return found | {leaf: (NONE, NONE, leaf) for leaf in sorted(wanted - set(found))}


def categories(tables: Tables) -> dict[str, str]:
    """Category id to its name, in the taxonomy that the prompts' subcategories are from; "" is no category."""
    prompts = _prompts(tables)
    known = (
        set() if prompts is None else set(prompts.select("subcategory").unique().collect()["subcategory"].drop_nulls())
    )
    tree = _tree(known)
    return {"": NONE} | ({c.id: c.name for _, c, _ in tree.leaves.values()} if tree else {})


def _tree(leaves: Set[str]) -> Taxonomy | None:
    """Of the shipped taxonomies the one that knows most of these ids."""
    named = {path: set(_ID.findall(path.read_text(encoding="utf-8"))) for path in sorted(TAXONOMIES.glob("*.yaml"))}
    best = max(named, key=lambda path: len(leaves & named[path]))  # only this one is parsed, which takes its time
    return taxonomy.load(best.stem) if leaves & named[best] else None


def coverage(tables: Tables) -> Coverage:
    """Counts by subcategory and kind. Subcategories of which there is nothing are there if a table says that they are wanted."""
    images = _counted(tables.get("selected", tables.get("images")), "subcategory")
    prompts = _counted(_prompts(tables), "subcategory", "kind")
    quadruples = _quadruples(tables)
    short = _short(tables)
    ids = {i[0] for counted in (images, prompts, quadruples) for i in counted} | set(short)
    named = paths(i for i in ids if i is not None)
    leaves = {
        i: Leaf(named[i] if i else (NONE, NONE, NONE)) for i in [*(i for i in named if i in ids), None] if i in ids
    }
    for (leaf, *_), n in images.items():
        leaves[leaf].images = n
    for of, counted in (("prompts", prompts), ("quadruples", quadruples)):
        for (leaf, kind), n in counted.items():
            getattr(leaves[leaf], of)[kind] += n
    for leaf, cells in short.items():
        leaves[leaf].short = cells
    kinds = sum((leaf.prompts + leaf.quadruples for leaf in leaves.values()), Counter[str]())
    return Coverage(
        tuple(leaves.values()), tuple(kind for kind, _ in sorted(kinds.items(), key=lambda k: (-k[1], k[0])))
    )


def _prompts(tables: Tables) -> pl.LazyFrame | None:
    return next((tables[name] for name in ("prompts", "given", "drafts") if name in tables), None)


def _quadruples(tables: Tables) -> Counter[tuple[str | None, ...]]:
    """By the ids of their prompts' subcategories, for their own are names."""
    prompts = _prompts(tables)
    if "quadruples" not in tables or prompts is None:
        return Counter()
    known = prompts.select("subcategory", prompt_id="id")
    return _counted(tables["quadruples"].select("prompt_id", "kind").join(known, on="prompt_id"), "subcategory", "kind")


def _short(tables: Tables) -> Mapping[str, dict[str, tuple[int, int]]]:
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for name in ("short_images", "short_prompts"):
        if name in tables:
            rows = tables[name].select("subcategory", "kind", "found", "wanted").collect()
            for leaf, kind, there, wanted in rows.iter_rows():
                found[leaf][kind or "images"] = (there, wanted)
    return found


def _counted(table: pl.LazyFrame | None, *columns: str) -> Counter[tuple[str | None, ...]]:
    if table is None:
        return Counter()
    return Counter({tuple(row): n for *row, n in table.group_by(columns).len().sort(columns).collect().iter_rows()})
