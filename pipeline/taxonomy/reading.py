"""A YAML file → plain values, and the line in which each of them stands. It may come from anywhere: nothing in it is run."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

MOST_BYTES = 5_000_000
"""Of a file: a hundred times the largest taxonomy that ships. Checking a megabyte took 4 s on one core."""
DEEPEST = 20
"""Lists and fields within each other; three levels of nodes take eight."""
_TAG = "tag:yaml.org,2002:"
_KINDS = ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")
"""Of values, as YAML tells them without being told."""
_TRUTHS = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False}
"""What YAML 1.1 takes for a truth value, in any case."""

Place = tuple[str | int, ...]
"""Field names and list positions that lead to a value."""


class Fault(NamedTuple):
    """What is wrong in a line, and what to do, in one line of text."""

    line: int
    """From 1."""
    text: str


@dataclass(frozen=True)
class Bare:
    """A value that is neither text nor a truth value, such as 1 or 2024-01-01: no field of a taxonomy takes one."""

    text: str


@dataclass
class Values:
    """What a file holds."""

    top: object = None
    """Texts, truth values, None and `Bare`, in lists and dicts."""
    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """Of what stands at a place, or else of what should hold it."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]


def read(path: Path) -> Values | Fault:
    """What the file holds, or why it cannot be read. An OSError is the caller's."""
    if path.stat().st_size > MOST_BYTES:
        return Fault(1, f"larger than {MOST_BYTES:,} bytes; a taxonomy is far smaller")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        return Fault(_Lines(f"{before}?").of(error.start), "not text in UTF-8; save it in that encoding")
    return _composed(text)


class _Lines:
    """Which line a character stands in, as editors count."""

    def __init__(self, text: str) -> None:
        self._ends = [found.end() for found in re.finditer(r"\r\n|\r|\n", text)]
        self._last = len(self._ends) + (not self._ends or self._ends[-1] < len(text))

    def of(self, index: int) -> int:
        return min(bisect_right(self._ends, index) + 1, self._last)


class _Loader(yaml.SafeLoader):
    """Stops at what would grow or sink without end."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="an alias (*); write out what it stands for", problem_mark=mark)
        if self.depth == DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"more than {DEEPEST} lists and fields deep", problem_mark=mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _composed(text: str) -> Values | Fault:
    lines = _Lines(text)
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        return Fault(
            lines.of(error.position),
            f"not YAML: a character that it does not allow, U+{error.character:04X}; take it out",
        )
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return Fault(lines.of(mark.index if mark else 0), f"not YAML: {one_line(error.problem)}")
    except (ValueError, OverflowError):  # PyYAML's, of numbers that no character and no version has
        return Fault(lines.of(loader.get_mark().index), "not YAML: a number out of range; take it out")
    values = Values(lines={(): 1})
    if node is not None:
        values.top = _value(node, (), values, lines)
    return values


def _value(node: yaml.Node, place: Place, into: Values, lines: _Lines) -> object:
    """The node's value, with every line in `into`."""
    line = into.lines.setdefault(place, lines.of(node.start_mark.index))
    kind = node.tag.removeprefix(_TAG)
    if kind not in _KINDS:
        into.faults.append(Fault(line, f"the tag {one_line(node.tag)} is not taken; take it out"))
    if isinstance(node, yaml.MappingNode):
        return _fields(node, place, into, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, n), into, lines) for n, item in enumerate(node.value)]
    if kind == "null":
        return None
    if kind == "bool" and node.value.lower() in _TRUTHS:
        return _TRUTHS[node.value.lower()]
    return Bare(node.value) if kind in _KINDS and kind != "str" else node.value


def _fields(node: yaml.MappingNode, place: Place, into: Values, lines: _Lines) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for key, value in node.value:
        line = lines.of(key.start_mark.index)
        if not isinstance(key, yaml.ScalarNode):
            into.faults.append(Fault(line, "a field's name must be one word"))
        elif key.value in found:
            first = into.lines[*place, key.value]
            into.faults.append(Fault(line, f"{one_line(key.value)} stands here twice, first in line {first}; keep one"))
        else:
            into.lines[*place, key.value] = line
            found[key.value] = _value(value, (*place, key.value), into, lines)
    return found


def one_line(text: object, most: int = 60) -> str:
    """A text as one line of what can be printed, cut at `most` characters."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
