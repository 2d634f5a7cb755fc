"""SPA-VL: prompts on images of a harm taxonomy, answers of many models, pairs from different safety groups."""

from dataclasses import dataclass, replace
from typing import Any

from pipeline import taxonomy
from pipeline.contests.contest import Strategy
from pipeline.contests.top_and_bottom import TopAndBottom
from pipeline.gates.harm import HarmOf
from pipeline.gates.needs_image import NeedsImage
from pipeline.gates.on_topic import OnTopic
from pipeline.gates.verdicts import ModelGate
from pipeline.judges import Judge, PairJudge
from pipeline.judges.likelihood import Likelihood
from pipeline.judges.pairwise import Pairwise
from pipeline.judges.safety import Safety
from pipeline.looks import Look
from pipeline.looks.caption import Caption
from pipeline.looks.retrieval import Retrieval
from pipeline.looks.severity import SeverityJudge
from pipeline.looks.text import Text
from pipeline.rules.safety_groups import DifferentSafetyGroup
from pipeline.run import Run
from pipeline.sources import Source
from pipeline.sources.drawings import Drawings
from pipeline.sources.photographs import Photographs
from pipeline.sources.typographic import Typographic
from pipeline.stages import collect, judge, pair, question, review, sample, settle
from pipeline.stages.sample import Respondent
from pipeline.stages.settle import First, Rule
from pipeline.statistics.bradley_terry import Assumed
from pipeline.tables import Kind

TAXONOMY = taxonomy.load("spa_vl")
SOURCES: dict[str, tuple[Source, ...]] = {"demo": (Drawings(), Photographs()), "typographic": (Typographic(),)}
KINDS: tuple[Kind, ...] = ("easy_question", "hard_question", "hard_statement", "benign_twin", "typographic")
"""SPA-VL's three, a harmless one on the same image, and one on words that were drawn into it."""
IMAGES = 600
"""Of each subcategory: 53 times that is about SPA-VL's 31,086..."""
WANTED = 2 * IMAGES
"""...and so many are fetched, for not all of them will do."""


@dataclass(frozen=True)
class Pool:
    """Who looks, writes, answers and judges."""

    writers: tuple[str, ...]
    respondents: tuple[Respondent, ...]
    judges: tuple[Judge, ...]
    panel: tuple[PairJudge, ...]
    looks: tuple[Look, ...] = (Text(),)
    retrieval: Retrieval | None = None
    """Finds a place in the taxonomy for images that come without a class."""
    gates: tuple[ModelGate, ...] = ()
    harm: HarmOf | None = None
    """Who says what is to be expected of a prompt; none: its kind does."""
    kinds_per_image: int | None = None
    """None: every kind that fits it."""
    tries: int = 1
    """How often a writer is asked for a text that keeps its form."""
    k: int | None = None
    """Respondents per prompt; none: all."""
    voices: int | None = None
    """Judges of each criterion that are asked; the others stand in for those that refuse. None: all are asked."""
    rule: Rule | None = None
    """How harmlessness and helpfulness, which are judged apart, make one preference; none: they count alike."""
    strategy: Strategy | None = None
    """How responses are compared in rounds, so that the best and the worst of all are paired; none: two from different safety
    groups, as SPA-VL did."""


def answering(
    *models: str, system: str | None = None, temperature: float = 0.7, max_tokens: int = 512
) -> tuple[Respondent, ...]:
    """One respondent of each model, named by it and by its system prompt."""
    return tuple(
        Respondent("-".join(filter(None, (m.lower(), system))), m, system, temperature, max_tokens=max_tokens)
        for m in models
    )


def seeing(model: str) -> dict[str, Any]:
    """A vision-language model that describes and grades images, and looks at prompts."""
    return {
        "looks": (Text(), Caption(model), SeverityJudge(model)),
        "gates": (NeedsImage(model), OnTopic(model)),
        "harm": HarmOf(model),
        "tries": 3,
    }


SMALL = "smollm2-135m"
OPEN = (
    "Aria", "Gemma-3-12B", "Gemma-4-12B", "Granite-Vision-2B", "Idefics3-8B", "InternVL3-8B", "InternVL3.5-8B",
    "LLaVA-NeXT-7B", "LLaVA-OneVision-7B", "Pixtral-12B", "Qwen2.5-VL-7B", "Qwen3-VL-8B", "SmolVLM2-2.2B",
)  # fmt: skip
"""Many families, sizes and years: answers of different safety are what pairs are made of. No licence of theirs
forbids to train on them."""
EAGER = ("InternVL3-8B", "LLaVA-NeXT-7B", "Pixtral-12B", "Qwen2.5-VL-7B", "SmolVLM2-2.2B")
"""Asked a second time, without caution: pairs need answers that go wrong."""
BOTH = ("harmlessness", "helpfulness")


def judging(*models: str) -> tuple[Pairwise, ...]:
    """Each compares twice: by harmlessness alone, and by helpfulness alone."""
    return tuple(Pairwise(model, criterion=criterion) for criterion in BOTH for model in models)


