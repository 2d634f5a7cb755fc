"""The row types: the contract between stages. Every column is documented by the docstring under its field.

Rows guard the edges; in between, tables are Polars frames with exactly the row type's columns.
"""

import hashlib
import random
import types
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar, Union, get_args, get_origin

import polars as pl
from pydantic import model_validator

from pipeline.requests import Record


def row_id(*parts: object) -> str:
    """16 hexadecimal digits that name a row by what it is made from."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:16]


def chance(*parts: object) -> random.Random:
    """A generator of its own for each row: adding a row never redraws another's luck."""
    return random.Random(int(row_id(*parts), 16))  # noqa: S311 -- sampling, not secrets


class Row(Record):
    """One row of a table."""

    @classmethod
    def columns(cls) -> dict[str, pl.DataType]:
        """Column name to Polars type, in the order of the fields."""
        return {name: _polars(info.annotation) for name, info in cls.model_fields.items()}


_SCALARS: dict[object, pl.DataType] = {str: pl.String(), int: pl.Int64(), float: pl.Float64(), bool: pl.Boolean()}


def _polars(annotation: object) -> pl.DataType:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    arguments = [a for a in get_args(annotation) if a not in (types.NoneType, Ellipsis)]
    if get_origin(annotation) is tuple:
        return pl.List(_polars(arguments[0]))
    if get_origin(annotation) is Literal:
        return _polars(type(arguments[0]))
    if get_origin(annotation) in (Union, types.UnionType) and len(arguments) == 1:
        return _polars(arguments[0])
    raise TypeError(f"no column type for {annotation}")


class Listed(Row):
    """An image a source offers, before its bytes are fetched."""

    source: str
    """The source's name."""
    key: str
    """Unique within the source; like a file name."""
    place: str | None = None
    """Where in the source the bytes lie, in the source's own words; null: the key or the URL says it."""
    subcategory: str | None
    """What the source calls its class: an id, a name or an alias in the taxonomy."""
    url: str | None
    """Where the bytes came from."""
    page_url: str | None
    """The page that shows it."""
    creator: str | None
    """Who made it."""
    licence: str | None
    """SPDX id."""
    attribution: str | None
    """The line to print beside the image."""
    caption: str | None
    """A text that came with the image."""
    text: str | None = None
    """Words that were drawn into it on purpose, where they are known."""


class Wanted(Listed):
    """A listed image that is to be fetched."""

    id: str
    """Hash of source, revision and key."""
    revision: str
    """Of the source, when it was listed."""
    keyword: str | None
    """The subcategory's keyword that it was found by."""
    similarity: float | None
    """Cosine of its embedding and the keyword's, -1 to 1."""


class Image(Row):
    """An image that passed every check, rebuilt from its pixels."""

    id: str
    """SHA-256 of the rebuilt bytes: their name in the workspace's `images/`. Of an image that was never fetched, of its address."""
    source: str
    """The source's name."""
    key: str
    """Its key in the source."""
    revision: str
    """Of the source, when it was listed."""
    subcategory: str | None
    """Id in the taxonomy; null while it has still to be found by what the image shows."""
    keyword: str | None
    """The subcategory's keyword that it was found by."""
    similarity: float | None
    """Cosine of its embedding and the keyword's, -1 to 1."""
    group: str
    """`Image.id` of the picture that stands for all its near-duplicates: the same for them in every table and split."""
    fingerprint: str
    """Perceptual hash, in hexadecimal digits: what near-duplicates are found by."""
    width: int
    """Pixels; 0: it was never fetched."""
    height: int
    """Pixels."""
    original_sha256: str
    """SHA-256 of the bytes as fetched; empty: it never was."""
    changes: tuple[str, ...]
    """What was done to the original: turned, converted, scaled, re-encoded."""
    retrieved_at: str | None
    """When it was downloaded: UTC, ISO 8601. Null: it was on this machine already."""
    manners: str | None
    """What its site said of robots and mining when it was downloaded."""
    url: str | None
    """Where the bytes came from."""
    page_url: str | None
    """The page that shows it."""
    creator: str | None
    """Who made it."""
    licence: str | None
    """SPDX id."""
    attribution: str | None
    """The line to print beside the image."""
    caption: str | None
    """A text that came with the image."""
    text: str | None
    """Words that were drawn into it on purpose, where they are known."""


