"""Given questions on images of a folder, six ways to ask one small captioner, contests judged by the captioner itself."""

from dataclasses import dataclass
from typing import Any

from pipeline import taxonomy
from pipeline.contests.top_and_bottom import TopAndBottom
from pipeline.judges import comparison, reading
from pipeline.requests import Chat, Message, Reply
from pipeline.run import Run
from pipeline.stages import collect, judge, question, sample, settle
from pipeline.stages.sample import Respondent
from pipeline.statistics.bradley_terry import Assumed
from pipeline.tables import Comparison, row_id

TAXONOMY = taxonomy.load("spa_vl")
TINY = "tiny-vlm"
ASKED = "Describe the image."
ROUNDS = 4


def verdict(a: str, b: str, caption: str) -> float:
    """By how many of the caption's words a says more than b: -3 to 3."""
    words = set(caption.split())
    return float(max(-3, min(3, len(words & set(a.split())) - len(words & set(b.split())))))


@dataclass(frozen=True)
class Describing:
    """Has the prompt's image described anew for every pair and order, and holds both answers against what comes."""

    name: str
    model: str
    share: float = 1.0
    criterion: str = "overall"

    def ask(self, row: dict[str, Any]) -> Chat:
        """The number makes each a request of its own."""
        return Chat(
            model=self.model, messages=(Message(role="user", text=ASKED, images=(row["image"],)),), max_tokens=24,
            number=int(row_id("number", row["candidate_id"], row["first"])[:7], 16),
        )  # fmt: skip

    def read(self, row: dict[str, Any], request_id: str, reply: Reply) -> Comparison:
        """The image's own description decides."""
        text, error = reading.said(reply)
        strength = None if error else verdict(row["a"], row["b"], text)
        return comparison(self, row, request_id, strength, error, self.criterion)


@dataclass(frozen=True)
class Pool:
    """Who answers and who judges."""

    respondents: tuple[Respondent, ...]
    judge: Describing


POOLS = {
    "tiny": Pool(
        respondents=(
            Respondent("greedy", TINY, temperature=0, max_tokens=24),
            Respondent("warm", TINY, temperature=1.0, max_tokens=24),
            Respondent("hot", TINY, temperature=1.3, max_tokens=24),
            Respondent("brief", TINY, temperature=0, max_tokens=6, may_be_cut=True),
            Respondent("terse", TINY, temperature=1.0, max_tokens=3, may_be_cut=True),
            Respondent("blind", TINY, temperature=0, max_tokens=24, sees_image=False),
        ),
        judge=Describing("describing", TINY),
    )
}


def build(run: Run[Pool]) -> None:
    """The line, as far as preferences."""
    assert run.questions
    source, asked = run.questions
    generate, panel = run.generate, (run.pool.judge,)
    wanted = run(collect.wanted, sources=run.sources, taxonomy=TAXONOMY, fetch=run.fetch, limit=run.limit)
    images = run(collect.images, wanted, sources=run.sources, fetch=run.fetch)
    prompts = run(question.given, questions=asked, source=source, images=images, taxonomy=TAXONOMY)
    responses = run(sample.responses, prompts, respondents=run.pool.respondents, generate=generate)
    judgments = run(judge.judgments, prompts, responses, judges=(), generate=generate)
    contests = run(
        judge.contests, prompts, responses, judges=panel, strategy=TopAndBottom(), generate=generate, rounds=ROUNDS
    )
    finals = run(judge.finals, contests)
    run(judge.judge_report, responses, judgments, contests, finals, generate=generate)
    run(settle.preferences, finals, judgments, contests, ratings=Assumed())
