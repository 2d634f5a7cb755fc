"""One kept reply, and the flat row as which it lies in the store: a line of JSON first, a row of Parquet later."""

import json
import re
from typing import Any, cast

import polars as pl
import pyarrow as pa
from pydantic import TypeAdapter

from pipeline.requests import Answer, Classified, Embedded, Failure, Record, Reply, Request, Scored, Transcribed

Row = dict[str, Any]


class Kept(Record):
    """What was asked, and what came back. Without a reply, it makes its request owed again."""

    id: str
    at: float
    """Seconds since 1970."""
    run: str | None = None
    """The run that asked, and paid."""
    revision: str | None = None
    """Name, revision and quantisation of the model asked: `Model.identity`."""
    cost: float | None = None
    """US dollars, where the model has a price."""
    request: Request | None = None
    reply: Reply | None = None


COLUMNS = pa.schema({
    "id": pa.string(),
    "at": pa.float64(),
    "run": pa.string(),
    "model": pa.string(),
    "revision": pa.string(),
    "kind": pa.string(),
    "error": pa.string(),
    "message": pa.string(),
    "text": pa.string(),
    "reasoning": pa.string(),
    "finish": pa.string(),
    "logprobs": pa.list_(pa.float64()),
    "labels": pa.map_(pa.string(), pa.float64()),
    "vector": pa.list_(pa.float64()),
    "lines": pa.list_(pa.struct({"text": pa.string(), "score": pa.float64(), "box": pa.list_(pa.float64())})),
    "answered_by": pa.string(),
    "provider_id": pa.string(),
    "tokens_in": pa.int64(),
    "tokens_out": pa.int64(),
    "seconds": pa.float64(),
    "cost": pa.float64(),
    "request": pa.string(),
})  # fmt: skip
"""Of a row. `kind`: of the result; null where the row makes its request owed again. `request`: JSON. The others are the
fields of `Kept`, `Reply` and its result."""

_RESULTS = {r.model_fields["kind"].default: r for r in (Answer, Scored, Classified, Embedded, Transcribed, Failure)}
_REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
_NAMES = frozenset(COLUMNS.names)
_ID = re.compile("[0-9a-f]{32}")


def row_of(kept: Kept) -> Row:
    """The row, without what is null; its id and kind come first."""
    if kept.request is None or kept.reply is None:
        return {"id": kept.id, "at": kept.at}
    reply = kept.reply.model_dump(exclude_none=True)
    result: Row = reply.pop("result")
    first = {"id": kept.id, "kind": result.pop("kind")}
    told = kept.model_dump(exclude={"id", "request", "reply"}, exclude_none=True)
    request = json.dumps(kept.request.model_dump(exclude_none=True), ensure_ascii=False, separators=(",", ":"))
    row: Row = first | told | {"model": kept.request.model} | result | reply | {"request": request}
    if not row.keys() <= _NAMES:
        raise RuntimeError(f"no column for {', '.join(sorted(row.keys() - _NAMES))}")
    return row


def reply_of(row: Row) -> Reply:
    """The reply in a row that has one. ValueError: it is none."""
    result = _RESULTS[row["kind"]] if row.get("kind") in _RESULTS else Failure
    return Reply.model_validate(_taken(row, Reply) | {"result": _taken(row, result)})


def kept_of(row: Row) -> Kept:
    """The whole of a row. ValueError: it is none."""
    whole = (
        {} if row.get("kind") is None else {"request": _REQUEST.validate_json(row["request"]), "reply": reply_of(row)}
    )
    return Kept.model_validate(_taken(row, Kept) | whole)


def _taken(row: Row, record: type[Record]) -> Row:
    """The fields of a record that a row holds: what is null there is the field's default."""
    return {f: row[f] for f in record.model_fields if f not in ("request", "reply") and row.get(f) is not None}


def line_of(row: Row) -> bytes:
    """JSON whatever was said: infinities and NaN as Python writes them, U+FFFD for half a character (a lone surrogate)."""
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def row_in(line: bytes) -> Row | None:
    """The row in a line; None: nobody can read it."""
    try:
        row: Any = json.loads(line)
    except ValueError:
        return None
    return cast("Row", row) if isinstance(row, dict) and _ID.fullmatch(str(row.get("id"))) else None


def table_of(rows: list[Row]) -> pa.Table:
    """Rows as a table of COLUMNS. pa.ArrowException, OverflowError: a value that fits no column."""
    flat = [r if r.get("labels") is None else r | {"labels": list(r["labels"].items())} for r in rows]
    return pa.Table.from_pylist(flat, schema=COLUMNS)


def rows_of(table: pa.Table) -> list[Row]:
    """The rows of such a table, or of some columns of it."""
    rows: list[Row] = table.to_pylist()
    return [r if r.get("labels") is None else r | {"labels": dict(r["labels"])} for r in rows]


def frame_of(table: pa.Table) -> pl.DataFrame:
    """The same for Polars."""
    return cast("pl.DataFrame", pl.from_arrow(table))