Safety = Literal["refusal", "safe", "unsafe"]
"""Of a response; `refusal` is a safe one that declines."""
Severity = Literal["none", "minor", "moderate", "severe"]
"""How much harm an image shows."""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


class Description(Row):
    """What one model says of an image, in one respect."""

    id: str
    """Hash of image, model, aspect and request."""
    image: str
    """`Image.id`."""
    model: str
    """Its name in models.toml."""
    aspect: Literal["text", "caption", "severity"]
    """The words in the picture (OCR); what it shows; how much harm it shows."""
    text: str | None
    """The words, or the caption; null where there are none."""
    share: float | None
    """Of the image's area, what the words cover: 0 to 1."""
    severity: Severity | None
    """For the aspect severity."""
    request_id: str
    """The kept reply it was read from."""
    error: str | None
    """Why it says nothing."""


class Shortfall(Row):
    """A subcategory (and kind of prompt) of which there are fewer than wanted."""

    id: str
    """Hash of table, subcategory and kind."""
    table: Literal["images", "prompts"]
    """Of what."""
    subcategory: str
    """Id in the taxonomy."""
    kind: str | None
    """`Prompt.kind`; null for images."""
    wanted: int
    """The target."""
    found: int
    """How many there are."""
    why: tuple[str, ...]
    """What became of the others, the commonest first: "12 too small"."""


Kind = Literal["easy_question", "hard_question", "hard_statement", "benign_twin", "typographic", "given"]
Harm = Literal["benign", "borderline", "harmful"]


class Prompt(Row):
    """What a model is asked: a question on an image (or, for text-only recipes, alone)."""

    id: str
    """Hash of image, kind and text."""
    image: str | None
    """`Image.id`."""
    question: str
    """The text."""
    kind: Kind
    """An easy question; a harder question or statement made from it; a harmless one on the same image; one whose harm is in
    the words drawn into the image; or given by somebody else."""
    domain: str | None
    """Id in the taxonomy."""
    category: str | None
    """Id in the taxonomy."""
    subcategory: str | None
    """Id in the taxonomy."""
    language: str
    """ISO 639-1 code."""
    harm: Harm | None
    """What is to be expected of the prompt itself, before anybody answers: whether it asks for harm."""
    harm_by: str | None
    """Who says so: a model's name in models.toml, or `kind`: what its writer was told to write."""
    writer: str
    """The model that wrote it; `fallback` (hand-written, because the writer failed); `hand` (hand-written, as all of its
    kind); or the source it was given by."""
    template: str | None
    """Name and hash of the template the writer was asked with."""
    parent_id: str | None
    """The easy question that a hard one was made from."""
    request_id: str | None
    """The kept reply it was read from."""
    note: str | None
    """Why the fallback was used, and what gates could not tell."""


class Response(Row):
    """A candidate answer."""

    id: str
    """Hash of prompt, respondent and request; and of its place, where one reply holds several answers."""
    prompt_id: str
    """`Prompt.id`."""
    respondent: str
    """A model and how it was asked: a name in the recipe's pool."""
    model: str
    """Its name in models.toml."""
    method: Literal["direct", "blind", "verbalized", "negatively_correlated"]
    """How it was sampled: one answer a reply, or one without the prompt's image; several answers in one reply, with their
    probabilities, or of diverse values."""
    number: int
    """Which of the respondent's answers to the prompt it is, from 0."""
    probability: float | None
    """As the model stated it for a verbalized answer, 0 to 1; null where it stated none that can be."""
    system: str | None
    """Name and hash of the template of its system prompt (of a principle: of the wording that was drawn), and of the sampler's:
    "sample/honesty/2@5b1c2d3e sample/verbalized@0f9e8d7c"."""
    text: str | None
    """Null when there is no answer: `error` says why."""
    reasoning: str | None
    """A reasoning trace, when the model gave one apart; several answers of one reply share it."""
    finish: Literal["stop", "length", "refusal"] | None
    """`length`: cut off at the token limit; `refusal`: the provider marked it as one."""
    tokens: int | None
    """Length of the reply in the model's tokens, when the backend counts them; null where it holds several answers."""
    request_id: str
    """The kept reply it was read from."""
    error: str | None
    """Why there is no text."""


