"""How prompts come to be written. All that start from nothing are asked for in one call; those that will not do are asked for
again, in the next; what no try brought is taken from the hand-written ones. Then come those that start from them, likewise."""

from collections.abc import Callable, Iterator

import polars as pl

from pipeline.doors.generate import CHUNK, Generate
from pipeline.requests import Chat, Failure, Reply
from pipeline.tables import Kind, Row, frame, row_id
from pipeline.taxonomy import pairs_minors_and_sex
from pipeline.writers import ASKING, BY_HAND, WRITERS, fallback
from pipeline.writers.asking import Cells

Check = Callable[[str, Kind], str | None]
"""(text, kind) → which rule it breaks, or None."""
LASTING = ("bad_request", "unreadable_image", "terms")
"""Failures that another try would only repeat."""
HAND = "hand"
"""In `Prompt.writer`: written by people, and not because a model failed."""
PAIRED = "minors and sexual content"
"""The fault of a text that brings them together, by itself or with what its picture shows: nothing stands in for it."""


class Draft(Row):
    """What came of one prompt that was due."""

    place: int
    """Of the prompt among all that are wanted."""
    text: str | None
    """Null where there is none: `fault` says why."""
    fault: str | None
    """What was wrong with the last reply of the model that was asked."""
    owed: bool
    """Whether that was a failure that may pass: then nothing stands in for it."""
    writer: str
    """A model's name; `fallback`; or `hand`."""
    template: str
    """Name and hash of the file that the words, or the model's orders, come from."""
    request_id: str | None
    """The last reply."""


MADE = {**Draft.columns(), "id": pl.String(), "parent_id": pl.String()}
"""What `written` gives: drafts; the id of each prompt, and of the one that it started from."""


def written(due: pl.DataFrame, *, check: Check, taxonomy: str, tries: int, generate: Generate) -> pl.DataFrame:
    """What came of all rows (see `Asking`, but for question and number; and place, kind, shown: all that is known to be in the
    picture), in any order, but for those without a prompt to start from. At most `tries` calls of the door for each round."""
    after = pl.col("kind").replace_strict({kind: w.after for kind, w in WRITERS.items()}, return_dtype=pl.String)
    due = due.with_columns(after=after)
    nothing = pl.lit(None, pl.String)
    level = due.filter(pl.col("after").is_null()).with_columns(question=nothing, parent_id=nothing)
    made = [pl.DataFrame(schema=MADE)]
    while level.height:
        drafts = _level(level, check, taxonomy, tries, generate)
        rows = level.drop("writer").join(drafts, on="place", validate="1:1", maintain_order="left").pipe(_named)
        made.append(rows.select(list(MADE)))
        parents = rows.filter(pl.col("text").is_not_null()).select(
            "image", pl.col("kind").alias("after"), pl.col("text").alias("question"), pl.col("id").alias("parent_id")
        )
        level = due.join(parents, on=["image", "after"], validate="m:1", maintain_order="left")
    return pl.concat(made)


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """Each text with its prompt's id; a text that may not be, without."""
    paired = [
        pairs_minors_and_sex(f"{text}\n{shown}") if text else False
        for text, shown in rows.select("text", "shown").iter_rows()
    ]
    rows = rows.with_columns(paired=pl.Series(paired, dtype=pl.Boolean)).with_columns(
        text=pl.when(~pl.col("paired")).then("text"), fault=pl.when("paired").then(pl.lit(PAIRED)).otherwise("fault")
    )
    names = [
        row_id("prompt", *parts) if parts[2] else None for parts in rows.select("image", "kind", "text").iter_rows()
    ]
    return rows.with_columns(id=pl.Series(names, dtype=pl.String))


def _level(due: pl.DataFrame, check: Check, taxonomy: str, tries: int, generate: Generate) -> pl.DataFrame:
    """One `Draft` for each row."""
    by_hand = pl.col("kind").is_in(list(BY_HAND))
    done = [_framed(map(_by_hand, part.iter_rows(named=True))) for part in due.filter(by_hand).iter_slices(CHUNK)]
    left = due.filter(~by_hand)
    for number in range(tries):
        if left.is_empty():
            break
        drafts = _asked(left.with_columns(number=pl.lit(number)), check, generate)
        fails = pl.col("text").is_null() & ~pl.col("owed") & ~pl.col("fault").is_in(LASTING)
        again = drafts.filter(fails if number + 1 < tries else pl.lit(value=False))
        done.append(drafts.join(again, on="place", how="anti"))
        left = left.join(again.select("place"), on="place", how="semi", maintain_order="left")
    drafts = pl.concat([frame([], Draft), *done])
    failed = drafts.filter(pl.col("text").is_null(), ~pl.col("owed"))
    rows = failed.join(due.select("place", "image", "subcategory", "kind"), on="place", validate="1:1")
    replaced = [
        _framed(_replaced(row, taxonomy) for row in part.iter_rows(named=True)) for part in rows.iter_slices(CHUNK)
    ]
    return pl.concat([drafts.join(failed, on="place", how="anti"), *replaced])


def _asked(rows: pl.DataFrame, check: Check, generate: Generate) -> pl.DataFrame:
    """One call."""

    def ask(row: Cells) -> Chat:
        return ASKING[row["kind"]].ask(row)

    def read(row: Cells, request_id: str, reply: Reply) -> Iterator[Draft]:
        text, fault = ASKING[row["kind"]].read(row, reply)
        fault = fault or check(text or "", row["kind"])
        yield Draft(
            place=row["place"],
            text=None if fault else " ".join((text or "").split()),
            fault=fault,
            owed=isinstance(reply.result, Failure) and reply.result.owed,
            writer=row["writer"],
            template=ASKING[row["kind"]].version,
            request_id=request_id,
        )

    return generate(rows, ask, read, Draft).kept


def _by_hand(row: Cells) -> Draft:
    writer = BY_HAND[row["kind"]]
    return Draft(
        place=row["place"],
        text=writer.write(row),
        fault=None,
        owed=False,
        writer=HAND,
        template=writer.version,
        request_id=None,
    )


def _replaced(row: Cells, taxonomy: str) -> Draft:
    """The hand-written prompt in place of a failed one, if there is one. The failed reply can still be looked up."""
    text = fallback.drawn(taxonomy, row["subcategory"], row["kind"], row["image"])
    cells = {name: row[name] for name in Draft.model_fields}
    return Draft.model_validate(cells | {"text": text, "writer": fallback.NAME if text else row["writer"]})


def _framed(rows: Iterator[Draft]) -> pl.DataFrame:
    return frame(rows, Draft)
