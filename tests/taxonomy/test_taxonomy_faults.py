"""A user's own taxonomy is one file: everything that is wrong with it is said at once, line by line."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trees import Tree, first, small, written

from pipeline import taxonomy
from pipeline.errors import UserError
from pipeline.taxonomy import faults
from pipeline.taxonomy.reading import DEEPEST, MOST_BYTES

SOUND = """\
id: mine
name: Mine
version: "1"
source: here
licence: CC0-1.0
levels: [domain, category, subcategory]
nodes:
  - id: rude
    name: Rude
    children:
      - id: shouting
        name: Shouting
        aliases: [yelling]
        image_allowed: true
      - id: pushing
        name: Pushing
"""


def said(folder: Path, text: str | bytes) -> list[str]:
    """The faults of a file that holds this, without its path."""
    path = folder / "mine.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found = faults(path)
    assert all(line.startswith(f"{path}:") for line in found)
    return [line.removeprefix(f"{path}:") for line in found]


def test_a_sound_file_has_no_faults(tmp_path: Path) -> None:
    assert said(tmp_path, SOUND) == []
    assert said(tmp_path, f"\ufeff{SOUND}".replace("\n", "\r\n")) == [], "nor as other systems write it"
    assert taxonomy.load(str(tmp_path / "mine.yaml")).resolve("YELLING") == "shouting"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("name: Rude", "nmae: Rude", "8: name is missing; add it"),
        ("name: Rude", "nmae: Rude", "9: there is no field nmae; did you mean name?"),
        ("licence: ", "license: ", "5: there is no field license; did you mean licence?"),
        ("version: ", "colour: ", "3: there is no field colour; there are id, name, version, source, licence, levels, nodes"),
        ('version: "1"', "version: 1", "3: version must be text, not 1; write it in quotes"),
        ("source: here", "source:", "4: source must be text, not nothing; write it in quotes"),
        ("name: Pushing", "name: No", "16: name must be text, not false; write it in quotes"),
        ("name: Pushing", "name: [a]", "16: name must be text, not a list; write it in quotes"),
        ("name: Pushing", "name: ''", "16: name is empty; write something"),
        ("[yelling]", "yelling", "13: aliases must be a list, not yelling; write aliases: [one, another]"),
        ("[yelling]", "[yelling, 7]", "13: aliases must be text, not 7; write it in quotes"),
        ("image_allowed: true", "image_allowed: certainly", "14: image_allowed must be true or false, not certainly; write one of them"),
        ("image_allowed: true", "image_allowed: [true]", "14: image_allowed must be true or false, not a list; write one of them"),
        ("id: pushing", "id: Pushing Hard", "15: Pushing Hard is no id; use small letters, digits and _, a letter first"),
        ("id: mine", "id: ../mine", "1: ../mine is no id; use small letters, digits and _, a letter first"),
        ("id: pushing", "id: shouting", "15: the node shouting stands in it twice, first in line 11; give one of them another id"),
        ("id: pushing", "id: rude", "15: the node rude stands in it twice, first in line 8; give one of them another id"),
        ("name: Pushing", "name: YELLING", "16: YELLING means another leaf too, in line 11; let it mean one of them"),
        ("name: Pushing", "name: Pushing\n        aliases: [shouting]",
         "17: shouting means another leaf too, in line 11; let it mean one of them"),
        ("[domain, category, subcategory]", "[a]", "11: shouting is on level 2, but `levels` names only 1; name one more, or move it up"),
        ("[domain, category, subcategory]", "[a, b, c, d]", "6: levels are more than three; a taxonomy has one to three levels"),
        ("[domain, category, subcategory]", "[]", "6: levels is empty; give at least one"),
        ("      - id: pushing\n        name: Pushing\n", "      - pushing\n", "15: pushing where a node should stand; write its fields: id, name"),
        ("name: Pushing", "name: Pushing\n        name: Shoving", "17: name stands here twice, first in line 16; keep one"),
        ("name: Pushing", "name: !secret Pushing", "16: the tag !secret is not taken; take it out"),
        ("name: Pushing", "name: Pushing\n        ? [a]\n        : b", "17: a field's name must be one word"),
        ("name: Pushing", "name: Pushing\n        maps_to: {ailuminate: [htee]}", "17: ailuminate has no leaf htee; did you mean hte?"),
        ("name: Pushing", "name: Pushing\n        maps_to:\n          llama_guard_4: [hate]", "18: llama_guard_4 has no leaf hate; did you mean s10_hate?"),
        ("name: Pushing", "name: Pushing\n        maps_to: {spa_vl: [toxic]}", "17: spa_vl has no leaf toxic; there are bullying, harassment, "),
        ("name: Pushing", "name: Pushing\n        maps_to: [hte]", "17: maps_to must name taxonomies and their leaves; write maps_to: {ailuminate: [hte]}"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line_and_what_to_do(old: str, new: str, fault: str, tmp_path: Path) -> None:
    assert old in SOUND
    found = said(tmp_path, SOUND.replace(old, new))
    assert [line for line in found if line.startswith(fault)], found
    assert len(found) <= 2, "nor is it told twice"


def test_a_leaf_may_map_to_a_taxonomy_that_does_not_ship(tmp_path: Path) -> None:
    assert (
        said(tmp_path, SOUND.replace("name: Pushing", "name: Pushing\n        maps_to: {ours: [x], msts: [murder]}"))
        == []
    )


def test_a_fourth_level_is_one_fault_however_deep_it_goes(tmp_path: Path) -> None:
    tree = small()
    first(tree, 2)["children"] = [{"id": "deep", "name": "Deep", "children": [{"id": "deeper", "name": "Deeper"}]}]
    (line,) = faults(written(tmp_path, tree))
    assert line.endswith("deep is on level 4, but there are at most three; move it up")


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = SOUND.replace("licence", "license").replace("id: pushing", "id: rude").replace("[yelling]", "{a: b}")
    found = said(tmp_path, text + "        aliases: [Shouting]\n        colour: red\n        colour: blue\n")
    numbers = [int(line.split(":")[0]) for line in found]
    assert numbers == sorted(numbers) == [1, 5, 13, 15, 17, 18, 19]


def test_load_says_the_first_fault_and_how_many_more(tmp_path: Path) -> None:
    path = written(tmp_path, small() | {"colour": "red", "size": "large"})
    with pytest.raises(UserError) as caught:
        taxonomy.load(str(path))
    line = faults(path)[0]
    assert str(caught.value) == f"{line} (and 1 more: tetrad taxonomy check {path})"
    path = written(tmp_path, small() | {"colour": "red"})
    with pytest.raises(UserError, match=r"there is no field colour; [^()]*$"):
        taxonomy.load(str(path))


BLOCKED = """\
      - id: bad
        name: Sexual content with children
        image_allowed: true
        generate_allowed: false
        review_blur: false
        blocked: false
        children:
          - {id: below, name: Below, generate_allowed: true}
