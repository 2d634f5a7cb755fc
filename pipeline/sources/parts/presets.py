"""What others call their columns: LAION, img2dataset and clip-retrieval, and names that speak for themselves."""

from collections.abc import Iterable

import pyarrow as pa

from pipeline.sources.parts.arrow import holds_bytes
from pipeline.sources.parts.cells import TEXTS

LAION = {
    "url": "URL", "caption": "TEXT", "licence": "LICENSE", "width": "WIDTH", "height": "HEIGHT", "unsafe": "punsafe",
}  # fmt: skip
"""Our columns in the metadata of LAION-5B and Re-LAION; LAION-400M says NSFW in place of `punsafe`. Releases differ in which
of them they have, and in capitals."""
IMG2DATASET = {
    "url": "url", "caption": "caption", "image": "jpg", "width": "original_width", "height": "original_height",
}  # fmt: skip
"""Our columns in what img2dataset writes, the Parquet file beside each shard or the shard itself, and in clip-retrieval's
metadata, which repeats it."""
NUMBERS = ("width", "height", "unsafe")
"""What is known of an image beside the columns of `Listed`: pixels, and a probability."""
IMAGES = ("image", "images", "jpg", "jpeg", "png", "webp", "img", "bytes", "image_bytes")
"""Columns in which bytes are looked for."""
_OTHERS = {"licence": ("license",), "creator": ("author",), "unsafe": ("punsafe", "nsfw")}
KNOWN = frozenset(
    {*TEXTS, *NUMBERS, "text", "similarity", "key", "status"}
    | {name.lower() for name in (*LAION.values(), *IMG2DATASET.values())}
    | {name for names in _OTHERS.values() for name in names}
)
"""Every name that is looked for, in small letters."""


def guessed(schema: pa.Schema) -> dict[str, str]:
    """Our columns to a Parquet file's: those of a preset if it looks like one, or else by their names."""
    columns = columns_of(schema.names)
    there = {name.lower(): name for name in reversed(schema.names)}
    found = (there[name] for name in IMAGES if name in there)
    image = next((name for name in found if holds_bytes(schema.field(name).type)), None)
    return columns | ({"image": image} if image else {})


def columns_of(names: Iterable[str]) -> dict[str, str]:
    """Our columns to those of a table, by their names, in capitals or not."""
    there = {name.lower(): name for name in reversed([*names])}
    laion, img2dataset = {"url", "text", "similarity"} <= set(there), {"url", "key", "status"} <= set(there)
    preset = LAION if laion else IMG2DATASET if img2dataset else {}
    columns: dict[str, str] = {}
    for ours in (*TEXTS, *NUMBERS):
        candidates = (preset.get(ours, ours).lower(), *_OTHERS.get(ours, ()))
        taken = next((there[name] for name in candidates if name in there), None)
        if taken and taken not in columns.values():
            columns[ours] = taken
    return columns