class Judgment(Row):
    """One judge's score for one response on one criterion."""

    id: str
    """Hash of response, judge, criterion and request."""
    prompt_id: str
    """`Prompt.id`."""
    response_id: str
    """`Response.id`."""
    judge: str
    """The judge's name."""
    model: str
    """Its name in models.toml."""
    criterion: str
    """safety, likelihood, helpfulness, honesty, ..."""
    score: float | None
    """Higher is better; null when the judge gave none: `error` says why."""
    low: float | None
    """The scale's lower end; null where it has none (log-probabilities)."""
    high: float | None
    """The scale's upper end."""
    label: Safety | None
    """For the criterion safety: `refusal` is a safe answer that declines."""
    refusal: Literal["full", "partial", "none"] | None = None
    """For the criterion safety: how much of what was asked the answer declines; null where the judge does not say."""
    categories: tuple[str, ...] = ()
    """For the criterion safety: what an unsafe answer is unsafe by, as ids of the taxonomy `llama_guard_4`; what has no
    counterpart there as `family:its_own_words`."""
    request_id: str
    """The kept reply it was read from."""
    instead_of: str | None = None
    """The judge that refused to say, in whose place this one was asked."""
    error: str | None
    """Why there is no score: judge_refused, no_verdict, off_scale, contradiction, cut_off, or a failure's word."""


class SafeRate(Row):
    """How often a respondent's answers are safe in a category."""

    id: str
    """Hash of respondent and category."""
    respondent: str
    """A name in the recipe's pool."""
    category: str | None
    """Id in the taxonomy; null for prompts without a class."""
    answers: int
    """Its responses there that have a label."""
    safe_rate: float
    """Share of them that are safe or refusals, 0 to 1; where judges differ, a response counts by its share of labels."""
    refusal_rate: float
    """Share of them that are refusals, likewise."""
    low: float
    """Lower end of the safe rate's 95 % interval (Wilson)."""
    high: float
    """Upper end."""


class Candidate(Row):
    """Two responses of one prompt worth comparing; `a_id` < `b_id`."""

    id: str
    """Hash of the prompt and both responses."""
    prompt_id: str
    """`Prompt.id`."""
    a_id: str
    """`Response.id`."""
    b_id: str
    """`Response.id`."""


class Comparison(Row):
    """One judge's preference between two responses, in one order of showing them."""

    id: str
    """Hash of candidate, judge, order and request."""
    candidate_id: str
    """`Candidate.id`."""
    prompt_id: str
    """`Prompt.id`."""
    a_id: str
    """`Response.id`."""
    b_id: str
    """`Response.id`."""
    judge: str
    """The judge's name."""
    model: str
    """Its name in models.toml."""
    criterion: str = "overall"
    """By what they were compared: overall, helpfulness, harmlessness, ..."""
    first: Literal["a", "b"]
    """Which of the two was shown first."""
    strength: float | None
    """-3 to 3; above zero prefers a. Null when the judge gave no verdict."""
    request_id: str
    """The kept reply it was read from."""
    instead_of: str | None = None
    """The judge that refused to say, in whose place this one was asked."""
    error: str | None
    """Why there is no verdict; the words are those of `Judgment.error`."""


class JudgeReport(Row):
    """How one judge judged by one criterion. Rates are shares of 0 to 1, null where nothing was counted; `_low` and `_high` are
    the ends of Wilson's 95 % interval."""

    judge: str
    """The judge's name."""
    model: str
    """Its name in models.toml."""
    criterion: str
    """By what it judged."""
    calls: int
    """Requests whose replies were read."""
    refusal_rate: float | None
    """Of the calls, those that the judge or its provider refused."""
    unreadable_rate: float | None
    """Of the calls, those with a reply that states no verdict, or none that was on offer."""
    failure_rate: float | None
    """Of the calls, those without a reply: timeouts, server errors, ..."""
    order_consistency: float | None
    """Of the pairs read in both orders, those with the same side (or a tie) in both."""
    first_rate: float | None
    """Of the comparisons that prefer one, those that prefer what was shown first; 0.5 is fair, if pairs are asked in both
    orders, or in an order drawn by chance."""
    first_low: float | None
    """Lower end of the interval of `first_rate`."""
    first_high: float | None
    """Upper end."""
    longer_rate: float | None
    """Of the pairs of unequal length in which one is preferred, those that prefer the longer (characters)."""
    longer_low: float | None
    """Lower end of the interval of `longer_rate`."""
    longer_high: float | None
    """Upper end."""
    own_rate: float | None
    """Of the pairs with one response of the judge's own family of models in which one is preferred, those that prefer its own.
    A family is the letters that a model's name begins with: Qwen2.5-VL-7B and Qwen3-VL-8B are both qwen."""
    own_low: float | None
    """Lower end of the interval of `own_rate`."""
    own_high: float | None
    """Upper end."""
    own_rate_by_others: float | None
    """The same of the judges of other families, on the same pairs: what is above it is self-preference."""
    settled: int
    """Candidates on both of whose responses it gave a verdict."""
    calls_per_settled: float | None
    """Of all its calls, whatever the criterion."""
    cost_per_settled: float | None
    """In the currency of the prices; null where none is known."""


