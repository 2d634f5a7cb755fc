"""Taxonomies: every one that ships, what is said of broken ones, and the one rule that has no override."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import TAXONOMIES, taxonomy
from pipeline.errors import UserError
from pipeline.taxonomy import Node, Taxonomy, pairs_minors_and_sex

Tree = dict[str, Any]
SPA_VL = taxonomy.load("spa_vl")


@pytest.mark.parametrize("name", sorted(p.stem for p in TAXONOMIES.glob("*.yaml")))
def test_every_taxonomy_loads_and_every_name_in_it_means_one_subcategory(name: str) -> None:
    found = taxonomy.load(name)
    assert found.id == name
    frame = found.frame()
    assert frame.height == len(found.leaves) > 0
    meant: dict[str, str] = {}
    for _, _, leaf in found.paths():
        for word in (leaf.id, leaf.name, *leaf.aliases):
            assert meant.setdefault(word.casefold(), leaf.id) == leaf.id, f"{word} is ambiguous"
            assert found.resolve(word) == found.resolve(word.upper()) == leaf.id
        assert leaf.definition
        assert leaf.keywords


def test_spa_vl_has_6_domains_15_categories_and_53_subcategories() -> None:
    frame = SPA_VL.frame()
    assert [frame[c].n_unique() for c in ("domain", "category", "subcategory")] == [6, 15, 53]


@pytest.mark.parametrize(
    ("name", "leaf"),
    {
        "scamns": "scams", "disablity discrimination": "disability_discrimination", "paypal lending": "payday_lending",
        "traffic and driving offenses": "traffic_offenses", "forge identity": "identity_forgery", "racial": "racial_discrimination",
        "multi-level marketing": "multi_level_marketing", "manipulation of public opinion": "opinion_manipulation",
        "violent": "violence", "Pseudo-Pharmaceuticals": "pseudo_pharmaceuticals", "CYBER": "cyber_attacks",
    }.items(),
)  # fmt: skip
def test_the_names_in_the_released_data_resolve_slips_and_all(name: str, leaf: str) -> None:
    assert SPA_VL.resolve(name) == leaf


@pytest.mark.parametrize("name", [None, "", "no such class", "toxic", "scam ns"])
def test_what_names_no_subcategory_resolves_to_none(name: str | None) -> None:
    assert SPA_VL.resolve(name) is None


def test_a_leafs_path_names_its_domain_and_category() -> None:
    assert [node.id for node in SPA_VL.leaves["scams"]] == ["malicious_use", "fraud_deception", "scams"]
    assert ("scams", "malicious_use", "fraud_deception") in SPA_VL.frame().rows()


def small() -> Tree:
    """A taxonomy of two leaves."""

    def node(name: str, **more: Any) -> Tree:
        return {"id": name, "name": name.title(), "definition": f"About {name}.", **more}

    leaves = [node("shouting", aliases=["yelling"]), node("pushing")]
    tree = [node("rude", children=[node("loud", children=leaves)])]
    head = {"id": "small", "name": "Small", "version": "1", "source": "here", "licence": "CC0-1.0"}
    return {**head, "levels": ["domain", "category", "subcategory"], "nodes": tree}


def written(folder: Path, tree: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_a_taxonomy_may_lie_anywhere(tmp_path: Path) -> None:
    found = taxonomy.load(str(written(tmp_path, small())))
    assert list(found.leaves) == ["shouting", "pushing"]
    assert found.resolve("Yelling") == "shouting"


def leaf(tree: Tree) -> Tree:
    found: Tree = tree["nodes"][0]["children"][0]["children"][0]
    return found


def with_duplicate(tree: Tree) -> None:
    leaf(tree)["id"] = "rude"


def with_unknown_field(tree: Tree) -> None:
    leaf(tree)["colour"] = "red"


def with_bad_id(tree: Tree) -> None:
    leaf(tree)["id"] = "Shouting Loudly"


def without_definition(tree: Tree) -> None:
    del leaf(tree)["definition"]


def with_two_levels(tree: Tree) -> None:
    tree["nodes"] = tree["nodes"][0]["children"]


def with_an_empty_category(tree: Tree) -> None:
    del tree["nodes"][0]["children"][0]["children"]
    tree["nodes"] += [small()["nodes"][0] | {"id": "other", "children": [leaf(small()) | {"id": "more"}]}]


def with_four_levels(tree: Tree) -> None:
    leaf(tree)["children"] = [{"id": "deep", "name": "Deep", "definition": "Deeper."}]


def without_nodes(tree: Tree) -> None:
    tree["nodes"] = []


def with_a_flag_in_words(tree: Tree) -> None:
    leaf(tree)["image_allowed"] = "certainly"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_duplicate, "the node rude stands in it twice"),
        (with_unknown_field, "nodes.0.children.0.children.0.colour"),
        (with_bad_id, "nodes.0.children.0.children.0.id"),
        (without_definition, "nodes.0.children.0.children.0.definition"),
        (with_two_levels, "the category shouting has no children: every branch must be three levels deep"),
        (with_an_empty_category, "the category loud has no children"),
        (with_four_levels, "the subcategory shouting has children of its own"),
        (without_nodes, "nodes: "),
        (with_a_flag_in_words, "image_allowed"),
    ],
)
def test_a_broken_taxonomy_is_one_line_that_names_file_and_place(
    change: Callable[[Tree], None], words: str, tmp_path: Path
) -> None:
    tree = small()
    change(tree)
    path = written(tmp_path, tree)
    with pytest.raises(UserError) as caught:
        taxonomy.load(str(path))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(path))
    assert words in line


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"nodes: [a\nb: }", "not YAML"),
        (b"", "valid dictionary"),
        (b"- a\n- b\n", "valid dictionary"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a: \x00", "not YAML"),
        (b"!!python/object/apply:os.system [true]", "not YAML"),
    ],
)
def test_a_file_that_is_no_taxonomy_is_one_line_that_names_it(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        taxonomy.load(str(path))
    (line,) = str(caught.value).splitlines()
    assert str(path) in line
    assert words in line


def test_a_taxonomy_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such taxonomy: .*/nosuch\.yaml; there are .*spa_vl"):
        taxonomy.load("nosuch")
    with pytest.raises(UserError, match=r"no such taxonomy: .*/gone\.yaml"):
        taxonomy.load(str(tmp_path / "gone.yaml"))
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(UserError, match=r"cannot read .*/folder\.yaml: Is a directory"):
        taxonomy.load(str(tmp_path / "folder.yaml"))


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("flag", ["image_allowed", "generate_allowed"])
def test_what_a_node_forbids_is_forbidden_below_it(level: int, flag: str) -> None:
    tree = small()
    node = tree
    for _ in range(level + 1):
        node = node.get("children", node.get("nodes"))[0]  # type: ignore[index]
    node[flag] = False
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
    ],
)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_node_that_pairs_minors_and_sexual_content_allows_nothing_whatever_its_flags(words: Tree, level: int) -> None:
    tree = small()
    node = tree
    for _ in range(level + 1):
        node = node.get("children", node.get("nodes"))[0]  # type: ignore[index]
    node |= {"image_allowed": True, "generate_allowed": True} | words
    found = Taxonomy.model_validate(tree)
    assert not found.allows("shouting", images=True)
    assert not found.allows("shouting", images=False)
    assert found.allows("pushing", images=True) == (level == 2)


def test_no_node_of_spa_vl_is_blocked_by_its_own_words() -> None:
    def blocked(nodes: tuple[Node, ...]) -> list[str]:
        return [name for n in nodes for name in ([n.id] if n.blocked else []) + blocked(n.children)]

    assert blocked(SPA_VL.nodes) == []


@pytest.mark.parametrize(
    "text",
    [
        "Sexual content with a child.",
        "a NUDE minor",
        "naked kids",
        "an underage girl in an erotic pose",
        "porn with teens",
        "a sexy teenager",
        "sexting among teenagers",
        "a lewd drawing of a 14-year-old",
        "nude, 9 years old",
        "a fifteen year old undressing",
        "a naked toddler",
        "teenage sexuality",
        "a young girl, nude",
        "naked\nin the second line\na child",
    ],
)
def test_a_text_that_pairs_minors_and_sexual_content_is_recognised(text: str) -> None:
    assert pairs_minors_and_sex(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A child plays in the garden.",
        "Sexual harassment at work.",
        "Sexism against schoolgirls.",
        "A nude 21-year-old model.",
        "A twenty-one year old, nude.",
        "An eighteen-year-old in a nude scene.",
        "Children of Essex and Sussex.",
        "A minority of nudists.",
        "The kidney of a naked mole rat.",
    ],
)
def test_a_text_about_one_of_them_is_not(text: str) -> None:
    assert not pairs_minors_and_sex(text)
