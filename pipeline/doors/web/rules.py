"""What sites write to say what may be taken: robots.txt, tdmrep.json, X-Robots-Tag and tdm-reservation. Text in, rules out.

robots.txt is read here and by no library, because TDMRep takes its patterns from it, and because the work is linear in a file
that a stranger may have made to be slow: only the groups that name us, or everyone, are kept.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from pipeline.doors.web.limits import TOKEN

OPT_OUTS = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
"""Of X-Robots-Tag: DeviantArt's directives on machine learning, and Google's on indices."""
_KEPT = frozenset(b"/%?*$")
"""Characters that mean another thing when they are written as escapes."""
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
_LINES = re.compile(r"\r\n|\r|\n")
_PRODUCT = re.compile(r"[A-Za-z_-]+|\*")
_FIELDS = {
    "useragent": "user-agent", "user agent": "user-agent", "crawl delay": "crawl-delay",
    "dissallow": "disallow", "dissalow": "disallow", "disalow": "disallow", "diasllow": "disallow", "disallaw": "disallow",
}  # fmt: skip
"""Misspellings that search engines understand."""
_SCOPE = re.compile(r"\s*([A-Za-z*][A-Za-z0-9_./-]*)\s*:(.*)", re.DOTALL)
_VALUED = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
"""Directives of X-Robots-Tag that have a value behind a colon, and are no robot's name."""
_OURS = {TOKEN, "*", "robots"}


def canonical(path: str) -> str:
    """A path, with its query, in one spelling of all that mean the same (RFC 9309, 2.2.2): letters, digits, `-._~`, `/` and `?` as
    they are, all else escaped, `*` and `$` too."""

    def plain(escape: re.Match[bytes]) -> bytes:
        if not escape[1]:
            return b"%25"
        value = int(escape[1], 16)
        return escape[0].upper() if value in _KEPT else bytes([value])

    return quote_from_bytes(_ESCAPE.sub(plain, path.encode("utf-8", "surrogatepass")), safe="/%?")


class Pattern(NamedTuple):
    """A rule's path: `*` stands for any characters, and `$` at the end for the end (RFC 9309, 2.2.3)."""

    pieces: tuple[str, ...]
    """What lies between the stars."""
    ends: bool
    size: int
    """Octets, as written: of two patterns that match, the longer is meant."""

    def matches(self, path: str) -> bool:
        """`path` is canonical."""
        first, *rest = self.pieces
        if not path.startswith(first):
            return False
        at = len(first)
        last = rest.pop() if self.ends and rest else None
        for piece in rest:
            found = path.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
        if last is not None:
            return path.endswith(last) and len(path) - len(last) >= at
        return not self.ends or at == len(path)


def pattern(text: str) -> Pattern:
    """A path without a slash before it is taken for one with."""
    written = text.encode("utf-8", "surrogatepass")
    text = text if text.startswith(("/", "*")) else f"/{text}"
    ends = text.endswith("$")
    pieces = tuple(canonical(piece) for piece in re.split(r"\*+", text.removesuffix("$")))
    return Pattern(pieces, ends, len(written))


class Robots(NamedTuple):
    """The rules of a robots.txt that are ours: those for our name, or if there are none, those for everyone."""

    rules: tuple[tuple[Pattern, bool], ...] = ()
    """With whether it allows; what is meant first comes first."""
    delay: float = 0.0
    """Crawl-delay, in seconds."""

    def allows(self, path: str) -> bool:
        """`path` is canonical. The longest pattern that matches decides; of two as long, the one that allows."""
        return next((allows for rule, allows in self.rules if rule.matches(path)), True)


@dataclass(eq=False)  # two groups that say the same are still two
class _Group:
    named: bool = False
    rules: list[tuple[Pattern, bool]] = field(default_factory=list)
    delay: float = 0.0

    def add(self, name: str, value: str) -> None:
        if name == "crawl-delay":
            self.delay = max(self.delay, _seconds(value))
        elif value:
            self.rules.append((pattern(value), name == "allow"))


def robots(text: str) -> Robots:
    """Read a robots.txt (RFC 9309); what cannot be understood is skipped. Groups that name the same robot are one."""
    groups = {TOKEN: _Group(), "*": _Group()}
    current: list[_Group] = []
    naming = False
    for line in _LINES.split(text):
        name, value = _field(line)
        if name == "user-agent":
            current = current if naming else []
            naming = True
            product = _PRODUCT.match(value)
            if product and (group := groups.get(product[0].lower())) and group not in current:
                group.named = True
                current.append(group)
        elif name in ("allow", "disallow", "crawl-delay"):
            naming = False
            for group in current:
                group.add(name, value)
    ours = groups[TOKEN] if groups[TOKEN].named else groups["*"]
    return Robots(tuple(sorted(ours.rules, key=lambda rule: (-rule[0].size, not rule[1]))), ours.delay)


def _field(line: str) -> tuple[str, str]:
    line = line.partition("#")[0].strip()
    name, colon, value = line.partition(":")
    if not colon:
        name, _, value = line.partition(" ")
    name = name.strip().lower()
    return _FIELDS.get(name, name), value.strip()


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0


Reservations = tuple[tuple[Pattern, bool | None], ...]
"""Of a tdmrep.json: each path, and whether mining it is reserved (None: what is written there means nothing)."""


def reservations(text: str) -> Reservations:
    """Read a tdmrep.json (W3C community group's TDM Reservation Protocol, 10 May 2024, "TDM File on the Origin Server"): what is
    no such file has no rules."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    rules = document if isinstance(document, list) else [document]  # some write one rule without the list around it
    return tuple(
        (pattern(rule["location"]), _reserved(str(rule.get("tdm-reservation"))))
        for rule in rules
        if isinstance(rule, dict) and isinstance(rule.get("location"), str)
    )


def reserved(rules: Reservations, path: str) -> bool | None:
    """What a file says of a canonical path; the first rule that matches decides."""
    return next((value for rule, value in rules if rule.matches(path)), None)


def reservation(values: Iterable[str]) -> bool | None:
    """What the tdm-reservation headers say: one that reserves is enough."""
    found = {_reserved(part.strip()) for value in values for part in value.split(",")}
    return True if True in found else False if False in found else None


def _reserved(value: str) -> bool | None:
    return {"1": True, "0": False}.get(value)


def opt_outs(values: Iterable[str]) -> list[str]:
    """The directives in X-Robots-Tag headers that forbid us an image. A robot's name with a colon stands before the directives
    that are for it alone: `otherbot: noai, noindex` is nothing to us."""
    found = []
    for value in values:
        scope = "*"
        for part in value.split(","):
            named = _SCOPE.fullmatch(part)
            if named and named[1].lower() not in _VALUED:
                scope, part = named[1].lower().partition("/")[0], named[2]
            if scope in _OURS and part.strip().lower() in OPT_OUTS:
                found.append(part.strip().lower())
    return sorted(set(found))
