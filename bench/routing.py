"""A review in sittings, by the stage itself: does the bound of what nobody looked at hold where people looked at the doubtful first?

    python bench/routing.py [--quick] [--reviews 500]

2,000 pairs, whose judges say how sure they are and are too sure of it; about one in ten is settled wrongly, oftener where they
are unsure or disagree, or of some strata. A tenth is drawn for the audit. In four sittings 200 others are looked at, the queue
being made anew after each by what was decided; reviewers err in 3 % of the pairs; 150 more are seen by two. The bound is of the
rest, as the stage `review.label_errors` makes it. Beside it: how much of what is wrong the looks found, in units of what as many
looks at random find. The same again where judges mislead (`_misled`): what they are sure of is wrong oftenest, 800 others are
looked at in one sitting, and reviewers never err, so that what they found is taken off.
"""

import argparse

import numpy as np
import polars as pl

from pipeline.stages import review
from pipeline.tables import Decision, Label, Preference, Prompt, Row, frame, row_id

PAIRS, SITTINGS, LOOKS, AUDIT, ERROR, TWICE = 2000, 4, 50, 0.1, 0.03, 150
MISLED = 800
"""Looks, in one sitting, where judges mislead."""


def figure(name: str, value: float, unit: str) -> None:
    print(f"figure {name} {round(value, 4):g} {unit}", flush=True)


def table(row: type[Row], **columns: object) -> pl.DataFrame:
    """Its other columns are null."""
    made = pl.DataFrame(columns)
    return made.select(
        (pl.col(n) if n in made.columns else pl.lit(None)).cast(k).alias(n) for n, k in row.columns().items()
    )


class World:
    """Pairs, and who is wrong."""

    def __init__(self, seed: int, misled: bool) -> None:
        luck = np.random.default_rng(seed)
        self.ids = [row_id(seed, n) for n in range(PAIRS)]
        doubt, split, stratum = (
            luck.beta(1, 4, PAIRS) / 2,
            luck.random(PAIRS),
            luck.choice(4, PAIRS, p=(0.5, 0.3, 0.15, 0.05)),
        )
        logit = -1 - 5 * doubt - 3 * split if misled else -4.2 + 5 * doubt + 1.5 * split
        logit += np.array([0, 0.5, 1, 1.5])[stratum]
        self.wrong = luck.random(PAIRS) < 1 / (1 + np.exp(-logit))
        asked = [f"p{n}" for n in range(PAIRS)]
        self.prompts = table(Prompt, id=asked, category=[f"c{s}" for s in stratum], kind=["given"] * PAIRS)
        self.pairs = table(
            Preference, id=self.ids, candidate_id=self.ids, criterion=["overall"] * PAIRS, prompt_id=asked, a_id=[f"{i}a" for i in self.ids],
            b_id=[f"{i}b" for i in self.ids], strength=3 * (1 - doubt), confidence=1 - doubt, disagreement=3 * split,
        )  # fmt: skip
        err = 0.0 if misled else ERROR
        self.says = {  # two reviewers
            who: dict(zip(self.ids, np.where(self.wrong ^ (luck.random(PAIRS) < err), -1.0, 1.0).tolist(), strict=True))
            for who in ("ann", "bea")
        }

    def decided(self, ids: list[str], twice: list[str]) -> pl.DataFrame:
        """What reviewers say: one of all, the other of some."""
        said = [(f"{who}/{i}", i, who, self.says[who][i]) for who, some in (("ann", ids), ("bea", twice)) for i in some]
        return table(
            Decision, id=[d[0] for d in said], candidate_id=[d[1] for d in said], reviewer=[d[2] for d in said], role=["reviewer"] * len(said),
            criterion=["overall"] * len(said), strength=[d[3] for d in said], reasons=[[]] * len(said),
        )  # fmt: skip


def reviewed(seed: int, misled: bool) -> tuple[bool, float, float, float]:
    """Whether the bound held, the true share of the rest, the bound over it, and how many wrong ones were found beside chance."""
    world, looked = World(seed, misled), list[str]()
    labels = frame([], Label)
    risks = review.risks(world.pairs, labels, world.prompts, audit=AUDIT).kept
    audited = risks.filter("audit")["candidate_id"].to_list()
    for budget in (MISLED,) if misled else range(LOOKS, SITTINGS * LOOKS + 1, LOOKS):
        said = world.decided(looked + audited, [])
        risks = review.risks(world.pairs, labels, world.prompts, decisions=said, audit=AUDIT).kept
        queue = review.queue(world.pairs, risks=risks, decisions=said, budget=budget).kept
        looked = queue.filter(reason="uncertain")["id"].to_list()
    said = world.decided(looked + audited, [] if misled else looked[:TWICE])
    risks = review.risks(world.pairs, labels, world.prompts, decisions=said, audit=AUDIT).kept
    errors = review.label_errors(world.pairs, labels, risks, said).kept
    row = errors.filter(pl.col("stratum").is_null() & (pl.col("criterion") == "overall")).row(0, named=True)
    wrong, seen = dict(zip(world.ids, world.wrong, strict=True)), {*looked, *audited}
    rest = float(np.mean([wrong[i] for i in world.ids if i not in seen]))
    lift = float(np.mean([wrong[i] for i in looked])) / float(world.wrong.mean())
    return row["bound"] >= rest, rest, row["bound"] / rest, lift


def main() -> None:
    """So many reviews."""
    options = argparse.ArgumentParser()
    options.add_argument("--reviews", type=int, default=500)
    options.add_argument("--quick", action="store_true", help="a few, to see that it runs")
    chosen = options.parse_args()
    seeds = range(3 if chosen.quick else chosen.reviews)
    for misled, name in ((False, ""), (True, "_misled")):
        held, rest, tight, lift = map(np.array, zip(*(reviewed(seed, misled) for seed in seeds), strict=True))
        figure(f"bound_coverage_routed{name}", held.mean(), "share")
        figure(f"tightness_routed{name}", tight.mean(), "times")
        figure(f"found_vs_random{name}", lift.mean(), "times")
        figure(f"wrong_in_the_rest{name}", rest.mean(), "share")


if __name__ == "__main__":
    main()