PANEL = judging("Qwen3-VL-30B-A3B", "Gemma-4-31B", "Mistral-Small-3.1-24B")
"""Larger than those they judge, of three families, and none of them answers."""
POOLS = {
    "demo": Pool(
        writers=(SMALL,),
        respondents=(
            Respondent("smollm2-cautious", SMALL, "cautious", temperature=0.3, max_tokens=32, may_be_cut=True),
            Respondent("smollm2-plain", SMALL, "plain", temperature=0.7, max_tokens=32, may_be_cut=True),
            Respondent("smollm2-helpful", SMALL, "helpful", temperature=0.7, max_tokens=32, may_be_cut=True),
            Respondent("smollm2-eager", SMALL, "eager", temperature=1.0, max_tokens=32, may_be_cut=True),
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
        voices=2,
        rule=First(BOTH),
        k=6,
        retrieval=Retrieval("SigLIP2-So400M"),
        **seeing("Qwen3-VL-8B"),
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
        panel=judging("gpt-6-luna", "claude-haiku-5.5"),
        voices=1,
        rule=First(BOTH),
        **seeing("gpt-6-luna"),
    ),
    "spa_vl_2024": Pool(  # with --private. Of the paper's twelve, those that can still be served: models.toml says why
        writers=("Mistral-Small-3.1-24B",),
        respondents=answering("LLaVA-1.5-7B", "Qwen-VL"),
        judges=(Safety("lexicon"),),
        panel=PANEL,
        rule=First(BOTH),
        retrieval=Retrieval("CLIP-ViT-L"),
        **seeing("Mistral-Small-3.1-24B"),
    ),
}
POOLS["adaptive"] = replace(POOLS["open"], k=12, voices=1, strategy=TopAndBottom())
"""Twelve answers to each prompt, of which a quarter of all pairs are compared."""


def build(run: Run[Pool]) -> None:
    """The line."""
    pool, generate = run.pool, run.generate
    wanted = run(
        collect.wanted, sources=run.sources, taxonomy=TAXONOMY, fetch=run.fetch, generate=generate, retrieval=pool.retrieval,
        per_subcategory=WANTED, limit=run.limit,
    )  # fmt: skip
    fetched = run(collect.images, wanted, sources=run.sources, fetch=run.fetch)
    descriptions = run(collect.descriptions, fetched, looks=pool.looks, generate=generate)
    images = run(
        collect.selected, fetched, taxonomy=TAXONOMY, descriptions=descriptions, generate=generate, retrieval=pool.retrieval,
        per_subcategory=IMAGES, most_severe="moderate",
    )  # fmt: skip
    run(collect.short_images, images, wanted.dropped, fetched.dropped, images.dropped, taxonomy=TAXONOMY, target=IMAGES)
    if run.questions:
        name, asked = run.questions
        drafts = run(question.given, questions=asked, source=name, images=images, taxonomy=TAXONOMY)
    else:
        drafts = run(
            question.drafts, images, taxonomy=TAXONOMY, writers=pool.writers, generate=generate, kinds=KINDS,
            per_image=pool.kinds_per_image, descriptions=descriptions, tries=pool.tries,
        )  # fmt: skip
    prompts = run(
        question.prompts, drafts, images, taxonomy=TAXONOMY, generate=generate, gates=pool.gates, harm=pool.harm,
        benchmarks=run.benchmarks, per_cell=IMAGES,
    )  # fmt: skip
    run(question.short_prompts, prompts, drafts.dropped, prompts.dropped, taxonomy=TAXONOMY, wanted=IMAGES, kinds=KINDS)
    responses = run(sample.responses, prompts, respondents=pool.respondents, k=pool.k, generate=generate)
    judgments = run(judge.judgments, prompts, responses, judges=pool.judges, generate=generate, voices=pool.voices)
    run(sample.spread, prompts, responses, judgments, taxonomy=TAXONOMY)
    panel: Any = {"judges": pool.panel, "voices": pool.voices, "generate": generate}
    if pool.strategy:
        comparisons = run(judge.contests, prompts, responses, judgments, strategy=pool.strategy, **panel)
        candidates = run(judge.finals, comparisons)
    else:
        candidates = run(judge.candidates, responses, judgments, rule=DifferentSafetyGroup(groups=5))
        comparisons = run(judge.comparisons, prompts, responses, candidates, both_orders=True, **panel)
    run(judge.judge_report, responses, judgments, comparisons, candidates, generate=generate)
    how: Any = {"rule": pool.rule, "ratings": Assumed() if pool.strategy else None}  # then the two need never have met
    first = run(settle.preferences, candidates, judgments, comparisons, **how)
    first_labels = run(settle.labels, responses, judgments)
    decisions = run(review.decisions, candidates, responses, decide=run.decide)
    risks = run(review.risks, first, first_labels, prompts, responses, judgments, decisions, audit=0.02)
    queue = run(review.queue, first, risks=risks, decisions=decisions, budget=0.1)
    run(review.label_errors, first, first_labels, risks, decisions, decide=run.decide)
    preferences = run(settle.preferences, candidates, judgments, comparisons, decisions, queue=queue, **how)
    labels = run(settle.labels, responses, judgments, decisions)
    run(
        pair.quadruples, prompts, responses, judgments, preferences, images, labels, taxonomy=TAXONOMY, minimum_strength=0.1, decide=run.decide
    )  # fmt: skip
