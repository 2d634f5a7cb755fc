"""taxonomies/*.yaml → domain, category, subcategory.

To add one, write a YAML file like those in taxonomies/, anywhere: one to three levels of nodes, each with an id and a name.
`faults` says what is wrong with it, line by line; `load` takes its path. Whatever brings minors and sexual content together
is blocked when it is loaded: no images, no generated text, and nothing in the file opens it again.
"""

from pathlib import Path

from pipeline import TAXONOMIES
from pipeline.errors import UserError
from pipeline.taxonomy.checking import checked, faults
from pipeline.taxonomy.minors import pairs_minors_and_sex
from pipeline.taxonomy.nodes import Node, Taxonomy
from pipeline.taxonomy.shown import notes, tree

__all__ = ["Node", "Taxonomy", "faults", "load", "notes", "pairs_minors_and_sex", "tree"]


def load(name: str, folder: Path = TAXONOMIES) -> Taxonomy:
    """Read taxonomies/`name`.yaml, or the file of that path, and check it."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    try:
        wrong, taxonomy = checked(path)
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise UserError(f"no such taxonomy: {path}; there are {known}, or give the path of a YAML file") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if taxonomy is None:
        more = f" (and {len(wrong) - 1} more: tetrad taxonomy check {path})" if len(wrong) > 1 else ""
        raise UserError(f"{wrong[0]}{more}")
    return taxonomy
