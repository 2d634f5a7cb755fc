"""publish: quadruples → a release: a folder that `datasets.load_dataset` reads."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from pipeline import PACKAGE
from pipeline.contests.heard import contest_of
from pipeline.contests.standing import standings
from pipeline.doors.blobs import Blobs
from pipeline.doors.log import disk_error, private_folder
from pipeline.errors import UserError
from pipeline.gates.contamination import Benchmarks
from pipeline.licences import ALLOWED
from pipeline.pictures.groups import groups
from pipeline.release import about, card, configs, parquet, personal, splits, versions
from pipeline.release.bare import bare
from pipeline.release.folder import FINGERPRINTS, MANIFEST, REMOVED, REMOVED_ROWS, Folder, hashes
from pipeline.release.parquet import NAMED_BY
from pipeline.release.rows import Published, Responded
from pipeline.release.told import Told
from pipeline.rules import labelled
from pipeline.statistics.bradley_terry import Assumed
from pipeline.tables import Dropped, Image, Judgment, Label, Preference, Prompt, Response, Row, frame
from pipeline.workspace import Made

FORMAT = 1
"""Of the manifest."""
ATTRIBUTION = "attribution.jsonl"
FORGOTTEN = "forgotten"


@dataclass(frozen=True)
class Plan:
    """How a release is to be made."""

    base: Path | None = None
    """The folder of the version that this one builds on."""
    avoid: tuple[Path, ...] = ()
    """Benchmarks that nothing may be taken from."""
    shares: Mapping[str, float] = field(default_factory=lambda: splits.SHARES)
    """Of the rows, for each split."""
    personal: Literal["mask", "drop"] = "mask"
    """What becomes of texts with personal data: it is masked, or the row is left out."""
    told: Told = field(default_factory=Told)
    """What the card says beside all that."""

    def inputs(self) -> dict[str, str]:
        """All that changes the release."""
        found = {"shares": json.dumps(dict(self.shares)), "personal": self.personal} | self.told.inputs()
        if self.base:
            found["base"] = Folder(self.base).sha256
        if self.avoid:
            found["avoid"] = Benchmarks(self.avoid).revision()
        return found


def release(
    tables: Mapping[str, pl.DataFrame], *, made: list[Made], images: Blobs, folder: Path, name: str, plan: Plan | None = None,
    forgotten: Set[str] = frozenset(), dropped: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Build the folder from the run's tables, by table name: whole or not at all. The same tables give the same bytes.
    `forgotten`: SHA-256 of images that may not be in it; `dropped`: rows that the run left out, and why. What is left out
    here lies beside the folder, in `<name>.dropped.parquet`."""
    aside = folder.with_name(folder.name + ".aside")
    shutil.rmtree(aside, ignore_errors=True)
    private_folder(aside)
    try:
        left_out = _Release(tables, made, images, name, plan or Plan(), forgotten, dropped or {}).write(aside)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
        beside = folder.with_name(f"{folder.name}.dropped.parquet")
        beside.unlink(missing_ok=True)
        if left_out.height:
            left_out.write_parquet(beside)
    except OSError as error:
        raise disk_error(folder, error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def holds(folder: Path, made: list[Made], plan: Plan | None = None) -> bool:
    """Whether the folder holds the release of these very tables, unchanged: one that was hydrated is another, not to be published."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return False
    found = json.loads(manifest.read_text())
    if found.get("images", {}).get("hydrated"):
        return False
    return bool(found["inputs"] == _inputs(made, plan or Plan()) and found["files"] == hashes(folder))


def models(tables: Iterable[pl.LazyFrame]) -> set[str]:
    """Every model that wrote, answered or judged something of the run."""
    found: set[str] = set()
    for table in tables:
        columns = table.collect_schema().names()
        column = next((c for c in ("model", "writer") if c in columns), None)
        if column and "request_id" in columns:
            found |= set(table.filter(pl.col("request_id").is_not_null()).select(column).unique().collect()[column])
        if "harm_by" in columns:
            found |= set(table.select("harm_by").unique().drop_nulls().collect()["harm_by"])
    return found - {"fallback", "kind"}  # a hand-written prompt names the reply that would not do; a kind is no model


class _Release:
    """One release on its way into its folder."""

    def __init__(
        self, tables: Mapping[str, pl.DataFrame], made: list[Made], images: Blobs, name: str, plan: Plan, forgotten: Set[str],
        dropped: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._tables, self._made, self._images, self._name, self._plan = tables, made, images, name, plan
        self._why = dropped
        self._base = Folder(plan.base) if plan.base else None
        self._before = self._base.rows("quadruples") if self._base else None
        self._earlier = self._base.removed_rows() if self._base else []
        self._left_out: list[Dropped] = []
        self._masked: Counter[str] = Counter()
        known = set(self._base.manifest["forgotten"]) if self._base else set()
        held = {(row[NAMED_BY], row["original_sha256"]) for row in self._earlier}
        if self._before is not None:
            held |= set(self._before.select(NAMED_BY, "original_sha256").iter_rows())
        here = {sha256 for both in held if not forgotten.isdisjoint(both) for sha256 in both if sha256}
        self._forgotten = frozenset(known | here)
        """Pictures of earlier versions, and their originals, that no later one may hold."""
        self._rows = self._clean(self._published(forgotten))

    def _table(self, row: type[Row], *names: str) -> pl.DataFrame:
        """The run's last table of this row type, or of these names; an empty one where there is none."""
        known = [m.name for m in self._made if m.row == row.__name__ and m.name in self._tables]
        found = [
            name
            for name in (*known, *names)
            if name in self._tables and set(row.columns()) <= set(self._tables[name].columns)
        ]
        return self._tables[found[-1]] if found else frame([], row)

    def _published(self, forgotten: Set[str]) -> pl.DataFrame:
        """The quadruples, with what is known of their images and prompts."""
        images, prompts = self._table(Image, "images"), self._table(Prompt, "prompts")
        shown = images.select(
            pl.col("original_sha256").replace("", None),
            "fingerprint",
            "page_url",
            "creator",
            "changes",
            image="id",
            fetched=pl.col("width") > 0,
        ).unique("image", keep="first", maintain_order=True)
        seeds = prompts.select(prompt_id="id", seed=pl.col("parent_id").fill_null(pl.col("id")))
        quadruples = self._quadruples()
        rows = (
            quadruples.join(shown, on="image", how="left", validate="m:1", maintain_order="left")
            .join(seeds, on="prompt_id", how="left", validate="m:1", maintain_order="left")
            .with_columns(pl.col("seed").fill_null(pl.col("prompt_id")), pl.col("fetched").fill_null(value=True))
            .with_columns(image_sha256="image", since=pl.lit(versions.FIRST))
        )
        self._shown = {
            row["image"]: row for row in rows.unique("image", keep="first").drop_nulls("image").iter_rows(named=True)
        }
        gone = {row for row, _, why in (self._base.removals() if self._base else ()) if why == FORGOTTEN}
        names = sorted(set(forgotten) | self._forgotten)
        barred = _names(names) | pl.col("id").is_in(sorted(gone))
        return self._without(rows, barred, FORGOTTEN).select(name for name in Published.model_fields if name != "image")

    def _quadruples(self) -> pl.DataFrame:
        names = [m.name for m in self._made if m.row == "Quadruple" and m.name in self._tables]
        return self._tables[names[-1] if names else "quadruples"]

    def _without(self, rows: pl.DataFrame, gone: pl.Expr, reason: str) -> pl.DataFrame:
        """Leave rows out."""
        self._left_out += [
            Dropped(stage="release", id=row, reason=reason, detail=None) for row in rows.filter(gone)["id"].sort()
        ]
        return rows.filter(~gone)

    def _clean(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Without what benchmarks hold, and without personal data."""
        for name, ids in self._contaminated(rows).items():
            rows = self._without(rows, pl.col("id").is_in(sorted(ids)), f"stands in {name}")
        texts = ("question", "chosen", "rejected")
        if self._plan.personal == "drop":
            found = {
                row["id"]
                for row in rows.select("id", *texts).iter_rows(named=True)
                if any(personal.masked(row[text])[1] for text in texts)
            }
            return self._without(rows, pl.col("id").is_in(sorted(found)), "personal data")
        cleaned = [personal.clean(rows[text]) for text in texts]
        self._masked = sum((counted for _, counted in cleaned), self._masked)
        return rows.with_columns(text for text, _ in cleaned)

    def _contaminated(self, rows: pl.DataFrame) -> dict[str, set[str]]:
        """Benchmark to the rows whose question or image stands in it."""
        found: dict[str, set[str]] = {}
        if not self._plan.avoid:
            return found
        benchmarks = Benchmarks(self._plan.avoid)
        pictured: dict[str | None, str | None] = {None: None}
        for row in rows.iter_rows(named=True):
            name = row[NAMED_BY]
            if name not in pictured:
                fingerprint = self._shown[name]["fingerprint"]
                pictured[name] = fingerprint and benchmarks.image(name, row["original_sha256"] or "", fingerprint)
            if hit := benchmarks.question(row["question"]) or pictured[name]:
                found.setdefault(hit, set()).add(row["id"])
        return found

    def write(self, folder: Path) -> pl.DataFrame:
        """All files; returns what was left out."""
        split = self._split()
        rows, changed, version = self._versioned(split)
        files = self._pictures(rows)
        made = configs.configs(rows, self._responded(rows), self._table(Preference, "preferences"))
        about_configs = {}
        for config in made:
            for part in config.rows.partition_by("split", maintain_order=True) or [config.rows]:
                where = part["split"][0] if part.height else next(iter(self._plan.shares))
                parquet.write(config.published(part), config.picture, files, folder / config.folder, where)
            about_configs[config.name] = about.described(config, list(self._plan.shares))
        for hit in splits.crossing(_written(folder, about_configs["quadruples"]), _SHARED):
            raise UserError(f"two splits share {hit}: nothing is published")
        _lines(folder / ATTRIBUTION, self._attributed(rows, files))
        _lines(folder / FINGERPRINTS, self._fingerprints(rows))
        removed = self._removed(changed, version)
        if removed:
            (folder / REMOVED).write_text("".join("\t".join(line) + "\n" for line in removed), encoding="utf-8")
        if kept := self._removed_rows():
            _lines(folder / REMOVED_ROWS, kept)
        entry = versions.entry(version, changed)
        left_out = frame(self._left_out, Dropped)
        manifest = {
            "format": FORMAT, "name": self._name, "version": version,
            "base": self._base and {"version": self._base.version, "manifest": self._base.sha256},
            "inputs": _inputs(self._made, self._plan),
            "configs": about_configs,
            "rows": rows.height,
            "splits": self._about_splits(split),
            "dropped": dict(sorted(Counter(left_out["reason"]).items())),
            "personal": dict(sorted(self._masked.items())),
            "images": {
                "published": len(files), "stubs": rows[NAMED_BY].drop_nulls().n_unique() - len(files),
                "checked": len(files), "with_metadata": 0,
            },
            "forgotten": sorted(self._forgotten),
            "changelog": [entry.page(), *(self._base.manifest["changelog"] if self._base else [])],
        }  # fmt: skip
        card.write(folder, rows.with_columns(image=NAMED_BY), self._tables, self._made, manifest, self._plan.told)
        manifest["files"] = hashes(folder)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        return left_out

    def _split(self) -> splits.Splits:
        """Rows to splits; those that would link two are left out."""
        before = self._before
        gone = before.join(self._rows, on="id", how="anti") if before is not None else self._rows[:0]
        every = pl.concat([gone.select(_KEYS), self._rows.select(_KEYS)])
        alike = self._alike() if before is not None else {}
        rows = [
            splits.Row(row["id"], tuple(_keys(row, alike)), (f"{row['subcategory']}", row["kind"]))
            for row in every.iter_rows(named=True)
        ]
        known = dict(before.select("id", "split").iter_rows()) if before is not None else {}
        salt = self._base.manifest["splits"]["salt"] if self._base else None
        here, named = {row.id for row in rows}, {_digest(key): key for row in rows for key in row.keys}
        rows += [
            splits.Row(row["id"], tuple(named.get(key, key) for key in row["keys"]))
            for row in self._earlier
            if row["id"] not in here
        ]
        once = {row["id"]: row["split"] for row in self._earlier}
        found = splits.assigned(rows, known, once, shares=self._plan.shares, salt=salt)
        self._rows = self._without(self._rows, pl.col("id").is_in(sorted(found.linking)), "would link two splits")
        return found

    def _alike(self) -> dict[str, str]:
        """Picture to the first that looks the same, over both versions."""
        before = self._base.fingerprints() if self._base else {}
        both = before | {name: row["fingerprint"] for name, row in self._shown.items() if row["fingerprint"]}
        names = list(both)
        return {names[n]: names[first] for n, first in enumerate(groups(list(both.values())))} if both else {}

    def _versioned(self, split: splits.Splits) -> tuple[pl.DataFrame, pl.DataFrame, str]:
        """The rows in their order, with `split`; what changed since the base, and what this version is called."""
        where = pl.Series("split", [split.of[row] for row in self._rows["id"]], dtype=pl.String)
        rows = self._rows.with_columns(where)
        before = rows[:0] if self._before is None else self._before
        changed = versions.changes(before, rows, self._gone(before))
        version = versions.following(self._base.version, changed) if self._base else versions.FIRST
        since = before.select("id", was="since")
        dated = rows.join(since, on="id", how="left", validate="1:1", maintain_order="left").with_columns(
            since=pl.coalesce("was", pl.lit(version))
        )
        rank = {name: place for place, name in enumerate(sorted(set(dated["since"]), key=versions.parts))}
        order = pl.Series("order", [rank[name] for name in dated["since"]], dtype=pl.Int64)
        share = {name: place for place, name in enumerate(self._plan.shares)}
        place = pl.Series("place", [share.get(name, len(share)) for name in dated["split"]], dtype=pl.Int64)
        ordered = dated.drop("was").with_columns(order, place).sort("place", "order", "id").drop("order", "place")
        return ordered, changed, version

    def _gone(self, before: pl.DataFrame) -> dict[str, str]:
        """Rows of the base that are no longer there, and why."""
        here = {row.id: row.reason for row in self._left_out}
        found = {}
        for row in before.join(self._rows, on="id", how="anti").iter_rows(named=True):
            ids = (row[c] for c in ("preference_id", "chosen_id", "rejected_id", "prompt_id", NAMED_BY))
            known = here.get(row["id"]) or next((self._why[i] for i in ids if i in self._why), None)
            forgotten = not self._forgotten.isdisjoint((row[NAMED_BY], row["original_sha256"]))
            found[row["id"]] = FORGOTTEN if forgotten else known or "the run makes it no more"
        return found

    def _removed(self, changed: pl.DataFrame, version: str) -> list[tuple[str, str, str]]:
        """(id, the first version without it, why) of every row that an earlier version held."""
        earlier = self._base.removals() if self._base else []
        back = set(self._rows["id"])
        now = changed.filter(pl.col("change") == "removed").select("id", pl.lit(version), "reason").rows()
        return sorted([line for line in earlier if line[0] not in back] + now)

    def _removed_rows(self) -> list[dict[str, Any]]:
        """Of the same rows, what keeps each in its split and a forgotten picture away, also when it comes back."""
        back = set(self._rows["id"])
        found = [row for row in self._earlier if row["id"] not in back]
        if self._before is not None:
            found += [
                {"id": row["id"], "split": row["split"], NAMED_BY: row[NAMED_BY], "original_sha256": row["original_sha256"],
                 "keys": sorted(set(map(_digest, _keys(row, {}))))}
                for row in self._before.iter_rows(named=True) if row["id"] not in back
            ]  # fmt: skip
        return sorted(found, key=lambda row: str(row["id"]))

    def _pictures(self, rows: pl.DataFrame) -> dict[str, Path]:
        """The pictures that may be published, each found whole and without metadata. UserError: one that should be kept is gone."""
        found = {}
        for name in rows[NAMED_BY].drop_nulls().unique().sort():
            about_it = self._shown[name]
            if about_it["licence"] not in ALLOWED or not about_it["fetched"]:
                continue
            path = self._images.path(name)
            if not path.is_file():
                raise UserError(
                    f"a kept image is gone: {path}; delete the run's table of images and run the recipe again, which makes both anew"
                )
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != name or not bare(data):
                raise UserError(
                    f"a kept image is not what was kept: {path}; delete it and the run's table of images, and run the recipe again"
                )
            found[name] = path
        return found

    def _attributed(self, rows: pl.DataFrame, files: Mapping[str, Path]) -> Iterable[dict[str, Any]]:
        """Who is to be named for each image, and under which licence it stands."""
        for row in rows.drop_nulls(NAMED_BY).unique(NAMED_BY, keep="first").sort(NAMED_BY).iter_rows(named=True):
            yield {
                "image_sha256": row[NAMED_BY], "published": row[NAMED_BY] in files, "licence": row["licence"],
                "attribution": row["attribution"], "creator": row["creator"], "url": row["image_url"], "page": row["page_url"],
                "changes": self._shown[row[NAMED_BY]]["changes"] or [],
            }  # fmt: skip

    def _fingerprints(self, rows: pl.DataFrame) -> Iterable[dict[str, str]]:
        """By which later versions know a picture again."""
        for name in rows[NAMED_BY].drop_nulls().unique().sort():
            if fingerprint := self._shown[name]["fingerprint"]:
                yield {NAMED_BY: name, "fingerprint": fingerprint}

    def _responded(self, rows: pl.DataFrame) -> pl.DataFrame:
        """All responses to the published questions, with what judges said of them."""
        responses = self._table(Response, "responses").drop_nulls("text")
        judgments = self._table(Judgment, "judgments")
        prompts = rows.select("prompt_id", NAMED_BY, "question", "since", "split").unique(
            "prompt_id", keep="first", maintain_order=True
        )
        share = (pl.col("score") - pl.col("low")) / (pl.col("high") - pl.col("low"))
        said = judgments.sort("judge", "criterion").group_by("response_id").agg(
            score_=share.mean(),
            judgments=pl.struct("judge", "criterion", "score", "low", "high", "label", "error"),
        )  # fmt: skip
        settled = self._table(Label, "labels").select("response_id", safety="label")
        labels = settled if settled.height else labelled(judgments).rename({"label": "safety"})
        joined = (
            responses.join(prompts, on="prompt_id", how="inner", validate="m:1", maintain_order="left")
            .join(said, left_on="id", right_on="response_id", how="left", validate="1:1", maintain_order="left")
            .join(labels, left_on="id", right_on="response_id", how="left", validate="1:1", maintain_order="left")
            .join(self._ratings(set(prompts["prompt_id"])), left_on="id", right_on="response_id", how="left",
                  validate="1:1", maintain_order="left")
            .rename({"score_": "score"})
        )  # fmt: skip
        place = {prompt: n for n, prompt in enumerate(prompts["prompt_id"])}
        ordered = joined.with_columns(place=pl.Series([place[p] for p in joined["prompt_id"]], dtype=pl.Int64))
        ordered = ordered.sort("place", "id").select(*Responded.model_fields, "judgments", "since", "split")
        return ordered.with_columns(personal.clean(ordered["text"])[0])

    def _ratings(self, prompts: Set[str]) -> pl.DataFrame:
        """response_id, rating: by all comparisons of the prompt's responses."""
        parts = [self._tables[name] for name in ("contests", "comparisons") if name in self._tables]
        compared = pl.concat(parts).filter(pl.col("prompt_id").is_in(sorted(prompts))) if parts else None
        contests = (
            [
                contest_of(str(key[0]), part)
                for key, part in compared.group_by("prompt_id", "judge", "criterion", maintain_order=True)
            ]
            if compared is not None
            else []
        )
        rated = [
            (response, float(rating))
            for contest, of in zip(contests, standings(contests, Assumed()), strict=True)
            for response, rating in zip(contest.responses, of.rating, strict=True)
        ]
        table = pl.DataFrame(rated, schema={"response_id": pl.String(), "rating": pl.Float64()}, orient="row")
        return table.sort("response_id", "rating").group_by("response_id").agg(pl.col("rating").mean())

    def _about_splits(self, split: splits.Splits) -> dict[str, Any]:
        worst = split.off[0] if split.off else None
        return {
            "shares": dict(self._plan.shares), "salt": split.salt, "groups": split.groups,
            "tolerance": splits.TOLERANCE, "outside": split.outside,
            "worst": worst and {
                "class": worst.name, "split": worst.split, "groups": worst.groups, "expected": round(worst.expected, 2),
                "found": worst.found, "deviations": round(worst.deviations, 2),
            },
        }  # fmt: skip


_KEYS = ["id", NAMED_BY, "original_sha256", "group", "page_url", "seed", "prompt_id", "subcategory", "kind"]
_SHARED = _KEYS[:-2]


def _keys(row: Mapping[str, Any], alike: Mapping[str, str]) -> Iterable[str]:
    """What a row shares with others of its group."""
    yield f"prompt {row['prompt_id']}"
    yield f"prompt {row['seed']}"
    for name in (NAMED_BY, "original_sha256", "group", "page_url"):
        if row[name]:
            yield f"{'image' if name != 'page_url' else 'page'} {row[name]}"
    if row[NAMED_BY] in alike:
        yield f"image {alike[row[NAMED_BY]]}"


def _digest(key: str) -> str:
    """By which a key is known again, and says nothing more."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _names(pictures: list[str]) -> pl.Expr:
    """Whether a row shows one of these, named by its own hash or its original's."""
    return pl.any_horizontal(pl.col(NAMED_BY, "original_sha256").is_in(pictures).fill_null(value=False))


def _written(folder: Path, config: Mapping[str, Any]) -> pl.DataFrame:
    """What splits go by, read from the files."""
    return pl.concat(
        pl.scan_parquet(path).select(_KEYS).with_columns(split=pl.lit(split)).collect()
        for split in config["splits"]
        for path in sorted((folder / config["folder"]).glob(f"{split}-*.parquet"))
    )


def _lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _inputs(made: list[Made], plan: Plan) -> dict[str, str]:
    """What a release is made from: its tables, the plan, and the code that writes it."""
    return {f"{m.number}_{m.name}": m.sha256 for m in made} | plan.inputs() | {"code": _code()}


def _code() -> str:
    """A hash of what writes a release, and of all that decides what is in it: mended, it writes anew."""
    digest = hashlib.sha256()
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.jinja")]):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
