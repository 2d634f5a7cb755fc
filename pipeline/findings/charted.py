"""The findings as charts, for the report and the card: SVG text, or nothing where there is nothing to draw."""

from pipeline import charts
from pipeline.charts import Bars, Cell, Dot
from pipeline.findings import Tables, agreement, answers, pairs
from pipeline.findings.answers import Rate
from pipeline.findings.classes import categories

FEW = 20
"""Items below which a rate is drawn faintly: its 95 % interval is wider than 0.2 to either side."""
WIDEST = 40
"""Rows or columns of a chart, at most."""


def safe_rates(tables: Tables) -> str:
    """Each respondent's, over all categories."""
    rows = [
        Dot(r.respondent, r.safe, r.low, r.high, f"of {r.answers:,}; {100 * r.refused:.0f} % refusals")
        for r in answers.safe_rates(tables)[0][:WIDEST]
    ]
    return charts.dots("Share of each respondent's answers that are safe, with its 95 % interval", rows) if rows else ""


def safe_by_class(tables: Tables) -> str:
    """Category x respondent."""
    together, apart = answers.safe_rates(tables)
    respondents, named = answers.names(together)[:WIDEST], categories(tables)
    cells = {(r.category, r.respondent): r for r in apart}
    rows = sorted({r.category for r in apart}, key=lambda c: (not c, named.get(c, c)))
    grid = [[_rate(cells.get((c, r)), named.get(c, c)) for r in respondents] for c in rows]
    title = "Share of answers that are safe, by category and respondent"
    return charts.heat(title, [named.get(c, c) for c in rows], respondents, grid) if rows != [""] and rows else ""


def _rate(rate: Rate | None, category: str) -> Cell | None:
    if rate is None:
        return None
    told = (
        f"{rate.respondent}, {category}: {100 * rate.safe:.0f} % of {rate.answers:,} safe "
        f"(95 %: {100 * rate.low:.0f} to {100 * rate.high:.0f} %), {100 * rate.refused:.0f} % refusals"
    )
    return Cell(rate.safe, f"{100 * rate.safe:.0f} %", told, faint=rate.answers < FEW)


def scores(tables: Tables) -> str:
    """Respondent x criterion."""
    cells = {(s.respondent, s.criterion): s for s in answers.scores(tables)}
    respondents = sorted({r for r, _ in cells})[:WIDEST]
    criteria = sorted({c for _, c in cells})
    grid = [
        [
            Cell(s.mean, f"{s.mean:.2f}", f"{r}, {c}: {s.mean:.3f} of the scale, over {s.answers:,} answers", faint=s.answers < FEW)
            if (s := cells.get((r, c)))
            else None
            for c in criteria
        ]
        for r in respondents
    ]  # fmt: skip
    title = "Mean score of each respondent by criterion, as a share of the scale"
    return charts.heat(title, respondents, criteria, grid) if grid else ""


def leanings(tables: Tables) -> str:
    """Where order, length or family sways a judge; 50 % is fair."""
    if "judge_report" not in tables:
        return ""
    rows = [
        Dot(agreement.voice(j["judge"], j["criterion"]), j[f"{rate}_rate"], j[f"{rate}_low"], j[f"{rate}_high"], what)
        for j in tables["judge_report"].collect().iter_rows(named=True)
        for rate, what in (
            ("first", "for the first shown"),
            ("longer", "for the longer"),
            ("own", "for its own family's"),
        )
        if j[f"{rate}_rate"] is not None
    ][:WIDEST]
    return charts.dots("How often each judge prefers the first, the longer, its own", rows, half=True) if rows else ""


def agreements(tables: Tables) -> str:
    """Rater x rater."""
    cells = {}
    for p in agreement.pairs(tables):
        told = f"{p.one} and {p.other}: the same of two in {p.same:,} of {p.items:,} pairs, ties aside"
        cell = Cell(p.same / p.items, f"{100 * p.same / p.items:.0f} %", told, faint=p.items < FEW)
        cells[p.one, p.other] = cells[p.other, p.one] = cell
    raters = sorted({r for r, _ in cells})[:WIDEST]
    grid = [[cells.get((one, other)) for other in raters] for one in raters]
    return charts.heat("How often two raters prefer the same of two answers", raters, raters, grid) if grid else ""


def strengths(tables: Tables) -> str:
    """How far apart chosen and rejected lie."""
    if (shape := pairs.shape(tables)) is None:
        return ""
    edges = [f"{edge:g}" for edge in pairs.STRENGTHS]
    return charts.histogram("Quadruples by strength", edges, [Bars("quadruples", shape.strength)], "strength, up to 3")


def lengths(tables: Tables) -> str:
    """Chosen beside rejected."""
    if (shape := pairs.shape(tables)) is None:
        return ""
    edges = [*(f"{edge:,}" for edge in pairs.LENGTHS), "…"]
    series = [Bars("chosen", shape.chosen), Bars("rejected", shape.rejected)]
    return charts.histogram("Answers by length", edges, series, "characters")
