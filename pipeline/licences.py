"""Licences as people write them → SPDX ids, and those under which an image's bytes may be published.

Ids are those of the SPDX License List 3.27 (spdx.org/licenses). What the list lacks has a name of ours, `LicenseRef-...`.
A text must be understood to its last word: "CC BY 4.0, but not the logo" is no licence that we know.
"""

import re

LONGEST = 400
"""Characters; no licence's name is longer, only its text."""

_PORTED = frozenset({
    "CC-BY-2.5-AU", "CC-BY-3.0-AT", "CC-BY-3.0-AU", "CC-BY-3.0-DE", "CC-BY-3.0-IGO", "CC-BY-3.0-NL", "CC-BY-3.0-US",
    "CC-BY-NC-3.0-DE", "CC-BY-NC-ND-3.0-DE", "CC-BY-NC-ND-3.0-IGO", "CC-BY-NC-SA-2.0-DE", "CC-BY-NC-SA-2.0-FR",
    "CC-BY-NC-SA-2.0-UK", "CC-BY-NC-SA-3.0-DE", "CC-BY-NC-SA-3.0-IGO", "CC-BY-ND-3.0-DE", "CC-BY-SA-2.0-UK",
    "CC-BY-SA-2.1-JP", "CC-BY-SA-3.0-AT", "CC-BY-SA-3.0-DE", "CC-BY-SA-3.0-IGO",
})  # fmt: skip
"""Of the licences that Creative Commons adapted to a country's law, those that SPDX lists."""
_PORTS = frozenset({
    "ar", "at", "au", "be", "bg", "br", "ca", "ch", "cl", "cn", "co", "cr", "cz", "de", "dk", "ec", "ee", "eg",
    "es", "fi", "fr", "gr", "gt", "hk", "hr", "hu", "ie", "igo", "il", "in", "it", "jp", "kr", "lu", "mk", "mt",
    "mx", "my", "nl", "no", "nz", "pe", "ph", "pl", "pr", "pt", "ro", "rs", "se", "sg", "si", "th", "tw", "ug",
    "uk", "us", "vn", "za",
})  # fmt: skip
_VERSIONS = {"1": "1.0", "2": "2.0", "3": "3.0", "4": "4.0"} | {
    v: v for v in ("1.0", "2.0", "2.1", "2.5", "3.0", "4.0")
}

_NAMES = {
    "apache 2.0": "Apache-2.0",
    "bsd 2 clause": "BSD-2-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "cc pddc": "CC-PDDC",
    "cdla permissive 1.0": "CDLA-Permissive-1.0",
    "cdla permissive 2.0": "CDLA-Permissive-2.0",
    "cdla sharing 1.0": "CDLA-Sharing-1.0",
    "dl de by 2.0": "DL-DE-BY-2.0",
    "dl de zero 2.0": "DL-DE-ZERO-2.0",
    "etalab 2.0": "etalab-2.0",
    "gfdl 1.2 only": "GFDL-1.2-only",
    "gfdl 1.2 or later": "GFDL-1.2-or-later",
    "gfdl 1.3 only": "GFDL-1.3-only",
    "gfdl 1.3 or later": "GFDL-1.3-or-later",
    "isc": "ISC",
    "mit": "MIT",
    "nlod 2.0": "NLOD-2.0",
    "odbl": "ODbL-1.0",
    "odbl 1.0": "ODbL-1.0",
    "odc by": "ODC-By-1.0",
    "odc by 1.0": "ODC-By-1.0",
    "ogl uk 3.0": "OGL-UK-3.0",
    "open government 3.0": "OGL-UK-3.0",
    "pddl": "PDDL-1.0",
    "pddl 1.0": "PDDL-1.0",
    "unlicense": "Unlicense",
    "wtfpl": "WTFPL",
    "zlib": "Zlib",
    "pd": "LicenseRef-public-domain",
    "public domain": "LicenseRef-public-domain",
    "us government work": "LicenseRef-us-government-work",
    "united states government work": "LicenseRef-us-government-work",
    "no known copyright restrictions": "LicenseRef-no-known-copyright-restrictions",
    "flickr commons no known copyright restrictions": "LicenseRef-no-known-copyright-restrictions",
    "unsplash": "LicenseRef-Unsplash",
    "pexels": "LicenseRef-Pexels",
    "pixabay": "LicenseRef-Pixabay",
    "all rights reserved": "LicenseRef-all-rights-reserved",
    "copyright": "LicenseRef-all-rights-reserved",
    "copyrighted": "LicenseRef-all-rights-reserved",
}
"""Names without the words that say nothing."""
_NOISE = frozenset({
    "a", "an", "com", "creativecommons", "deed", "generic", "https", "http", "international", "intl", "legalcode",
    "licence", "licenced", "licences", "license", "licensed", "licenses", "opensource", "org", "php", "terms",
    "the", "under", "universal", "unported", "v", "version", "www",
})  # fmt: skip
_CC_URL = re.compile(
    r"creativecommons\.org/(?:licen[sc]es|publicdomain)/(?P<kind>[a-z-]+)(?:/(?P<version>\d\.\d))?"
    r"(?:/(?!deed|legalcode)(?P<port>[a-z]{2,3})(?![a-z]))?(?:/?(?:deed|legalcode)[\w.-]*)?"
)
_SPELLINGS = (
    (r"[_\u2010-\u2014]", "-"),
    (r"\bv(?=\d)", " "),
    (r"\bcreative[ -]commons\b", "cc"),
    (r"\bcc[ -]?zero\b|\bcc-0\b", "cc0"),
    (r"\battribution\b", "cc by"),
    (r"\bnon-? ?commercial\b", "nc"),
    (r"\bshare-? ?alike\b", "sa"),
    (r"\bno-? ?deriv(?:ative)?s?(?: works)?\b", "nd"),
    (r"\bpublic domain mark\b|\bcc-pdm\b", "pdm"),
    (r"\bpublic domain dedication\b", "cc0-dedication"),
)
_RESERVED = re.compile(r"(?:©|\(c\)|copyright\b|all rights reserved)(?!.*(?:\bcc\b|licen[sc]|public domain|commons))")

