"""Charts: what is drawn is what was given, and nothing in it does anything."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from pipeline import charts
from pipeline.charts import Bars, Cell, Dot

TEXT = st.text(max_size=60)
SHARE = st.floats(0, 1)
SVG = "{http://www.w3.org/2000/svg}"


def read(svg: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter())  # noqa: S314 -- our own


@given(TEXT, st.lists(TEXT, min_size=1, max_size=3), SHARE, TEXT)
def test_whatever_things_are_called_a_chart_is_well_formed(
    title: str, names: list[str], share: float, told: str
) -> None:
    cell = Cell(share, told, told)
    for svg in (
        charts.heat(title, names, names, [[cell] * len(names)] * len(names)),
        charts.dots(title, [Dot(name, share, share, share, told) for name in names]),
        charts.histogram(title, ["0", told], [Bars(name, [3]) for name in names], told),
        charts.bar(title, 1, 2),
    ):
        for text in (svg, charts.alone(svg)):
            assert {e.tag.removeprefix(SVG) for e in read(text)} <= {"svg", "style", "rect", "line", "circle", "text", "title"}  # fmt: skip


def test_a_bar_is_as_long_as_the_share_that_was_kept() -> None:
    lost, kept = read(charts.bar("", 1, 3))[1:]
    assert (lost.get("width"), kept.get("width")) == ("100", "25.00")
    assert read(charts.bar("", 0, 0))[2].get("width") == "0.00"


def test_columns_are_as_high_as_their_counts() -> None:
    svg = read(charts.histogram("", ["0", "1", "2", "3"], [Bars("n", [10, 5, 0])], ""))
    heights = [float(e.get("height", "0")) for e in svg if e.tag == f"{SVG}rect"]
    assert heights == [130.0, 65.0, 0.0]
    assert [e.text for e in svg if e.tag == f"{SVG}text"][:2] == ["10", "5"]


def test_a_dot_lies_between_the_ends_of_its_whisker() -> None:
    svg = read(charts.dots("", [Dot("n", 0.5, 0.25, 1.0, "")]))
    whisker = next(e for e in svg if e.get("class") == "whisker")
    mark = next(e for e in svg if e.get("class") == "mark")
    low, high, at = float(whisker.get("x1", "")), float(whisker.get("x2", "")), float(mark.get("cx", ""))
    assert (at - low) / (high - low) == (0.5 - 0.25) / 0.75


def test_colour_goes_from_bad_to_good_and_ink_can_be_read_on_it() -> None:
    svg = charts.heat("", ["a", "b", "c"], ["x"], [[Cell(0, "0", "")], [Cell(0.5, "5", "")], [Cell(1, "1", "")]])
    colours = [e.get("fill", "") for e in read(svg) if e.tag == f"{SVG}rect"]
    assert colours == ["#b24a3a", "#e8ce96", "#2f7d78"]
    assert [e.get("class") for e in read(svg) if e.text in ("0", "5", "1")] == ["ondark", "onlight", "ondark"]


def test_nothing_is_drawn_where_nothing_is_known() -> None:
    svg = charts.heat("", ["a"], ["x", "y"], [[None, Cell(1, "1", "")]])
    assert [e.get("class") for e in read(svg) if e.tag == f"{SVG}rect"] == ["empty", None]
