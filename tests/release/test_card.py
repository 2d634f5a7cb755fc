"""The card of a release and what lies beside it: metadata, plots, Croissant."""

import json
import logging
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mlcroissant
import polars as pl
import pytest
import yaml
from datasets import load_dataset
from huggingface_hub import DatasetCard
from runs_by_hand import ESTIMATE, EVIL, estimated, frames, pages

from pipeline import charts
from pipeline.doors.blobs import Blobs
from pipeline.findings import charted
from pipeline.release.card import PLOTS
from pipeline.release.told import Model, Told
from pipeline.stages import publish
from pipeline.stages.publish import Plan

TOLD = Told(
    {"smollm2-135m": Model("smollm2-135m rev 1", "Apache-2.0", "a page, read 2026-01-01")}, "takedown@example.org"
)

rdflib = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""The library that reads Croissant rests on one that warns of itself."""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("one"))


def build(folder: Path, told: Told = TOLD, number: int = 12, **changed: pl.DataFrame) -> Path:
    blobs = Blobs(folder / "images")
    of = frames(blobs, number) | changed
    publish.release(of, made=pages(of), images=blobs, folder=folder / "release", name="small", plan=Plan(told=told))
    return folder / "release"


def header(folder: Path) -> dict[str, Any]:
    page: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    return page


def body(folder: Path) -> str:
    return (folder / "README.md").read_text().split("---\n", 2)[2]


def section(folder: Path, heading: str) -> str:
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", body(folder), re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def test_the_hubs_own_library_reads_the_metadata(released: Path) -> None:
    card = DatasetCard.load(released / "README.md")
    assert card.data.pretty_name == "small"
    assert card.data.license == "other"
    assert card.data.size_categories == ["n<1K"]
    assert "not-for-all-audiences" in card.data.tags
    assert card.data.annotations_creators == ["machine-generated", "expert-generated"]
    assert yaml.safe_load(card.data.to_yaml()) == header(released)


def test_every_configuration_of_the_metadata_is_loaded(released: Path, tmp_path: Path) -> None:
    manifest = json.loads((released / "manifest.json").read_text())
    for config in header(released)["configs"]:
        loaded = load_dataset(str(released), config["config_name"], cache_dir=str(tmp_path))
        splits = manifest["configs"][config["config_name"]]["splits"]
        assert {name: rows.num_rows for name, rows in loaded.items()} == splits


def test_access_is_asked_for_by_a_form(released: Path) -> None:
    page = header(released)
    assert page["extra_gated_fields"]["Intended use"]["type"] == "select"
    assert page["extra_gated_prompt"]


@pytest.mark.parametrize(
    "heading",
    ["Uses", "Out-of-scope and forbidden uses", "Dataset structure", "Configurations and splits", "Curation rationale", "Source data",
     "Data collection and processing", "Annotations", "Judges", "Human review", "Personal and sensitive information",
     "Bias, risks and limitations", "Licence and terms", "Versions", "Citation", "Contact and takedown"],
)  # fmt: skip
def test_the_card_has_the_headings_of_a_datasheet(heading: str, released: Path) -> None:
    assert section(released, heading).strip() or heading in ("Uses", "Dataset structure")


def test_the_content_warning_stands_at_the_top(released: Path) -> None:
    assert body(released).index("Content warning") < body(released).index("## Uses")


def test_counts_are_those_of_the_published_rows(released: Path) -> None:
    rows = pl.concat(pl.read_parquet(path) for path in sorted((released / "quadruples").glob("*.parquet")))
    assert f"{rows.height} quadruples" in body(released)
    tables = section(released, "What is in it").split("\n\n")
    for table in (t for t in tables if t.startswith("| ")):
        numbers = [int(line.split(" | ")[-1].strip(" |")) for line in table.splitlines()[2:]]
        assert sum(numbers) == rows.height, table


def test_models_are_told_as_they_were_asked(released: Path) -> None:
    assert "| hand |" not in section(released, "Annotations")
    text = body(
        build(released.parent / "again", Told({"m": Model("m rev 7 int4", "MIT", None)}), judgments=of_model("m"))
    )
    assert "| m | judges | m rev 7 int4 | MIT | — |" in text


def of_model(name: str) -> pl.DataFrame:
    return frames(number=12)["judgments"].with_columns(model=pl.lit(name), request_id=pl.lit("0" * 32))


def test_a_template_is_named_with_its_hash(released: Path) -> None:
    judges = frames(number=12)["comparisons"].with_columns(judge=pl.lit("m/pairwise/harmlessness"), model=pl.lit("m"), criterion=pl.lit("harmlessness"))  # fmt: skip
    text = section(build(released.parent / "templates", comparisons=judges), "Annotations")
    assert re.search(r"\| m/pairwise/harmlessness \(judges harmlessness\) \| judge/pairwise@[0-9a-f]{8} judge/prefer/harmlessness@[0-9a-f]{8} \| 24 \|", text)  # fmt: skip


def test_who_reviewed_is_told_and_what_is_not_known_is_said(released: Path) -> None:
    assert "1 reviewers made 1 decisions on 1 pairs" in section(released, "Human review")
    assert "has not been estimated" in section(released, "Human review")


def test_an_estimate_of_wrong_labels_is_printed_where_there_is_one(tmp_path: Path) -> None:
    folder = build(tmp_path, label_errors=estimated())
    assert ESTIMATE in section(folder, "Human review")
    assert body(folder).index(ESTIMATE) < body(folder).index("## Uses")
    assert "not been estimated" not in body(folder)
    assert json.loads((folder / "croissant.json").read_text())["rai:dataLimitations"] == [ESTIMATE]


def test_without_a_contact_the_card_says_so_plainly(tmp_path: Path, released: Path) -> None:
    assert "takedown@example.org" in section(released, "Contact and takedown")
    bare = build(tmp_path, Told())
    assert "**No contact was set.**" in section(bare, "Contact and takedown")


def test_a_new_contact_makes_a_new_card(released: Path) -> None:
    made = pages(frames(number=12))
    assert Plan(told=TOLD).inputs() != Plan(told=Told(TOLD.models, "else@example.org")).inputs()
    assert not publish.holds(released, made, Plan(told=Told()))


def test_hostile_names_break_no_table_and_are_no_html(released: Path) -> None:
    text = body(released)
    assert "<script" not in text
    assert "<img" not in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = table.splitlines()
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(columns) == 1, lines[0]
    assert EVIL not in text


def test_no_question_and_no_answer_is_in_the_card(tmp_path: Path) -> None:
    of = frames(number=3)
    texts = of["quadruples"].with_columns(
        question=pl.lit("Kestrel?"), chosen=pl.lit("Heron."), rejected=pl.lit("Bittern.")
    )
    text = (
        build(tmp_path, number=3, quadruples=texts.with_columns(image=pl.lit(None, pl.String))) / "README.md"
    ).read_text()
    assert not re.search("Kestrel|Heron|Bittern", text)


def test_plots_are_pictures_that_load_nothing(released: Path) -> None:
    plots = sorted((released / "plots").iterdir())
    assert {p.stem for p in plots} == set(PLOTS)
    for path in plots:
        for element in ElementTree.parse(path).iter():  # noqa: S314 -- our own
            assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in {"svg", "style", "rect", "line", "circle", "text", "title"}  # fmt: skip
            assert not [a for a in element.attrib if a.startswith("on") or "href" in a or a in ("src", "style")]
        assert "url(" not in charts.PALETTE
        assert f"](plots/{path.name})" in body(released)
    assert all(callable(getattr(charted, name)) for name in PLOTS)


@rdflib
def test_croissant_is_valid_and_its_records_are_the_rows(released: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(jsonld=str(released / "croissant.json"))
    assert not dataset.metadata.issues.errors
    assert {record.id for record in dataset.metadata.record_sets} >= {"quadruples"}
    rows = pl.concat(pl.read_parquet(path) for path in sorted((released / "quadruples").glob("*.parquet")))
    read = [row["quadruples/id"].decode() for row in dataset.records("quadruples")]
    assert sorted(read) == sorted(rows["id"])


def test_croissant_names_every_parquet_file_with_its_hash(released: Path) -> None:
    page = json.loads((released / "croissant.json").read_text())
    files = {f["contentUrl"]: f["sha256"] for f in page["distribution"] if f["@type"] == "cr:FileObject"}
    manifest = json.loads((released / "manifest.json").read_text())["files"]
    assert files == {path: digest for path, digest in manifest.items() if path.endswith(".parquet")}
    assert page["rai:personalSensitiveInformation"]
    assert len([key for key in page if key.startswith("rai:")]) >= 15


def test_the_same_run_makes_the_same_card_plots_and_croissant(released: Path, tmp_path: Path) -> None:
    other = build(tmp_path)
    for path in ["README.md", "croissant.json", *(f"plots/{p.name}" for p in (released / "plots").iterdir())]:
        assert (other / path).read_bytes() == (released / path).read_bytes(), path


def test_nothing_tells_of_this_machine(released: Path) -> None:
    for path in [released / "README.md", released / "croissant.json", *(released / "plots").iterdir()]:
        assert str(released.parent) not in path.read_text()


@rdflib
def test_a_release_of_texts_alone_has_a_card(tmp_path: Path) -> None:
    of = frames(number=4)
    for name in (
        "wanted",
        "images",
        "selected",
        "short_images",
        "spread",
        "judge_report",
        "comparisons",
        "queue",
        "decisions",
    ):
        del of[name]
    of["quadruples"] = of["quadruples"].with_columns(
        image=pl.lit(None, pl.String), reviewed=False, licence=pl.lit(None, pl.String)
    )
    publish.release(of, made=pages(of), images=Blobs(tmp_path / "images"), folder=tmp_path / "release", name="texts")
    assert header(tmp_path / "release")["task_categories"] == ["text-generation"]
    assert "It has no images" in body(tmp_path / "release")
    assert "**Unreviewed.**" in body(tmp_path / "release")
    assert not mlcroissant.Dataset(jsonld=str(tmp_path / "release" / "croissant.json")).metadata.issues.errors