ALLOWED = frozenset(
    {"CC0-1.0", "CC-PDDC", "CC-PDM-1.0", "PDDL-1.0", "LicenseRef-public-domain", "Unlicense"}
    | {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0"}
    | {f"CC-{kind}-{version}" for kind in ("BY", "BY-SA") for version in ("1.0", "2.0", "2.5", "3.0", "4.0")}
    | {licence for licence in _PORTED if not {"NC", "ND"} & set(licence.split("-"))}
)
"""SPDX ids under which an image's bytes may be published by default: changing and selling are allowed, naming the maker or
sharing alike may be asked for. Neither NC nor ND; nor the terms of a site (Unsplash, Pexels), which forbid collections."""


def spdx(text: str | None) -> str | None:
    """The SPDX id of a licence by its name, abbreviation or URL; None if it is not known, or there are several."""
    if not text or len(text) > LONGEST:
        return None
    if re.fullmatch(r"LicenseRef-[A-Za-z0-9.-]+", text.strip()):
        return text.strip()
    words = _words(text)
    name = " ".join(words)
    if name in _NAMES:
        return _NAMES[name]
    if found := _creative_commons(set(words)):
        return found
    return "LicenseRef-all-rights-reserved" if _RESERVED.match(text.casefold().strip()) else None


def _words(text: str) -> list[str]:
    """Its words in one spelling, without those that say nothing."""
    text = _CC_URL.sub(_spelled, text.casefold())
    for pattern, spelling in _SPELLINGS:
        text = re.sub(pattern, spelling, text)
    return [word for word in re.findall(r"\d+(?:\.\d+)*|[^\W\d]+\d?", text) if word not in _NOISE]


def _spelled(url: re.Match[str]) -> str:
    """A licence's page at Creative Commons, in words."""
    kind = {"zero": "cc0", "mark": "pdm", "publicdomain": "cc pddc"}.get(url["kind"], f"cc {url['kind']}")
    return f" {kind} {url['version'] or ''} {url['port'] or ''} "


def _creative_commons(words: set[str]) -> str | None:
    if words in ({"cc0"}, {"cc0", "1.0"}, {"cc0", "dedication"}, {"cc0", "1.0", "dedication"}):
        return "CC0-1.0"
    if "pdm" in words and words <= {"pdm", "1.0", "cc"}:
        return "CC-PDM-1.0"
    parts, ports = words & {"by", "nc", "nd", "sa"}, words & _PORTS
    versions = {_VERSIONS[word] for word in words if word in _VERSIONS}
    understood = not words - parts - ports - set(_VERSIONS) - {"cc"}
    if not understood or "by" not in words or len(versions) != 1 or len(ports) > 1 or {"nd", "sa"} <= parts:
        return None
    base = "-".join(["CC", *(p.upper() for p in ("by", "nc", "nd", "sa") if p in parts), *versions])
    if not ports:
        return base
    ported = f"{base}-{ports.pop().upper()}"
    return ported if ported in _PORTED else f"LicenseRef-{ported}"
