"""Templates: every one that ships, and what is said of those that are broken."""

import re
from pathlib import Path

import pytest

from pipeline import PROMPTS, templates
from pipeline.errors import UserError
from pipeline.writers import ASKING

SHOWN = {"subcategory", "caption", "words", "fence"}
TOLD = SHOWN | {"definition"}
ASKS = dict.fromkeys(("hard_question", "hard_statement"), SHOWN | {"question"})
PAIR = {"prefer", "question", "response_a", "response_b", "fence"}
ONE = {"rubric", "low", "high", "question", "response", "fence"}
SAFETY = {"hazards", "question", "response", "fence"}
GUARD = {"question", "response", "fence"}
LIST = {"rubric", "low", "high", "question", "answers", "fence"}
FENCED = {
    "judge/rubric": ONE, "judge/rubric_critique": ONE, "judge/pairwise": PAIR, "judge/pairwise_critique": PAIR,
    "judge/safety": SAFETY, "judge/safety_critique": SAFETY,
    "judge/guard/llava_guard": GUARD, "judge/guard/md_judge": GUARD,
    "question/same_answer": {"question", "seeing", "blind", "fence"},
    "question/on_topic": {"subcategory", "definition", "question", "words", "fence"},
    "question/harm": {"question", "words", "fence"},
}  # fmt: skip
OURS = {"fence", "rubric", "prefer", "hazards", "low", "high", "subcategory", "definition"}
"""Holes of what we wrote ourselves."""
HOLES = {
    **FENCED, "judge/listwise": LIST, "judge/listwise_critique": LIST,
    "sample/verbalized": {"number"}, "sample/verbalized_tails": {"number", "below"}, "sample/negatively_correlated": {"number"},
    **{f"question/{kind}": ASKS.get(kind, TOLD) for kind in ASKING},
}  # fmt: skip
"""Of the templates that have any."""
ALL = sorted(p.relative_to(PROMPTS).with_suffix("").as_posix() for p in PROMPTS.rglob("*.md"))


@pytest.mark.parametrize("name", ALL)
def test_every_template_has_just_the_holes_that_the_code_fills(name: str) -> None:
    holes = HOLES.get(name, set())
    template = templates.load(name, *sorted(holes))
    assert template.holes == holes
    filled = template.fill(**{hole: f"<{hole}>" for hole in holes})
    assert all(f"<{hole}>" in filled for hole in holes)
    assert filled == filled.strip() != ""
    assert "{{" not in filled
    assert template.version.startswith(f"{name}@")


def test_every_template_that_the_code_names_is_there() -> None:
    assert set(HOLES) <= set(ALL)


@pytest.mark.parametrize("name", FENCED)
def test_a_judges_template_puts_a_mark_before_and_behind_everything_untrusted(name: str) -> None:
    text = templates.load(name, *sorted(FENCED[name])).text
    marked = r"^\{\{ fence \}\} "
    for hole in FENCED[name] - OURS:
        assert re.search(rf"{marked}[\w ]+\n\{{\{{ {hole} \}}\}}\n{marked}", text, re.MULTILINE), hole


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.md").write_text("Hello {{ name }}!\n\n")
    return tmp_path


def test_a_value_is_inserted_as_it_is(folder: Path) -> None:
    template = templates.load("mine", "name", folder=folder)
    for value in ("{{ name }}", "{% raw %}", "<b>&", "\\n", "{{", "}}", "#", ""):
        assert template.fill(name=value) == f"Hello {value}!"


@pytest.mark.parametrize("values", [{}, {"name": "x", "other": "y"}, {"other": "y"}])
def test_a_value_too_few_or_too_many_is_our_mistake(folder: Path, values: dict[str, str]) -> None:
    with pytest.raises(TypeError, match=r"has the holes \['name'\]"):
        templates.load("mine", "name", folder=folder).fill(**values)


def test_a_templates_version_changes_with_its_text(tmp_path: Path) -> None:
    versions = set()
    for n, text in enumerate(("a", "b", "a")):
        folder = tmp_path / str(n)
        folder.mkdir()
        (folder / "t.md").write_text(text)
        versions.add(templates.load("t", folder=folder).version)
    assert len(versions) == 2


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "an unknown hole": ("{{ name }} {{ nam }}", "unknown hole nam; this template may use name"),
    "a missing hole": ("Hello!", "the hole name is missing"),
    "another hole": ("{{ other }}", "unknown hole other"),
    "an open brace": ("Hello {{ name", ", line 1: unexpected end of template"),
    "an open block": ("a\n{% if name %}", ", line 2: Unexpected end of template"),
    "an unknown tag": ("{% nosuch %}{{ name }}", "Encountered unknown tag 'nosuch'"),
    "an unknown filter": ("{{ name | nosuch }}", "No filter named 'nosuch'"),
    "an unknown test": ("{% if name is nosuch %}{% endif %}", "No test named 'nosuch'"),
    "an include": ("{% include 'x' %}{{ name }}", "no loader"),
    "an attribute": ("{{ name.first }}", "no attribute 'first'"),
    "a call": ("{{ name() }}", "not callable"),
    "no text": (b"\xff\xfe{{ name }}", "is not text in UTF-8"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_template_is_one_line_that_names_the_file(case: str, tmp_path: Path) -> None:
    text, words = BROKEN[case]
    (tmp_path / "mine.md").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        templates.load("mine", "name", folder=tmp_path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(tmp_path / "mine.md"))
    assert words in line


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^no such template: .*/judge/nosuch\.md$"):
        templates.load("judge/nosuch", folder=tmp_path)


def test_a_template_that_was_mended_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("{{ nam }}")
    with pytest.raises(UserError):
        templates.load("mine", "name", folder=tmp_path)
    (tmp_path / "mine.md").write_text("{{ name }}")
    assert templates.load("mine", "name", folder=tmp_path).fill(name="x") == "x"


def test_marks_differ_and_are_always_the_same() -> None:
    assert templates.fence("a") == templates.fence("a")
    marks = {templates.fence(*parts) for parts in [("a",), ("b",), ("a", "b"), ("ab",), ("a", ""), (1,), ("1",)]}
    assert len(marks) == 7
    assert all(re.fullmatch(r"#[0-9a-f]{12}", mark) for mark in marks)
