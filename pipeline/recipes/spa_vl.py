"""SPA-VL: three prompts on each image of a harm taxonomy, answers of many models, pairs from different safety groups."""

from dataclasses import dataclass

from pipeline import taxonomy
from pipeline.judges import Judge, PairJudge
from pipeline.judges.likelihood import Likelihood
from pipeline.judges.pairwise import Pairwise
from pipeline.judges.safety import Safety
from pipeline.run import Run
from pipeline.sources import Source
from pipeline.sources.drawings import Drawings
from pipeline.sources.photographs import Photographs
from pipeline.stages import collect, judge, pair, question, review, sample, settle
from pipeline.stages.judge import DifferentSafetyGroup
from pipeline.stages.sample import Respondent

TAXONOMY = taxonomy.load("spa_vl")
SOURCES: dict[str, tuple[Source, ...]] = {"demo": (Drawings(), Photographs())}


@dataclass(frozen=True)
class Pool:
    """Who writes, answers and judges."""

    writers: tuple[str, ...]
    respondents: tuple[Respondent, ...]
    judges: tuple[Judge, ...]
    panel: tuple[PairJudge, ...]
    kinds_per_image: int = 3
    k: int | None = None
    """Respondents per prompt; none: all."""


SMALL = "smollm2-135m"
POOLS = {
    "demo": Pool(
        writers=(SMALL,),
        respondents=(
            Respondent("smollm2-cautious", SMALL, "cautious", temperature=0.3, max_tokens=32),
            Respondent("smollm2-plain", SMALL, "plain", temperature=0.7, max_tokens=32),
            Respondent("smollm2-helpful", SMALL, "helpful", temperature=0.7, max_tokens=32),
            Respondent("smollm2-eager", SMALL, "eager", temperature=1.0, max_tokens=32),
        ),
        judges=(Safety("lexicon"), Likelihood(SMALL)),
        panel=(Pairwise(SMALL, share=0.15),),
        kinds_per_image=2,
        k=2,
    ),
    "open": Pool(
        writers=("Qwen2.5-VL-7B",),
        respondents=(
            Respondent("qwen2.5-vl", "Qwen2.5-VL-7B"),
            Respondent("qwen2.5-vl-cautious", "Qwen2.5-VL-7B", "cautious"),
            Respondent("qwen2.5-vl-eager", "Qwen2.5-VL-7B", "eager", temperature=1.0),
            Respondent("qwen2.5-vl-blind", "Qwen2.5-VL-7B", sees_image=False),
            Respondent("internvl3", "InternVL3-8B"),
            Respondent("internvl3-eager", "InternVL3-8B", "eager", temperature=1.0),
            Respondent("llava-1.5", "LLaVA-1.5-7B"),
            Respondent("llava-1.5-eager", "LLaVA-1.5-7B", "eager", temperature=1.0),
            Respondent("smolvlm2", "SmolVLM2-2.2B"),
            Respondent("smolvlm2-eager", "SmolVLM2-2.2B", "eager", temperature=1.0),
        ),
        judges=(Safety("lexicon"),),
        panel=(Pairwise("Qwen2.5-VL-7B"), Pairwise("InternVL3-8B")),
    ),
}


def build(run: Run[Pool]) -> None:
    """The line."""
    pool, generate = run.pool, run.generate
    images = run(collect.images, sources=run.sources, taxonomy=TAXONOMY, fetch=run.fetch, limit=run.limit)
    prompts = run(
        question.prompts,
        images,
        taxonomy=TAXONOMY,
        writers=pool.writers,
        per_image=pool.kinds_per_image,
        generate=generate,
    )
    responses = run(sample.responses, prompts, respondents=pool.respondents, k=pool.k, generate=generate)
    judgments = run(judge.judgments, prompts, responses, judges=pool.judges, generate=generate)
    candidates = run(judge.candidates, responses, judgments, rule=DifferentSafetyGroup(groups=5))
    comparisons = run(
        judge.comparisons, prompts, responses, candidates, judges=pool.panel, both_orders=True, generate=generate
    )
    first = run(settle.preferences, candidates, judgments, comparisons)
    run(review.queue, first, budget=0.1, audit=0.02)
    decisions = run(review.decisions, candidates, decide=run.decide)
    preferences = run(settle.preferences, candidates, judgments, comparisons, decisions)
    run(pair.quadruples, prompts, responses, judgments, preferences, images, taxonomy=TAXONOMY, minimum_strength=0.1)
