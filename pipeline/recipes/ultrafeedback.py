"""UltraFeedback in small: given text prompts, four answers each, a rating per aspect, the best against a lower one."""

from dataclasses import dataclass

import polars as pl

from pipeline import PACKAGE
from pipeline.judges.rubric import Rubric
from pipeline.rules.max_vs_random import max_vs_random
from pipeline.run import Run
from pipeline.stages import judge, pair, question, sample, settle
from pipeline.stages.sample import Respondent

QUESTIONS = PACKAGE / "recipes" / "ultrafeedback.jsonl"
"""Our own, so that it runs as it is; put your own in a copy of this file."""
ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")


@dataclass(frozen=True)
class Pool:
    """Who answers and who rates."""

    respondents: tuple[Respondent, ...]
    rubrics: tuple[Rubric, ...]


SMALL = "smollm2-135m"
POOLS = {
    "demo": Pool(
        respondents=(
            Respondent("smollm2-plain", SMALL, "plain", temperature=0.3, max_tokens=32, may_be_cut=True),
            Respondent("smollm2-cautious", SMALL, "cautious", temperature=0.7, max_tokens=32, may_be_cut=True),
            Respondent("smollm2-eager", SMALL, "eager", temperature=1.0, max_tokens=32, may_be_cut=True),
            Respondent("smollm2-bare", SMALL, None, temperature=1.0, max_tokens=32, may_be_cut=True),
        ),
        rubrics=tuple(Rubric(SMALL, aspect) for aspect in ASPECTS),
    ),
}


def build(run: Run[Pool]) -> None:
    """The line, without images."""
    prompts = run(question.given, questions=pl.read_ndjson(QUESTIONS), source="ultrafeedback.jsonl", limit=run.limit)
    responses = run(sample.responses, prompts, respondents=run.pool.respondents, generate=run.generate)
    judgments = run(judge.judgments, prompts, responses, judges=run.pool.rubrics, generate=run.generate)
    candidates = run(judge.candidates, responses, judgments, rule=max_vs_random)
    preferences = run(settle.preferences, candidates, judgments)
    run(pair.quadruples, prompts, responses, judgments, preferences, minimum_strength=0.1)
