"""A tree of harms: its paths, its names, and what of it is closed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import Tree, first, small, written

from pipeline import taxonomy
from pipeline.taxonomy import Node, Taxonomy

SPA_VL = taxonomy.load("spa_vl")
SHUT = (False, False, True, True)


def flags(node: Node) -> tuple[bool, bool, bool, bool]:
    return node.image_allowed, node.generate_allowed, node.review_blur, node.blocked


def test_a_leafs_path_names_its_domain_and_category() -> None:
    assert [node.id for node in SPA_VL.leaves["scams"]] == ["malicious_use", "fraud_deception", "scams"]
    assert ("scams", "malicious_use", "fraud_deception") in SPA_VL.frame().rows()


def test_a_taxonomy_may_lie_anywhere(tmp_path: Path) -> None:
    found = taxonomy.load(str(written(tmp_path, small())))
    assert list(found.leaves) == ["shouting", "pushing"]
    assert found.resolve("Yelling") == "shouting"


@pytest.mark.parametrize("name", [None, "", "no such class", "toxic", "scam ns"])
def test_what_names_no_leaf_resolves_to_none(name: str | None) -> None:
    assert SPA_VL.resolve(name) is None


def test_a_branch_may_end_on_any_level_and_a_leaf_stands_for_what_is_missing(tmp_path: Path) -> None:
    tree = small()
    tree["nodes"] += [
        {"id": "alone", "name": "Alone"},
        {"id": "pair", "name": "Pair", "children": [{"id": "second", "name": "Second"}]},
    ]
    found = taxonomy.load(str(written(tmp_path, tree)))
    assert [tuple(node.id for node in path) for path in found.paths()] == [
        ("rude", "loud", "shouting"),
        ("rude", "loud", "pushing"),
        ("alone", "alone", "alone"),
        ("pair", "second", "second"),
    ]
    assert found.frame().rows()[2:] == [("alone", "alone", "alone"), ("second", "pair", "second")]
    assert found.allows("alone", images=True)
    assert found.resolve("pair") is None


@pytest.mark.parametrize("levels", [["hazard"], ["group", "hazard"]])
def test_a_taxonomy_may_have_fewer_than_three_levels(levels: list[str], tmp_path: Path) -> None:
    tree = small() | {"levels": levels}
    tree["nodes"] = first(tree, 3 - len(levels) - 1)["children"]
    found = taxonomy.load(str(written(tmp_path, tree)))
    assert list(found.leaves) == ["shouting", "pushing"]
    assert found.levels == tuple(levels)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("flag", ["image_allowed", "generate_allowed"])
def test_what_a_node_forbids_is_forbidden_below_it(level: int, flag: str) -> None:
    tree = small()
    first(tree, level)[flag] = False
    found = Taxonomy.model_validate(tree)
    assert found.allows("shouting", images=True) == (flag != "image_allowed")
    assert found.allows("shouting", images=False) == (flag != "generate_allowed")
    assert found.allows("pushing", images=True) == (flag != "image_allowed" or level == 2)


@pytest.mark.parametrize(
    "words",
    [
        {"definition": "Sexual remarks about children."},
        {"name": "Nudity of minors"},
        {"name": "Teenagers", "keywords": ["erotic posters"]},
        {"aliases": ["CSAM"]},
        {"id": "child_nudity", "name": "Pictures"},
        {"blocked": True},
    ],
)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_node_that_pairs_minors_and_sexual_content_is_shut_with_all_below_it_whatever_its_flags(
    words: Tree, level: int
) -> None:
    tree = small()
    wide = {"image_allowed": True, "generate_allowed": True, "review_blur": False, "keywords": ["a quiet street"]}
    for depth in range(3):
        first(tree, depth).update(wide)
    first(tree, level).update({"blocked": False} | words)
    found = Taxonomy.model_validate(tree)
    path, other = list(found.paths())
    assert [flags(node) == SHUT for node in path] == [depth >= level for depth in range(3)]
    assert [node.keywords == () for node in path] == [depth >= level for depth in range(3)]
    assert flags(other[2]) == (SHUT if level < 2 else (True, True, False, False))
    assert not found.allows(path[2].id, images=True)
    assert not found.allows(path[2].id, images=False)
    assert found.allows("pushing", images=True) == (level == 2)


@pytest.mark.parametrize("above", [0, 1])
@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        ({"name": "Children"}, {"name": "Sexual content"}),
        ({"aliases": ["minors"]}, {"aliases": ["nudity"]}),
        ({"name": "Adult content"}, {"name": "Teenagers"}),
        ({"id": "kids"}, {"definition": "Erotic pictures."}),
        ({"name": "Nude"}, {"name": "Boys"}),
    ],
)
def test_a_node_is_judged_together_with_the_names_above_it(above: int, upper: Tree, lower: Tree) -> None:
    tree = small()
    first(tree, above).update(upper)
    first(tree, 2).update(lower)
    found = Taxonomy.model_validate(tree)
    path, other = list(found.paths())
    assert [node.blocked for node in path] == [False, False, True]
    assert not other[2].blocked, "its sister says nothing of the kind"


def test_what_is_shut_stays_shut_when_it_is_written_and_read_again() -> None:
    tree = small()
    first(tree, 1)["name"] = "Sexual content with children"
    found = Taxonomy.model_validate(tree)
    again = found.model_dump()
    first(again, 1)["name"] = first(again, 1)["id"] = "harmless"
    first(again, 2).update(image_allowed=True, generate_allowed=True)
    assert flags(next(Taxonomy.model_validate(again).paths())[2]) == SHUT
    assert Taxonomy.model_validate(found.model_dump()) == found


WORDS = st.sampled_from(["Children", "Sexual content", "Streets", "Noise", "minors", "nudity", "Teens", "CSAM"])


@given(st.lists(WORDS, min_size=4, max_size=4))
def test_no_leaf_is_open_whose_path_of_names_pairs_minors_and_sexual_content(names: list[str]) -> None:
    tree = small()
    for node, name in zip((*(first(tree, n) for n in range(3)), first(tree, 1)["children"][1]), names, strict=True):
        node["name"] = name
    found = Taxonomy.model_validate(tree)
    for path in found.paths():
        paired = taxonomy.pairs_minors_and_sex(" | ".join(node.name for node in path))
        assert paired == path[2].blocked == (not found.allows(path[2].id, images=True))
