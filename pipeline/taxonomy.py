"""taxonomies/*.yaml → domain, category, subcategory."""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import polars as pl
import yaml
from pydantic import Field, ValidationError

from pipeline import TAXONOMIES
from pipeline.errors import UserError
from pipeline.requests import Record

_AGE = r"(?<!ty[- ])(?:[1-9]|1[0-7]|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(thir|four|fif|six|seven)teen)"
_MINOR = re.compile(
    r"\b(child|children|kids?|minors?|underaged?|(pre-?)?teen(agers?|age|s)?|adolescents?|juveniles?|toddlers?|infants?|csam|csem|"
    rf"school(girl|boy)s?|(little|young|under-?age) (girl|boy)s?|{_AGE}[- ]?(years?|yrs?)[- ]?olds?|{_AGE}[- ]?y/?o)\b",
    re.IGNORECASE,
)
_SEXUAL = re.compile(
    r"\b(sex(y|t(s|ed|ing)?|ual\w*)?|nud(e|es|ity)|naked|porn\w*|erotic\w*|undress\w*|lewd\w*|molest\w*|csam|csem)\b",
    re.IGNORECASE,
)


def pairs_minors_and_sex(text: str) -> bool:
    """Whether a text brings minors and sexual content together: then it passes no door. There is no override."""
    return bool(_MINOR.search(text) and _SEXUAL.search(text))


class Node(Record):
    """A domain, a category or a subcategory."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    aliases: tuple[str, ...] = ()
    definition: str
    keywords: tuple[str, ...] = ()
    image_allowed: bool = True
    """Whether images may be collected for it."""
    generate_allowed: bool = True
    """Whether questions and responses may be generated on it."""
    review_blur: bool = False
    """Whether its images are blurred until a reviewer asks for them."""
    children: tuple["Node", ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether its own words pair minors with sexual content."""
        return pairs_minors_and_sex(" ".join([self.name, *self.aliases, self.definition, *self.keywords]))


class Taxonomy(Record):
    """A tree of harms, three levels deep."""

    id: str
    name: str
    version: str
    source: str
    licence: str
    levels: tuple[str, str, str]
    nodes: tuple[Node, ...] = Field(min_length=1)

    def paths(self) -> Iterator[tuple[Node, Node, Node]]:
        """Domain, category and subcategory of every leaf, in order."""
        for domain in self.nodes:
            for category in domain.children:
                for subcategory in category.children:
                    yield domain, category, subcategory

    @cached_property
    def leaves(self) -> dict[str, tuple[Node, Node, Node]]:
        """Subcategory id to its path."""
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
        """The id of the subcategory that this is the id, the name or an alias of, in any case."""
        return self._names.get(name.casefold()) if name else None

    def allows(self, subcategory: str, *, images: bool) -> bool:
        """Whether its whole path allows images (or else: generated text), and no node of it is blocked."""
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


def _nodes(nodes: tuple[Node, ...], level: int = 0) -> Iterator[tuple[int, Node]]:
    for node in nodes:
        yield level, node
        yield from _nodes(node.children, level + 1)


def load(name: str, folder: Path = TAXONOMIES) -> Taxonomy:
    """Read taxonomies/`name`.yaml, or the file of that path, and check it."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    try:
        taxonomy = Taxonomy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise UserError(f"no such taxonomy: {path}; there are {known}, or give the path of a YAML file") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text in UTF-8") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    _check(taxonomy, path)
    return taxonomy


def _check(taxonomy: Taxonomy, path: Path) -> None:
    """Every id once, and every branch three levels deep."""
    seen: set[str] = set()
    for level, node in _nodes(taxonomy.nodes):
        if node.id in seen:
            raise UserError(f"{path}: the node {node.id} stands in it twice; give one of them another id")
        seen.add(node.id)
        if bool(node.children) != (level < 2):
            what = "has no children" if level < 2 else "has children of its own"
            raise UserError(f"{path}: the {taxonomy.levels[min(level, 2)]} {node.id} {what}: "
                            f"every branch must be three levels deep ({', '.join(taxonomy.levels)})")  # fmt: skip