class Decision(Row):
    """What a person decided by one criterion: which of two responses is preferred, or what one response is."""

    id: str
    """Any name that is the decision's own."""
    candidate_id: str | None = None
    """`Candidate.id`, where two responses were compared."""
    response_id: str | None = None
    """`Response.id`, where one was labelled."""
    reviewer: str
    """A pseudonym."""
    role: Literal["reviewer", "adjudicator"] = "reviewer"
    """An adjudicator's word settles it: reviewers' words on the same thing count no more."""
    criterion: str = "overall"
    """By what: overall, harmlessness, helpfulness, faithfulness; of one response: safety."""
    strength: float | None = None
    """Of two: -3 to 3; above zero prefers a; 0 is a tie."""
    label: Safety | None = None
    """Of one: `refusal` is a safe answer that declines."""
    category: str | None = None
    """What an unsafe response is unsafe by: an id in the taxonomy."""
    severity: Severity | None = None
    """How much harm the response does."""
    reasons: tuple[str, ...] = ()
    """Tags that the reviewer chose."""
    note: str | None = None
    """In the reviewer's words."""
    decided_at: str
    """UTC, ISO 8601."""

    @model_validator(mode="after")
    def _of_one_thing(self) -> Self:
        if (self.candidate_id is None) == (self.response_id is None):
            raise ValueError("it names a candidate_id or a response_id, and not both")
        if self.candidate_id is not None and self.strength is None:
            raise ValueError("of a pair it needs a strength")
        if self.response_id is not None and (self.label is None or self.criterion != "safety"):
            raise ValueError("of a response it needs a label, by the criterion safety")
        if self.strength is not None and not -3 <= self.strength <= 3:
            raise ValueError("strength lies outside -3 to 3")
        return self


class Risk(Row):
    """How likely what was settled without people is wrong, of a pair's preference or of a response's safety label; and how much
    that would matter."""

    id: str
    """Hash of the pair or the response."""
    candidate_id: str | None
    """`Candidate.id`, of a preference."""
    response_id: str | None
    """`Response.id`, of a label."""
    stratum: str
    """Category and kind of the prompt: what the audit is drawn from apart."""
    audit: bool
    """Whether chance drew it, or a pair with this response, for the audit: what people say of it teaches nothing."""
    share: float
    """The chance by which it was drawn or not, 0 to 1."""
    wrong: float
    """The chance that it is wrong, 0 to 1: of a preference, that people prefer the other or neither; of a label, that it is
    unsafe and called safe, or the other way round."""
    matters: float
    """1 or more: for the harm that the prompt asks for, and for a class that is rare."""
    disagreement: float
    """Of the judges, 0 to 1."""


class QueueItem(Row):
    """A pair that a person should look at, and why. A look tells of its preference and of both its responses' labels."""

    id: str
    """`Candidate.id`."""
    reason: Literal["audit", "uncertain"]
    """`audit`: drawn at random, whatever the judges said; `uncertain`: where a look changes most."""
    rank: int
    """0 is looked at first."""
    worth: float = 0.0
    """What a look may change: the chances that the preference and the two labels are wrong, each times what it matters."""
    wrong: float = 0.0
    """The chance that the preference is wrong, 0 to 1."""
    stratum: str = ""
    """Category and kind of the prompt."""
    why: tuple[str, ...] = ()
    """What makes it worth a look, in a few words each; nothing, where chance drew it."""


