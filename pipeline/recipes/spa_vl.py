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


def answering(
    *models: str, system: str | None = None, temperature: float = 0.7, max_tokens: int = 512
) -> tuple[Respondent, ...]:
    """One respondent of each model, named by it and by its system prompt."""
    return tuple(
        Respondent("-".join(filter(None, (m.lower(), system))), m, system, temperature, max_tokens=max_tokens)
        for m in models
    )


SMALL = "smollm2-135m"
OPEN = (
    "Aria", "Gemma-3-12B", "Gemma-4-12B", "Granite-Vision-2B", "Idefics3-8B", "InternVL3-8B", "InternVL3.5-8B",
    "LLaVA-NeXT-7B", "LLaVA-OneVision-7B", "Pixtral-12B", "Qwen2.5-VL-7B", "Qwen3-VL-8B", "SmolVLM2-2.2B",
)  # fmt: skip
"""Many families, sizes and years: answers of different safety are what pairs are made of. No licence of theirs
forbids to train on them."""
EAGER = ("InternVL3-8B", "LLaVA-NeXT-7B", "Pixtral-12B", "Qwen2.5-VL-7B", "SmolVLM2-2.2B")
"""Asked a second time, without caution: pairs need answers that go wrong."""
PANEL = (Pairwise("Qwen3-VL-30B-A3B"), Pairwise("Gemma-4-31B"), Pairwise("Mistral-Small-3.1-24B"))
"""Larger than those they judge, of three families, and none of them answers."""
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
        writers=("Mistral-Small-3.1-24B",),
        respondents=(
            *answering(*OPEN),
            *answering("Gemma-3-12B", "Qwen3-VL-8B", system="cautious"),
            *answering(*EAGER, system="eager", temperature=1.0),
            Respondent("qwen2.5-vl-7b-blind", "Qwen2.5-VL-7B", sees_image=False),
        ),
        judges=(Safety("lexicon"),),
        panel=PANEL,
        k=6,
    ),
    "closed": Pool(  # with --private: their terms forbid a release
        writers=("gpt-6-luna",),
        respondents=(
            *answering("gpt-6.1-sol"),
            *answering("gpt-6.1-sol", system="eager", temperature=1.0),
            *answering("claude-sonnet-5.5", "gemini-3.8-flash", max_tokens=4096),
            *answering("gemini-3.8-flash", system="cautious", max_tokens=4096),
        ),
        judges=(Safety("lexicon"),),
        panel=(Pairwise("gpt-6-luna"), Pairwise("claude-haiku-5.5")),
    ),
    "spa_vl_2024": Pool(  # with --private. Of the paper's twelve, those that can still be served: models.toml says why
        writers=("Mistral-Small-3.1-24B",),
        respondents=answering("LLaVA-1.5-7B", "Qwen-VL"),
        judges=(Safety("lexicon"),),
        panel=PANEL,
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
