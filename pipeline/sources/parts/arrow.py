"""Foreign Arrow tables, as they come out of Parquet and Arrow files, for Polars and for bytes."""

from typing import Any

import polars as pl
import pyarrow as pa

_PLAIN = (
    *(pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating),
    *(pa.types.is_string, pa.types.is_large_string),
)


def frame(table: pa.Table) -> pl.DataFrame:
    """Its columns of text, numbers and truth values, and lists of them; others become null. Text that is not UTF-8 has
    replacement characters: Polars takes for granted that it is."""
    return pl.DataFrame([pl.Series(name, pl.from_arrow(_sound(table[name]))) for name in table.column_names])


def _sound(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    kind = column.type.value_type if is_list(column.type) else column.type
    if not any(is_plain(kind) for is_plain in _PLAIN):
        return pa.chunked_array([pa.nulls(len(column))])
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        if kind != column.type:
            return pa.chunked_array([pa.nulls(len(column))])
        texts = [None if t is None else t.decode(errors="replace") for t in column.cast(pa.large_binary()).to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.large_string())])
    return column


def is_list(kind: pa.DataType) -> bool:
    """Whether such a column holds lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def holds_bytes(kind: pa.DataType) -> bool:
    """Whether such a column holds images: bytes, a struct with `bytes` as `datasets` writes it, or lists of these."""
    if is_list(kind):
        kind = kind.value_type
    if pa.types.is_struct(kind):
        kind = kind.field("bytes").type if kind.get_field_index("bytes") >= 0 else pa.null()
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def has_path(kind: pa.DataType) -> bool:
    """Whether such a column says a file name beside the bytes."""
    return bool(pa.types.is_struct(kind) and kind.get_field_index("path") >= 0)


def first_image(value: Any) -> tuple[bytes | None, str | None]:
    """The bytes in a cell and the path beside them; of a list, those of its first image."""
    if isinstance(value, list):
        value = value[0] if value else None
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    return data if isinstance(data, bytes) else None, path if isinstance(path, str) else None