class LabelError(Row):
    """How much of what nobody looked at is wrong, by the audit."""

    criterion: Literal["overall", "safety"]
    """Of what: the pairs' preferences; or their safety labels, wrong if either response's is."""
    stratum: str | None
    """Category and kind of the prompt; null: of all."""
    population: int
    """Pairs with such a label."""
    reviewed: int
    """Of them, those that people decided, the audit's among them."""
    rest: int
    """Of them, those that nobody looked at."""
    audited: int
    """Of the decided, those that speak for the rest: drawn for the audit, and not such as would have been looked at anyway."""
    found: int
    """Of the audited, those that people decided otherwise."""
    passed: int = 0
    """Of the audit, those that people skipped or flagged, or left undecided before others of its order: in the bound they count as
    wrong."""
    error: float | None
    """How often a reviewer errs, 0 to 0.5, estimated from pairs that two of them saw and from those whose answer is known; null:
    not known, and taken for 0."""
    estimate: float | None
    """Share of the rest that is wrong, by the audit less what was found; null: no audit."""
    bound: float | None
    """It is at most this, with `level`; null: no audit."""
    level: float
    """0.95."""
    method: Literal["fixed size", "as it grows", "none"]
    """Whether all of the audit is decided (the bound is exact at its size), or some (it holds at every size at once)."""

    @property
    def sentence(self) -> str:
        """It, in words."""
        of = {"overall": "preferences", "safety": "pairs' safety labels"}[self.criterion]
        where = f" ({self.stratum})" if self.stratum else ""
        if not self.reviewed:
            return f"Of {self.population:,} {of}{where}, nobody has reviewed one: how many are wrong is not known."
        begun = f"Of {self.population:,} {of}{where}, {self.reviewed:,} reviewed; "
        if not self.rest:
            return begun + "none is left."
        if self.estimate is None or self.bound is None:
            return begun + "how many of the rest are wrong is not known: nothing of the audit is decided."
        known = "" if self.error is not None else ", reviewers taken at their word"
        known += f", {self.passed:,} passed over counted as wrong" if self.passed else ""
        return (
            f"{begun}in the rest an estimated {100 * self.estimate:.1f} % are wrong "
            f"({100 * self.level:.0f} % bound {100 * self.bound:.1f} %{known})."
        )

    @classmethod
    def sentences(cls, table: pl.DataFrame) -> tuple[str, ...]:
        """Of such rows, those of all strata together, in words."""
        return tuple(cls.model_validate(row).sentence for row in table.iter_rows(named=True) if row["stratum"] is None)


class Label(Row):
    """What the safety judges' labels and people's decisions on a response settle to."""

    id: str
    """Hash of the response."""
    response_id: str
    """`Response.id`."""
    prompt_id: str
    """`Prompt.id`."""
    label: Safety
    """`refusal` is a safe answer that declines."""
    unsafe: float
    """How likely it is unsafe, 0 to 1, by the recipe's method: of a majority, the share of the labels."""
    confidence: float
    """How likely `label` is right as to safe or not: the greater of `unsafe` and 1 - `unsafe`."""
    sources: tuple[str, ...]
    """Who gave a label: judges, and people as human/<pseudonym>."""
    disagreement: float
    """Share of the labels on the other side, 0 to 0.5, of those that count."""
    category: str | None
    """What it is unsafe by, if people said so: an id in the taxonomy."""
    severity: Severity | None
    """How much harm it does, if people said so."""
    reviewed: bool
    """Whether a person decided."""


class Preference(Row):
    """What all judgments, comparisons and decisions on a pair settle to, by one criterion."""

    id: str
    """Hash of candidate and criterion."""
    candidate_id: str
    """`Candidate.id`."""
    criterion: str
    """By what it was judged: helpfulness, harmlessness, ...; `overall`: the one preference that the recipe's rule makes of
    them all, and of what people decided."""
    prompt_id: str
    """`Prompt.id`."""
    a_id: str
    """`Response.id`."""
    b_id: str
    """`Response.id`."""
    strength: float | None
    """-3 to 3; above zero prefers a; null when nobody gave a verdict."""
    confidence: float | None
    """Share of the verdicts, by weight, that lie on the settled side, 0 to 1."""
    sources: tuple[str, ...]
    """Who gave a verdict: judges, and people as human/<pseudonym>."""
    disagreement: float | None
    """Standard deviation of the verdicts, in units of strength."""
    reviewed: bool
    """Whether a person decided."""


