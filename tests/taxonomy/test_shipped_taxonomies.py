"""The taxonomies that ship, each of them, and how they correspond."""

from collections import Counter

import pytest

from pipeline import TAXONOMIES, taxonomy
from pipeline.taxonomy import Node, Taxonomy, pairs_minors_and_sex

SHIPPED = {path.stem: taxonomy.load(path.stem) for path in sorted(TAXONOMIES.glob("*.yaml"))}
SPA_VL = SHIPPED["spa_vl"]
each = pytest.mark.parametrize("name", SHIPPED)


def all_of(nodes: tuple[Node, ...]) -> list[Node]:
    return [found for node in nodes for found in (node, *all_of(node.children))]


@each
def test_every_taxonomy_is_sound_and_has_its_files_name(name: str) -> None:
    assert taxonomy.faults(TAXONOMIES / f"{name}.yaml") == []
    assert SHIPPED[name].id == name
    assert SHIPPED[name].source.startswith("https://")
    assert SHIPPED[name].licence


@each
def test_every_name_means_one_leaf_and_finds_it(name: str) -> None:
    found = SHIPPED[name]
    assert found.frame().height == len(found.leaves) > 0
    meant: dict[str, str] = {}
    for _, _, leaf in found.paths():
        for word in (leaf.id, leaf.name, *leaf.aliases):
            assert meant.setdefault(word.casefold(), leaf.id) == leaf.id, f"{word} is ambiguous"
            assert found.resolve(word) == found.resolve(word.upper()) == leaf.id


@each
def test_every_node_has_a_definition_of_its_own(name: str) -> None:
    nodes = all_of(SHIPPED[name].nodes)
    assert [node.id for node in nodes if len(node.definition.split()) < 5] == []
    assert len({node.definition for node in nodes}) == len(nodes)


@each
def test_every_leaf_with_images_has_six_keywords_that_no_other_has(name: str) -> None:
    found = SHIPPED[name]
    for node in all_of(found.nodes):
        wanted = 6 if not node.children and found.allows(node.id, images=True) else 0
        assert len(node.keywords) == wanted, node.id
    counted = Counter(word.casefold() for node in all_of(found.nodes) for word in node.keywords)
    assert [word for word, n in counted.items() if n > 1] == []


@each
def test_no_keyword_seeks_minors(name: str) -> None:
    words = [word for node in all_of(SHIPPED[name].nodes) for word in node.keywords]
    assert [word for word in words if pairs_minors_and_sex(f"{word} | nude")] == []


BLOCKED = {"ailuminate": ["cse"], "llama_guard_4": ["s4_child_sexual_exploitation"]}


@each
def test_child_sexual_exploitation_is_blocked_and_nothing_else_is(name: str) -> None:
    found = SHIPPED[name]
    shut = [node for node in all_of(found.nodes) if node.blocked]
    assert [node.id for node in shut] == BLOCKED.get(name, [])
    for node in shut:
        assert (node.image_allowed, node.generate_allowed, node.review_blur, node.keywords) == (False, False, True, ())
        assert not found.allows(node.id, images=False)


SIZES = {"spa_vl": (6, 15, 53), "msts": (5, 21, 40), "ailuminate": (3, 12, 14), "llama_guard_4": (14, 14, 14)}


@each
def test_every_taxonomy_has_the_size_that_its_source_says(name: str) -> None:
    frame = SHIPPED[name].frame()
    assert tuple(frame[c].n_unique() for c in ("domain", "category", "subcategory")) == SIZES[name]


@pytest.mark.parametrize(
    ("name", "leaf"),
    {
        "scamns": "scams", "disablity discrimination": "disability_discrimination", "paypal lending": "payday_lending",
        "traffic and driving offenses": "traffic_offenses", "forge identity": "identity_forgery", "racial": "racial_discrimination",
        "multi-level marketing": "multi_level_marketing", "manipulation of public opinion": "opinion_manipulation",
        "violent": "violence", "Pseudo-Pharmaceuticals": "pseudo_pharmaceuticals", "CYBER": "cyber_attacks",
    }.items(),
)  # fmt: skip
def test_the_names_in_spa_vls_data_resolve_slips_and_all(name: str, leaf: str) -> None:
    assert SPA_VL.resolve(name) == leaf


@pytest.mark.parametrize(
    ("taxonomy_name", "name", "leaf"),
    [
        ("msts", "Mass violence", "mass_violence"),
        ("msts", "Suicide / Public", "suicide_public"),
        ("msts", "Self-harm / Ingestion", "self_harm_ingestion"),
        ("msts", "Gross behaviour / Ingestion", "gross_ingestion"),
        ("msts", "Fake goods", None),
        ("ailuminate", "Specialized Advice; elections", "spc_ele"),
        ("llama_guard_4", "S10", "s10_hate"),
        ("llama_guard_4", "Specialized Advice", "s6_specialized_advice"),
    ],
)
def test_the_names_in_other_data_resolve(taxonomy_name: str, name: str, leaf: str | None) -> None:
    assert SHIPPED[taxonomy_name].resolve(name) == leaf


def test_the_codes_of_llama_guard_4_run_from_s1_to_s14() -> None:
    codes = [leaf.aliases[0] for _, _, leaf in SHIPPED["llama_guard_4"].paths()]
    assert codes == [f"S{n}" for n in range(1, 15)]
    assert [leaf.split("_")[0].upper() for leaf in SHIPPED["llama_guard_4"].leaves] == codes


def test_every_subcategory_of_spa_vl_says_what_it_corresponds_to() -> None:
    for _, _, leaf in SPA_VL.paths():
        assert set(leaf.maps_to) == {"ailuminate", "llama_guard_4"}, leaf.id
        for other, leaves in leaf.maps_to.items():
            assert set(leaves) <= set(SHIPPED[other].leaves), leaf.id
            assert len(set(leaves)) == len(leaves)
            assert not any(SHIPPED[other].leaves[name][2].blocked for name in leaves), leaf.id


def test_a_subcategory_that_corresponds_to_nothing_or_in_part_says_why() -> None:
    lines = (TAXONOMIES / "spa_vl.yaml").read_text(encoding="utf-8").splitlines()
    empty = [n for n, line in enumerate(lines) if "maps_to: {" in line and "[]" in line]
    assert len(empty) == sum(not all(leaf.maps_to.values()) for _, _, leaf in SPA_VL.paths())
    assert [lines[n] for n in empty if not lines[n - 1].strip().startswith("# ")] == []


@pytest.mark.parametrize(
    ("leaf", "ailuminate", "llama_guard"),
    [
        ("hate", ("hte",), ("s10_hate",)),
        ("plagiarism", ("ipv",), ("s8_intellectual_property",)),
        ("campaign_materials", ("spc_ele",), ("s13_elections",)),
        ("malware", ("ncr",), ("s2_non_violent_crimes",)),
        ("fake_science", (), ()),
    ],
)
def test_the_crosswalk_says(leaf: str, ailuminate: tuple[str, ...], llama_guard: tuple[str, ...]) -> None:
    maps = SPA_VL.leaves[leaf][2].maps_to
    assert (maps["ailuminate"], maps["llama_guard_4"]) == (ailuminate, llama_guard)


def test_a_taxonomy_is_the_same_when_it_is_written_and_read_again() -> None:
    for found in SHIPPED.values():
        assert Taxonomy.model_validate_json(found.model_dump_json()) == found
