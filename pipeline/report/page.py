"""The page, filled."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from pipeline import charts
from pipeline.doors.blobs import Blobs
from pipeline.findings import Tables, agreement, charted, classes, pairs, people, spending
from pipeline.models import Catalogue
from pipeline.report.samples import samples
from pipeline.workspace import Made

_HERE = Path(__file__).parent
SAMPLES = 8
CHARTS = ("safe_rates", "safe_by_class", "scores", "leanings", "agreements", "strengths", "lengths")
ASIDE = ("Shortfall", "SafeRate", "JudgeReport", "QueueItem", "Risk", "LabelError")
"""Rows that tell of the line, and are not on it."""
LINE = ("collect", "question", "sample", "judge", "settle", "review", "pair")


_UNSEEN = dict.fromkeys(
    [*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd"
)
"""Characters that only machines see, or that turn the words around them."""


@dataclass(frozen=True)
class Head:
    """What is said of the run before anything is counted."""

    run: str
    recipe: str
    pool: str
    private: bool
    version: str
    """Of Tetrad."""
    at: str
    """When the newest table was made: UTC, in words."""
    withheld: tuple[str, ...] = ()
    """Images that were flagged as illegal in a review, of this run or another."""


@dataclass(frozen=True)
class Step:
    """A number on the way from images to quadruples."""

    name: str
    rows: int
    ratio: str
    """Beside the step before."""


def page(head: Head, tables: Tables, made: Sequence[Made], images: Blobs, models: Catalogue) -> str:
    """The report as HTML. The same tables give the same text."""
    last = list({m.name: m for m in made}.values())
    last.sort(key=lambda m: m.number)
    style = (_HERE / "page.css").read_text(encoding="utf-8") + charts.PALETTE
    html = _template().render(
        head=head,
        stamp=stamp(head, made, models),
        style=Markup(style),  # noqa: S704 -- our own
        policy=_policy(style),
        steps=steps(last),
        stages=[
            (stage, [m for m in last if m.stage == stage]) for stage in LINE if any(m.stage == stage for m in last)
        ],
        aside=ASIDE,
        made={m.name: m for m in last},
        owed=sum(m.owed for m in last),
        bar=lambda m: Markup(charts.bar(f"{m.kept} of {m.considered} kept", m.kept, m.considered - m.kept)),  # noqa: S704
        coverage=classes.coverage(tables),
        shade=lambda n, most: round(9 * (n / most) ** 0.5) if most else 0,
        judges=tables["judge_report"].collect().to_dicts() if "judge_report" in tables else [],
        agreements=agreement.agreements(tables),
        shape=pairs.shape(tables),
        charts={name: Markup(getattr(charted, name)(tables)) for name in CHARTS},  # noqa: S704 -- they escape what they print
        review=people.review(tables),
        errors=people.errors(tables),
        spent=spending.spending(last, models),
        samples=samples(tables, images, SAMPLES, head.withheld),
    )
    return html.translate(_UNSEEN)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    return environment.get_template("page.html.jinja")


def stamp(head: Head, made: Sequence[Made], models: Catalogue) -> str:
    """What a report is made from, hashed: its tables, prices and code. It stands in the report's head."""
    digest = hashlib.sha256(
        f"{head} {[(m.sha256, m.seconds) for m in made]} {spending.spending(made, models)}".encode()
    )
    for path in sorted([Path(charts.__file__), *_HERE.glob("*.*"), *Path(classes.__file__).parent.glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _policy(style: str) -> str:
    """What the page may do: show itself, by this style sheet alone. Nothing runs, nothing loads."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def steps(made: Sequence[Made]) -> list[Step]:
    """From what is listed to quadruples, as far as the run went."""
    pages = {m.name: m for m in made}
    ways = (
        ("listed", "wanted", "considered"), ("images", "images", "kept"), ("selected", "selected", "kept"),
        ("prompts given", "given", "kept"), ("prompts", "prompts", "kept"), ("responses", "responses", "kept"),
        ("pairs", "candidates", "kept"), ("pairs", "finals", "kept"), ("quadruples", "quadruples", "kept"),
    )  # fmt: skip
    found: list[Step] = []
    for name, table, what in ways:
        if table in pages:
            rows = int(getattr(pages[table], what))
            before = found[-1].rows if found else 0
            share = f"{100 * rows / before:.0f} %" if before else ""
            times = f"\N{MULTIPLICATION SIGN} {rows / before:.1f}" if before else ""
            found.append(Step(name, rows, times if rows > before else share))
    return found
