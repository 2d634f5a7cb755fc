"""Everything that is wrong with a taxonomy's file, each fault with its line."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline import TAXONOMIES
from pipeline.taxonomy.nodes import NAMED, SHUT, Node, Taxonomy, judged, words
from pipeline.taxonomy.reading import Bare, Fault, Place, Values, one_line, read

Trail = tuple[Mapping[str, object], ...]
"""A node as the file has it, behind those that lead to it."""
_SAID = {
    "missing": "{field} is missing; add it",
    "string_type": "{field} must be text, not {given}; write it in quotes",
    "string_unicode": "{field} holds half a character; write it anew",
    "string_too_short": "{field} is empty; write something",
    "string_pattern_mismatch": "{given} is no id; use small letters, digits and _, a letter first",
    "bool_type": "{field} must be true or false, not {given}; write one of them",
    "bool_parsing": "{field} must be true or false, not {given}; write one of them",
    "tuple_type": "{field} must be a list, not {given}; write {field}: [one, another]",
    "dict_type": "{field} must name taxonomies and their leaves; write {field}: {{ailuminate: [hte]}}",
    "too_short": "{field} is empty; give at least one",
    "too_long": "{field} are more than three; a taxonomy has one to three levels",
    "model_type": "{given} where a node should stand; write its fields: id, name",
}
"""What pydantic finds, in words for whoever wrote the file."""


def faults(path: Path) -> list[str]:
    """Everything wrong with a taxonomy's file, in the order of its lines: `FILE:LINE: what; what to do`. None of a sound one."""
    try:
        return checked(path)[0]
    except OSError as error:
        return [f"{path}:1: cannot be read: {error.strerror}; give the path of a YAML file"]


def checked(path: Path) -> tuple[list[str], Taxonomy | None]:
    """The faults of a file, and the taxonomy if there is none."""
    found = read(path)
    taxonomy = None
    if isinstance(found, Fault):
        wrong = [found]
    else:
        broken, taxonomy = _fields(found)
        wrong = found.faults + broken
        for check in (_twice, _deep, _ambiguous, _opened, _mapped_nowhere):
            wrong += check(found, list(_trails(found)))
    lines = [f"{path}:{line}: {text}" for line, text in sorted(wrong, key=lambda fault: fault.line)]
    return lines, None if lines else taxonomy


def _fields(found: Values) -> tuple[list[Fault], Taxonomy | None]:
    try:
        return [], Taxonomy.model_validate(found.top)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        # of a list whose items are broken pydantic says, beside that, that too few are left
        told = [fault for fault in wrong if fault["type"] != "too_short" or not fault["input"]]
        return [Fault(found.line(fault["loc"]), _said(fault)) for fault in told], None


def _said(fault: ErrorDetails) -> str:
    field = next((one_line(part) for part in reversed(fault["loc"]) if isinstance(part, str)), "")
    if fault["type"] == "extra_forbidden":
        return _unknown(field, Node if len(fault["loc"]) > 1 else Taxonomy)
    if not fault["loc"]:
        return "this is no taxonomy; it begins with id, name, version, source, licence, levels and nodes"
    return _SAID.get(fault["type"], "{field}: {found}").format(
        field=field, given=_given(fault["input"]), found=one_line(fault["msg"])
    )


def _given(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "fields" if isinstance(value, dict) else "a list"
    text = value.text if isinstance(value, Bare) else str(value).lower() if isinstance(value, bool) else value
    return one_line(text) or "an empty text"


def _unknown(field: str, model: type[Node | Taxonomy]) -> str:
    fields = list(model.model_fields)
    return f"there is no field {field or 'without a name'}; {_near(field, fields) or 'there are ' + ', '.join(fields)}"


def _near(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]}?" if near else ""


def _trails(found: Values) -> Iterator[tuple[Place, Trail]]:
    """Every node of the file with its place, in order."""
    yield from _below(found.top, ("nodes",), ())