"""


def test_a_flag_that_opens_what_is_blocked_is_a_fault_whatever_its_level(tmp_path: Path) -> None:
    found = said(tmp_path, SOUND + BLOCKED)
    assert [line.split(" opens")[0] for line in found] == [
        "19: image_allowed: true", "21: review_blur: false", "22: blocked: false", "24: generate_allowed: true",
    ]  # fmt: skip
    assert "whatever the file says" in found[0]
    shut = BLOCKED.replace("image_allowed: true", "image_allowed: false").replace(
        "generate_allowed: true", "blocked: true"
    )
    assert (
        said(
            tmp_path,
            SOUND + shut.replace("review_blur: false", "review_blur: true").replace("blocked: false", "keywords: []"),
        )
        == []
    )


def test_a_blocked_node_is_told_of_beside_other_faults(tmp_path: Path) -> None:
    found = said(tmp_path, (SOUND + BLOCKED).replace("name: Pushing", "name: 7"))
    assert [line.split(":")[0] for line in found] == ["16", "19", "21", "22", "24"]


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "1: this is no taxonomy; it begins with id, name, "),
        (b"- a\n- b\n", "1: this is no taxonomy; it begins with id, name, "),
        (b"# nothing\n\n\n", "1: this is no taxonomy"),
        (b"nodes: [a\nb: }", "2: not YAML: "),
        (b"nodes: [a\n", "1: not YAML: "),
        (b"a: b\n\n  c\n d: e: f\n", "4: not YAML: "),
        (b"a: b\n\tc: d\n", "2: not YAML: "),
        (b"name: x\n---\nname: y\n", "2: not YAML: "),
        (b"a: b\nc: \x00", "2: not YAML: a character that it does not allow, U+0000; take it out"),
        (b"a: b\nc: \xff\xfe\x00", "2: not text in UTF-8; save it in that encoding"),
        ('a: b\nc: "\\UFFFFFFFF"\n', "2: not YAML: a number out of range"),
        (b"%YAML 1." + b"1" * 5000 + b"\n---\na: b\n", "1: not YAML: a number out of range"),
        (b"!!python/object/apply:os.system [true]", "1: the tag tag:yaml.org,2002:python/object/apply:os.system is not taken"),
        (BOMB.encode(), "2: not YAML: an alias (*); write out what it stands for"),
        (b"id: &a x\n<<: *a\n", "2: not YAML: an alias (*)"),
        (b"id: x\nnodes: " + b"[" * 5000, f"2: not YAML: more than {DEEPEST} lists and fields deep"),
        (b"id: x\n" + b"? " * 5000, f"2: not YAML: more than {DEEPEST} lists and fields deep"),
        (b"a" * (MOST_BYTES + 1), "1: larger than 5,000,000 bytes; a taxonomy is far smaller"),
    ],
    ids=range(18),
)  # fmt: skip
def test_a_file_that_is_no_taxonomy_is_told_in_a_line(data: bytes, fault: str, tmp_path: Path) -> None:
    assert said(tmp_path, data)[0].startswith(fault)
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "mine.yaml"))):
        taxonomy.load(str(tmp_path / "mine.yaml"))


def test_a_file_that_cannot_be_read_is_a_fault_too(tmp_path: Path) -> None:
    (found,) = faults(tmp_path / "gone.yaml")
    assert found == f"{tmp_path}/gone.yaml:1: cannot be read: No such file or directory; give the path of a YAML file"
    (found,) = faults(tmp_path)
    assert "Is a directory" in found


def test_a_taxonomy_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such taxonomy: .*/nosuch\.yaml; there are .*spa_vl"):
        taxonomy.load("nosuch")
    with pytest.raises(UserError, match=r"no such taxonomy: .*/gone\.yaml"):
        taxonomy.load(str(tmp_path / "gone.yaml"))
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(UserError, match=r"cannot read .*/folder\.yaml: Is a directory"):
        taxonomy.load(str(tmp_path / "folder.yaml"))


FIELDS = st.sampled_from(
    ["id", "name", "version", "source", "licence", "levels", "nodes", "children", "aliases", "definition", "keywords",
     "image_allowed", "generate_allowed", "review_blur", "blocked", "maps_to", "ailuminate", "nmae", "{braces}"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text() | FIELDS
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.sampled_from(["Sexual content with a child", "hte"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS | st.text(max_size=3), inner, max_size=6),
    max_leaves=30,
)
often = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def check_lines(folder: Path, data: bytes) -> None:
    """Whatever the file holds, its faults are lines that name one of its own."""
    last = len(re.split(r"\r\n|\r|\n", data.decode("utf-8", errors="replace")))
    for line in said(folder, data):
        number, _, text = line.partition(": ")
        assert 1 <= int(number) <= last
        assert text
        assert "".join(c for c in text if c.isprintable()) == text


@often
@given(st.binary())
@example(b"\xff")
@example(b"a: [\r")
@example(b'"\\ud800": "\\udfff"')
@example(b"nodes: [{id: a, name: b, id: c}]\n\n\n")
def test_noise_is_never_an_exception(tmp_path: Path, data: bytes) -> None:
    check_lines(tmp_path, data)


@often
@given(st.text(st.sampled_from("abid:[]{}&*!|>-? \n\t'\"#%@,0\u2028\x85\\uU")))
def test_what_looks_like_yaml_is_never_an_exception(tmp_path: Path, text: str) -> None:
    check_lines(tmp_path, text.encode())


@often
@given(VALUES)
def test_any_structure_is_never_an_exception(tmp_path: Path, value: object) -> None:
    check_lines(tmp_path, yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode("utf-8", "replace"))


@often
@given(st.sampled_from(["nodes", "levels", "id", "name", "version", "source", "licence"]), VALUES)
def test_a_taxonomy_with_any_one_value_changed_is_never_an_exception(tmp_path: Path, field: str, value: object) -> None:
    text = yaml.safe_dump(small() | {field: value}, sort_keys=False)
    check_lines(tmp_path, text.encode("utf-8", "replace"))


@often
@given(st.integers(0, 2), FIELDS, VALUES)
def test_a_node_with_any_one_value_changed_is_never_an_exception(
    tmp_path: Path, level: int, field: str, value: object
) -> None:
    tree = small()
    first(tree, level)[field] = value
    check_lines(tmp_path, yaml.safe_dump(tree, sort_keys=False).encode("utf-8", "replace"))


def without_name(tree: Tree) -> None:
    del first(tree, 2)["name"]


def without_nodes(tree: Tree) -> None:
    tree["nodes"] = []


@pytest.mark.parametrize("change", [without_name, without_nodes])
def test_load_takes_nothing_that_has_a_fault(change: Callable[[Tree], None], tmp_path: Path) -> None:
    tree = small()
    change(tree)
    path = written(tmp_path, tree)
    with pytest.raises(UserError, match=re.escape(faults(path)[0])):
        taxonomy.load(str(path))