class Quadruple(Row):
    """Image, question, chosen, rejected: what is published."""

    id: str
    """Hash of the prompt and both responses, chosen first."""
    image: str | None
    """`Image.id`; the published row holds the picture itself."""
    question: str
    """What was asked."""
    chosen: str
    """The preferred response."""
    rejected: str
    """The other one: worse, which need not mean harmful."""
    domain: str | None
    """Name in the taxonomy."""
    category: str | None
    """Name in the taxonomy."""
    subcategory: str | None
    """Name in the taxonomy."""
    kind: Kind
    """See `Prompt.kind`."""
    language: str
    """ISO 639-1 code of the question."""
    harm: Harm | None
    """See `Prompt.harm`."""
    strength: float
    """Above 0, to 3: by how much chosen is preferred."""
    confidence: float
    """Share of the verdicts that lie on the settled side, 0 to 1."""
    sources: tuple[str, ...]
    """Who gave a verdict: judges, and people as human/<pseudonym>."""
    reviewed: bool
    """Whether a person decided this pair."""
    chosen_respondent: str
    """The model and how it was asked: a name in the recipe's pool."""
    rejected_respondent: str
    """Likewise."""
    chosen_model: str
    """Its name in models.toml."""
    rejected_model: str
    """Its name in models.toml."""
    chosen_safety: Safety | None
    """What most safety judges say, `unsafe` where as many say so as not; null where none did."""
    rejected_safety: Safety | None
    """Likewise."""
    rejected_is: Literal["unsafe", "worse"] | None
    """Whether the rejected response is harmful, or only worse than the chosen one; null where no judge gave it a label."""
    chosen_score: float | None
    """0 to 1: the mean of its judges' scores, as shares of their scales; null where no scale has ends."""
    rejected_score: float | None
    """Likewise."""
    licence: str | None
    """The image's, as SPDX id."""
    attribution: str | None
    """The line to print beside the image."""
    image_url: str | None
    """Where the image's bytes came from."""
    group: str | None
    """`Image.group`: rows of one group belong into one split."""
    prompt_id: str
    """`Prompt.id`."""
    preference_id: str
    """`Preference.id`."""
    chosen_id: str
    """`Response.id`."""
    rejected_id: str
    """`Response.id`."""


class Dropped(Row):
    """A row that a stage left out."""

    stage: str
    """Table it would have gone to."""
    id: str
    """The row it was made from."""
    reason: str
    """A few words; the same words for the same cause, so that they can be counted."""
    detail: str | None
    """More about it, for one who looks."""
    subcategory: str | None = None
    """Id in the taxonomy, where it is known."""


R = TypeVar("R", bound=Row)


def frame(rows: Iterable[Row | Mapping[str, Any]], row: type[Row]) -> pl.DataFrame:
    """Rows as a table with exactly the columns of `row`."""
    records = [r.model_dump() if isinstance(r, Row) else r for r in rows]
    return pl.DataFrame(records, schema=row.columns(), orient="row")


@dataclass(frozen=True)
class Outcome:
    """What a stage made: a table, what it left out, and of how many. `considered` = rows kept + rows dropped + passed over."""

    row: type[Row]
    kept: pl.DataFrame
    dropped: pl.DataFrame = field(default_factory=lambda: frame([], Dropped))
    considered: int = -1
    passed: Mapping[str, int] = field(default_factory=dict)
    """Reason to rows left out that get no row of their own: of millions listed, those never fetched. The listing holds them."""
    notes: tuple[str, ...] = ()
    """What is to be said of it: a line each."""

    def __post_init__(self) -> None:
        left_out = self.dropped.height + sum(self.passed.values())
        if self.considered < 0:
            object.__setattr__(self, "considered", self.kept.height + left_out)
        if dict(self.kept.schema) != self.row.columns():
            raise TypeError(f"a table of {self.row.__name__} has the columns {dict(self.kept.schema)}")
        if self.kept.height + left_out != self.considered:
            raise ValueError(
                f"{self.row.__name__}: {self.considered} considered, but {self.kept.height} kept and {left_out} left out"
            )


def outcome(row: type[R], rows: Iterable[R | Dropped], considered: int = -1) -> Outcome:
    """Sort rows into kept and dropped."""
    kept: list[Row] = []
    dropped: list[Row] = []
    for r in rows:
        (dropped if isinstance(r, Dropped) else kept).append(r)
    return Outcome(row, frame(kept, row), frame(dropped, Dropped), considered)


def gather(row: type[Row], parts: Iterable[Outcome]) -> Outcome:
    """Several outcomes as one, in order."""
    parts = list(parts)
    return Outcome(
        row,
        pl.concat([frame([], row), *(p.kept for p in parts)]),
        pl.concat([frame([], Dropped), *(p.dropped for p in parts)]),
        sum(p.considered for p in parts),
        dict(sum((Counter(p.passed) for p in parts), Counter())),
    )
