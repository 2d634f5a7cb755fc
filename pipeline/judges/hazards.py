"""What an unsafe answer is unsafe by, in one language for all judges: the leaves of taxonomies/llama_guard_4.yaml, S1 to S14."""

from collections.abc import Iterable
from functools import cache

from pipeline import taxonomy
from pipeline.taxonomy import Taxonomy

TAXONOMY = "llama_guard_4"


@cache
def _hazards() -> Taxonomy:
    return taxonomy.load(TAXONOMY)


def coded(code: str) -> str | None:
    """The id of a hazard by its code (`S9`), its id or its name."""
    return _hazards().resolve(code.strip())


def listed() -> str:
    """Code and name of each, a line each."""
    return "\n".join(f"{leaf.aliases[0]}: {leaf.name}" for _, _, leaf in _hazards().leaves.values())


def codes() -> list[str]:
    """S1 to S14."""
    return [leaf.aliases[0] for _, _, leaf in _hazards().leaves.values()]


def leaves(categories: Iterable[str], of: Taxonomy) -> tuple[str, ...]:
    """The leaves of a taxonomy that correspond to a judgment's categories, by its `maps_to`, in its order. A hazard is wider
    than most leaves: these are all that it may be, and not all that it is."""
    wanted = set(categories)
    return tuple(name for name, (_, _, leaf) in of.leaves.items() if wanted & set(leaf.maps_to.get(TAXONOMY, ())))
