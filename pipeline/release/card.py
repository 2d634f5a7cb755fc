"""The card: README.md of a release, printed from the run; and what lies beside it: plots, croissant.json."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
import yaml

from pipeline import charts, licences
from pipeline.findings import Tables, agreement, charted, makers, pairs, people
from pipeline.release.about import metadata
from pipeline.release.croissant import croissant
from pipeline.release.rows import Published
from pipeline.release.told import Told
from pipeline.workspace import Made

_TEMPLATE = Path(__file__).with_name("card.md.jinja")
PLOTS = {
    "safe_by_class": "Share of each respondent's answers that are safe, by category",
    "safe_rates": "The same over all categories, with 95 % intervals",
    "strengths": "Quadruples by strength of the preference",
    "lengths": "Length of chosen and rejected answers",
    "agreements": "How often two raters prefer the same of two answers",
}
"""Charts (`findings/charted.py`) and what they show."""
GATE: dict[str, Any] = {
    "extra_gated_heading": "This dataset holds harmful text, and perhaps harmful images",
    "extra_gated_prompt": "It was made so that models learn not to be harmful. You may use it for research on safety. You may not train a model to "
    "produce its rejected side, identify people in it, or pass it on to those who have not agreed to this.",
    "extra_gated_fields": {
        "Name": "text",
        "Affiliation": "text",
        "Country": "country",
        "Intended use": {"type": "select", "options": ["Research", "Evaluation", "Safety training", {"label": "Other", "value": "other"}]},
        "I have read the content warning and will use it for safety alone": "checkbox",
    },
    "extra_gated_button_content": "Agree and ask for access",
}  # fmt: skip
"""The form by which access is asked for. The gate itself is a setting of the repository."""


def write(
    folder: Path, quadruples: pl.DataFrame, tables: Mapping[str, pl.DataFrame], made: list[Made], manifest: Mapping[str, Any], told: Told
) -> None:  # fmt: skip
    """README.md, plots/*.svg and croissant.json of the release in `folder`, whose rows are there. `quadruples`: as published."""
    seen = {name: frame.lazy() for name, frame in tables.items()} | {"quadruples": quadruples.lazy()}
    drawn = {name: svg for name in PLOTS if (svg := getattr(charted, name)(seen))}
    (folder / "plots").mkdir()
    for name, svg in drawn.items():
        (folder / "plots" / f"{name}.svg").write_text(charts.alone(svg), encoding="utf-8")
    text = card(quadruples, seen, made, manifest, told, plots=list(drawn))
    (folder / "README.md").write_text(text, encoding="utf-8")
    found = sorted(set(quadruples["licence"].drop_nulls()))
    page = croissant(folder, manifest, dict(_columns()), _responsible(seen, made, told), found)
    (folder / "croissant.json").write_text(page, encoding="utf-8")


def card(
    quadruples: pl.DataFrame, tables: Tables, made: list[Made], manifest: Mapping[str, Any], told: Told, *, plots: list[str]
) -> str:  # fmt: skip
    """Markdown with the Hub's metadata: counts, how each stage went, what was dropped, who reviewed, what is known of limits."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 -- Markdown
        finalize=_plain,
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        header=_Words(_header(quadruples, manifest)),
        table=_table,
        counted=_counted,
        share=lambda value: "—" if value is None else f"{100 * value:.0f} %",
        plot=lambda name: _Words(f"![{PLOTS[name]}](plots/{name}.svg)\n" if name in plots else ""),
        manifest=manifest,
        rows=quadruples.height,
        made=made,
        columns=[(name, _Words(meaning.replace("<", "&lt;"))) for name, meaning in _columns()],
        classes=_counts(quadruples, "domain", "category", "subcategory"),
        kinds=_counts(quadruples, "kind"),
        models=_counts(quadruples, "chosen_respondent", "rejected_respondent"),
        licences=[(*row, "published" if row[0] in licences.ALLOWED else "named by URL and hash alone") for row in _counts(quadruples, "licence")],
        safety=_counts(quadruples, "chosen_safety", "rejected_safety"),
        languages=_counts(quadruples, "language"),
        sources=_counts(tables["images"].collect(), "source", "revision") if "images" in tables else [],
        judges=judges(tables),
        report=tables["judge_report"].collect().to_dicts() if "judge_report" in tables else [],
        agreements=agreement.agreements(tables),
        makers=makers.models(tables),
        asked=makers.asked(tables),
        shape=pairs.shape(tables),
        review=people.review(tables),
        errors=people.sentences(tables),
        notes=[note for page in made if page.name == "spread" for note in page.notes],
        told=told,
    )  # fmt: skip


class _Words(str):
    """Markdown of our own."""

    __slots__ = ()


def _plain(value: object) -> object:
    """What others named: on one line, and nothing in it that Markdown or a browser would obey."""
    if not isinstance(value, str) or isinstance(value, _Words):
        return value
    line = re.sub(" +", " ", "".join(c if c.isprintable() else " " for c in value))
    return re.sub(r"([\\|`\[\]])", r"\\\1", line).replace("<", "&lt;")


def _table(rows: Sequence[Sequence[str]]) -> _Words:
    """The lines of a table."""
    return _Words("\n".join(f"| {' | '.join(str(_plain(cell)) for cell in row)} |" for row in rows))


def _counted(of: Mapping[str, int]) -> _Words:
    """Reasons with their numbers; 0 where there are none."""
    return _Words("; ".join(f"{n} {_plain(reason)}" for reason, n in of.items()) or "0")


def _header(quadruples: pl.DataFrame, manifest: Mapping[str, Any]) -> str:
    """The Hub's metadata, as YAML."""
    pictured = bool(quadruples["image"].is_not_null().any())
    people_too = ["expert-generated"] if bool(quadruples["reviewed"].any()) else []
    page = {
        "pretty_name": manifest["name"],
        "language": sorted(set(quadruples["language"])) or ["en"],
        "license": "other",
        "license_name": "per-image",
        "license_link": "README.md",
        "task_categories": ["image-text-to-text" if pictured else "text-generation"],
        "size_categories": [_size(quadruples.height)],
        "annotations_creators": ["machine-generated", *people_too],
        "source_datasets": ["original"],
        "tags": [
            "not-for-all-audiences",
            "preference",
            "dpo",
            "safety",
            *(["multimodal", "image"] if pictured else []),
        ],
        **metadata(manifest["configs"]),
        **GATE,
    }
    return yaml.safe_dump(page, sort_keys=False, allow_unicode=True, width=10_000).rstrip()


def _columns() -> list[tuple[str, str]]:
    return [(n, " ".join((f.description or "").split())) for n, f in Published.model_fields.items()]


def _size(rows: int) -> str:
    """The Hub's word for it."""
    for limit, word in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if rows < limit:
            return word
    return "1M<n<10M"


def _counts(table: pl.DataFrame, *columns: str) -> list[tuple[str, ...]]:
    counted = (
        table.group_by(columns).len().sort("len", *columns, descending=[True, *[False] * len(columns)], nulls_last=True)
    )
    return [tuple("—" if cell is None else str(cell) for cell in row) for row in counted.iter_rows()]


def judges(tables: Tables) -> list[tuple[str, str, str]]:
    """Of each judge that compares: judge, and share of verdicts (ties aside) for what was shown first, and share of pairs on which its two
    orders agree."""
    if "comparisons" not in tables:
        return []
    stated = tables["comparisons"].filter(pl.col("strength").is_not_null())
    shown = pl.when(pl.col("first") == "a").then(pl.col("strength")).otherwise(-pl.col("strength"))
    first = (
        stated.filter(pl.col("strength") != 0)
        .group_by("judge")
        .agg((shown > 0).mean().alias("share"), pl.len().alias("n"))
    )
    both = stated.group_by("judge", "candidate_id").agg(
        pl.len().alias("orders"), (pl.col("strength").sign().n_unique() == 1).alias("agree")
    )
    agree = (
        both.filter(pl.col("orders") == 2)
        .group_by("judge")
        .agg(pl.col("agree").mean().alias("agreed"), pl.len().alias("pairs"))
    )
    joined = first.join(agree, on="judge", how="full", coalesce=True).sort("judge").collect()
    return [
        (r["judge"], _share(r["share"], r["n"]), _share(r["agreed"], r["pairs"])) for r in joined.iter_rows(named=True)
    ]


def _share(share: float | None, of: int | None) -> str:
    return "—" if share is None else f"{100 * share:.0f} % of {of}"


def _responsible(tables: Tables, made: list[Made], told: Told) -> dict[str, str | list[str]]:
    """Croissant's fields on responsible AI."""
    done = people.review(tables)
    dropped = [f"{n} {reason} ({page.name})" for page in made for reason, n in page.dropped.items()]
    return {
        "dataCollection": "Images are taken from the sources that the card lists, under their licences; questions and responses are written by models.",
        "dataCollectionType": ["Web Scraping", "Direct measurement"] if "images" in tables else ["Others"],
        "dataCollectionMissingData": "; ".join(dropped) or "Nothing was left out.",
        "dataPreprocessingProtocol": [
            "Images are rebuilt from their pixels, without metadata.",
            "Near-duplicates are merged, and texts that break their form dropped.",
        ],
        "dataManipulationProtocol": "Personal data in texts is masked or the row dropped, by rule.",
        "dataAnnotationProtocol": "Models judge responses; people decide some of the pairs. Verdicts settle to a preference with strength and confidence.",
        "dataAnnotationPlatform": "Tetrad",
        "dataAnnotationAnalysis": [
            f"{a.matter}: {a.raw.value:.2f} of verdicts agree" for a in agreement.agreements(tables) if a.raw.value is not None
        ]
        or "No two raters judged the same.",
        "annotationsPerItem": "One or more judges a pair; see the column sources.",
        "annotatorDemographics": f"{done.reviewers} reviewers, of whom nothing is recorded but pseudonyms."
        if done.decisions
        else "No people took part.",
        "machineAnnotationTools": [
            m.identity if (m := told.models.get(name)) else name
            for name, roles in makers.models(tables).items()
            if {"judges", "compares"} & set(roles)
        ]
        or "none",
        "dataReleaseMaintenancePlan": "Versions are semantic: rows removed or changed, added, text only. Removed ids are listed in removed_ids.txt.",
        "personalSensitiveInformation": "Images may show people. Texts are of models; e-mail, phone, card, IBAN and IP numbers are masked or dropped by rule.",
        "dataSocialImpact": "Meant to make models safer. Its rejected side could train harmful ones: that is forbidden, and access is gated.",
        "dataBiases": "Judges are models, with preferences for order, length and their own family; the card reports them.",
        "dataLimitations": people.sentences(tables) or "Nobody has estimated how many labels are wrong.",
        "dataUseCases": "Preference training and reward models for safety; evaluation of judges.",
    }  # fmt: skip
