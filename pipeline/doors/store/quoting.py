"""Which kept replies rest on words that are to be forgotten: their requests quote them, though no table says so any more.

A judge may be asked about an answer's words alone, without the image; once its template is edited, no table points at what it
said before.
"""

import json
from collections.abc import Iterable, Set

import polars as pl

from pipeline.doors.store.segments import Segment

SHORTEST = 30
"""Characters of a text that can be known again: shorter ones may be anybody's."""


def quoting(segments: Iterable[Segment], ids: Set[str], images: Set[str], texts: Set[str]) -> set[str]:
    """The ids of all requests that show one of the images, or quote one of the texts, or what was answered to one of these
    requests or ids; and so on. What was also said without them counts as nobody's."""
    segments, found, quoted = list(segments), set(ids), {t.strip() for t in texts}
    while True:
        before = len(found)
        needles = [*images, *(json.dumps(t, ensure_ascii=False)[1:-1] for t in quoted if len(t) >= SHORTEST), "\0"]
        shows = pl.col("request").str.contains_any(needles)
        for frame in _frames(segments, "id", "request"):
            found |= set(frame.filter(shows)["id"])
        if len(found) == before:
            return found
        own = pl.col("id").is_in(list(found))
        said = {t for frame in _frames(segments, "id", "text") for t in frame.filter(own)["text"] if t}
        for frame in _frames(segments, "id", "text"):
            said -= set(frame.filter(~own, pl.col("text").is_in(list(said)))["text"])
        quoted |= {t.strip() for t in said}


def _frames(segments: list[Segment], *columns: str) -> Iterable[pl.DataFrame]:
    return (frame for segment in segments for frame in segment.frames(columns))