def _below(node: object, place: Place, above: Trail) -> Iterator[tuple[Place, Trail]]:
    listed = node.get(str(place[-1])) if isinstance(node, Mapping) else None
    for n, child in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(child, Mapping):
            yield (*place, n), (*above, child)
            yield from _below(child, (*place, n, "children"), (*above, child))


def _called(node: Mapping[str, object]) -> str:
    return one_line(next(iter(words(node, ("id", "name"))), "this node"))


def _twice(found: Values, nodes: list[tuple[Place, Trail]]) -> Iterator[Fault]:
    """One id, one node."""
    first: dict[str, int] = {}
    for place, trail in nodes:
        for name in words(trail[-1], ("id",)):
            line = found.line((*place, "id"))
            if name in first:
                text = f"the node {one_line(name)} stands in it twice, first in line {first[name]}; give one of them another id"
                yield Fault(line, text)
            first.setdefault(name, line)


def _deep(found: Values, nodes: list[tuple[Place, Trail]]) -> Iterator[Fault]:
    """No node lies deeper than `levels` names, nor than three."""
    levels = found.top.get("levels") if isinstance(found.top, Mapping) else None
    named = min(len(levels), 3) if isinstance(levels, list) and levels else 3
    for place, trail in nodes:
        if len(trail) == named + 1:
            why = "there are at most three;" if named == 3 else f"`levels` names only {named}; name one more, or"
            yield Fault(found.line(place), f"{_called(trail[-1])} is on level {len(trail)}, but {why} move it up")


def _ambiguous(found: Values, nodes: list[tuple[Place, Trail]]) -> Iterator[Fault]:
    """A name means one leaf."""
    owners: dict[str, tuple[Place, object]] = {}
    for place, (*_, leaf) in nodes:
        for name in words(leaf, NAMED) if not leaf.get("children") else ():
            owner, owner_id = owners.setdefault(name.casefold(), (place, leaf.get("id")))
            if owner != place and not name == leaf.get("id") == owner_id:  # of an id that stands twice `_twice` tells
                where = next(field for field in reversed(NAMED) if name in words(leaf, (field,)))
                text = f"{one_line(name)} means another leaf too, in line {found.line(owner)}; let it mean one of them"
                yield Fault(found.line((*place, where)), text)


def _opened(found: Values, nodes: list[tuple[Place, Trail]]) -> Iterator[Fault]:
    """No flag opens what is blocked."""
    shut: dict[Place, bool] = {}
    for place, (*above, node) in nodes:
        names = [name for other in above for name in words(other, NAMED)]
        shut[place] = shut.get(place[:-2], False) or judged(node, names)
        for flag, value in SHUT.items() if shut[place] else ():
            if node.get(flag) is (not value):
                text = f"{flag}: {str(not value).lower()} opens nothing: {_called(node)} brings minors and sexual content together"
                yield Fault(found.line((*place, flag)), f"{text} and is blocked, whatever the file says; take this out")


def _mapped_nowhere(found: Values, nodes: list[tuple[Place, Trail]]) -> Iterator[Fault]:
    """What is mapped to a shipped taxonomy is mapped to one of its leaves."""
    for place, (*_, node) in nodes:
        maps = node.get("maps_to")
        for other in maps if isinstance(maps, Mapping) else ():
            known = shipped(other)
            for leaf in words(maps, (other,)) if known else ():  # type: ignore[arg-type]
                if leaf not in known:
                    meant = _near(leaf, list(known)) or f"there are {', '.join(known)}"
                    yield Fault(
                        found.line((*place, "maps_to", other)), f"{other} has no leaf {one_line(leaf)}; {meant}"
                    )


@cache
def shipped(name: str) -> tuple[str, ...]:
    """The ids of the leaves of a taxonomy that ships; of another, none."""
    paths = {path.stem: path for path in TAXONOMIES.glob("*.yaml")}
    found = read(paths[name]) if name in paths else None
    nodes = _trails(found) if isinstance(found, Values) else ()
    return tuple(leaf for _, (*_, node) in nodes if not node.get("children") for leaf in words(node, ("id",)))
