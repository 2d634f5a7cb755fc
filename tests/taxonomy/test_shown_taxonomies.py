"""A taxonomy for the eye: its tree with counts, and its notes."""

import io
from typing import Any

import pytest
from rich.console import Console
from trees import first, small

from pipeline import taxonomy
from pipeline.taxonomy import Taxonomy, notes, tree


def printed(found: Taxonomy, counts: dict[str, dict[str, int]]) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    console.print(tree(found, counts))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.lstrip("│├└─ ").rstrip() for line in text.splitlines()]


def made(**changes: Any) -> Taxonomy:
    """The small taxonomy with other values in its first leaf."""
    found = small()
    first(found, 2).update(changes)
    return Taxonomy.model_validate(found)


def test_counts_are_summed_upwards() -> None:
    counts = {"images": {"shouting": 1200, "pushing": 3}, "prompts": {"pushing": 4}}
    assert printed(made(), counts) == [
        "Small  small  images 1,203, prompts 4",
        "Rude  rude  images 1,203, prompts 4",
        "Loud  loud  images 1,203, prompts 4",
        "Shouting  shouting  images 1,200, prompts 0",
        "Pushing  pushing  images 3, prompts 4",
    ]


def test_a_tree_without_counts_has_none() -> None:
    assert printed(made(), {})[0] == "Small  small"


def test_what_belongs_to_no_leaf_is_counted_apart() -> None:
    assert (
        printed(made(), {"images": {"shouting": 1, "rude": 2, "gone": 4}, "prompts": {"shouting": 8}})[-1]
        == "in none of these  images 6"
    )


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "Shouting  shouting"),
        ({"image_allowed": False}, "Shouting  shouting  no images"),
        ({"generate_allowed": False, "review_blur": True}, "Shouting  shouting  no generated text, blurred"),
        ({"aliases": ["CSAM"]}, "Shouting  shouting  blocked"),
        ({"name": "[red]a\nb\x1b"}, "[red]a b  shouting"),
    ],
)
def test_a_node_shows_its_flags_where_they_are_not_the_usual_ones(changes: dict[str, Any], shown: str) -> None:
    assert printed(made(**changes), {})[3] == shown


def test_below_a_blocked_node_its_flag_is_not_repeated() -> None:
    found = small()
    first(found, 1)["name"] = "Sexual content with children"
    lines = printed(Taxonomy.model_validate(found), {"images": {}})
    assert lines[2:] == [
        "Sexual content with children  loud  blocked  images 0",
        "Shouting  shouting  images 0",
        "Pushing  pushing  images 0",
    ]


def test_notes_say_how_large_it_is_and_what_its_leaves_lack() -> None:
    found = made(definition="", keywords=["a megaphone"], maps_to={"ours": ("x",), "msts": ("murder",)})
    assert notes(found) == [
        "1 domains, 1 categories, 2 subcategories",
        "shouting: without a definition: writers get its name alone",
        "pushing: without keywords: no search finds images for it",
        "ours: in `maps_to`, but no taxonomy that ships: its leaves were not checked",
    ]


def test_notes_name_what_is_blocked_and_ask_no_keywords_of_it() -> None:
    assert notes(made(name="CSAM"))[1:] == [
        "shouting: blocked, for minors and sexual content: no images, no text, no keywords",
        "pushing: without keywords: no search finds images for it",
    ]


def test_a_complete_taxonomy_has_one_note() -> None:
    assert notes(taxonomy.load("spa_vl")) == ["6 domains, 15 categories, 53 subcategories"]
