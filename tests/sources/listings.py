"""What the tests of sources share: pictures, a look at a whole listing, and hostile texts."""

import io
from typing import Any

import polars as pl
from hypothesis import strategies as st
from PIL import Image

from pipeline.sources import Source
from pipeline.tables import Listed

Cells = dict[str, Any]

SAYINGS = st.one_of(
    st.text(), st.sampled_from(["\x00", "a\u202eb", "x" * 3000, "\ud800", " \n ", "CC BY 4.0", "http://a/b"])
)
"""Texts as a stranger may write them; some with half a surrogate."""
JSONS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), SAYINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(SAYINGS, inner, max_size=3)),
    max_leaves=6,
)


def picture(colour: str = "red", form: str = "PNG") -> bytes:
    """A small picture."""
    file = io.BytesIO()
    Image.new("RGB", (80, 80), colour).save(file, form)
    return file.getvalue()


def listed(source: Source) -> list[Cells]:
    """All that a source lists: in frames of some thousand rows with exactly the columns of `Listed`, and no key twice."""
    frames = [*source.listing()]
    assert all(dict(frame.schema) == Listed.columns() and 0 < frame.height <= 20_000 for frame in frames)
    table = pl.concat([pl.DataFrame(schema=Listed.columns()), *frames])
    assert table["key"].null_count() == 0
    assert table["key"].n_unique() == table.height
    assert set(table["source"]) <= {source.name}
    return table.to_dicts()


def column(source: Source, name: str) -> list[Any]:
    """One column of a listing."""
    return [row[name] for row in listed(source)]
