"""The bound of what nobody looked at: how often it holds, and how tight it is, by simulated audits.

    python bench/audit.py [--quick] [--audits 2000]

20,000 labels in six strata of different sizes, in which wrong labels are unequally common; of each, and of the small strata
more, some are drawn for the audit. Reviewers err with the same chance on wrong labels and on right ones; how often is known
only from 200 other items that two of them saw and 100 whose answer is known. Each line is the share of audits whose 95 %
bound is not below the true share of wrong labels: of all (bound_coverage is the least of them), of one stratum drawn from alone
(`_alone`), and of an audit that is watched after every 50 items and ended where its bound is lowest (`_watched`). `bound_naive` is
the same of Clopper and Pearson's bound on what was found, which takes reviewers at their word. `tightness` is the mean bound
over the true share.
"""

import argparse
from functools import lru_cache

import numpy as np

from pipeline.statistics.audit import (
    KNOWN,
    Audit,
    Reviewers,
    most_wrong,
    most_wrong_of_all,
    most_wrong_so_far,
    reviewers,
    share,
)  # fmt: skip

SIZES = np.array([12_000, 4_000, 2_500, 1_000, 400, 100])
UNLIKE = np.array([0.5, 1.0, 2.0, 3.0, 2.0, 0.0])
"""How common wrong labels are in each stratum, beside each other."""
LEAST = 20
"""Of each stratum at least so many are audited."""
RATES = (0.002, 0.01, 0.05, 0.2)
AUDITS = (200, 400, 1000)
ERRORS = (0.0, 0.02, 0.05)
TWICE, GOLD = 200, 100
ALONE = 12_000
"""Labels in the one stratum that is drawn from alone."""
so_far = lru_cache(None)(most_wrong_so_far)


def figure(name: str, value: float, unit: str) -> None:
    print(f"figure {name} {round(value, 4):g} {unit}", flush=True)


def known(error: float, luck: np.random.Generator) -> Reviewers:
    """What is known of reviewers who err with this chance."""
    if not error:
        return KNOWN
    differ, mistaken = luck.binomial(TWICE, 2 * error * (1 - error)), luck.binomial(GOLD, error)
    made = reviewers(int(differ), TWICE, int(mistaken), GOLD)
    assert made
    return made


def called(wrong: np.ndarray, audited: np.ndarray, error: float, luck: np.random.Generator) -> np.ndarray:
    """How many the reviewers call wrong."""
    return luck.binomial(wrong, 1 - error) + luck.binomial(audited - wrong, error)


def stratified(rate: float, audited: int, error: float, audits: int) -> tuple[float, float, float, float]:
    """Of the bound its coverage and tightness, and of the naive one."""
    luck = np.random.default_rng([round(rate * 1e4), audited, round(error * 1e4)])
    wrong = np.round(SIZES * UNLIKE * rate * SIZES.sum() / (SIZES * UNLIKE).sum()).astype(int).clip(max=SIZES)
    drawn = np.maximum(np.round(SIZES * audited / SIZES.sum()).astype(int), LEAST)
    true = wrong.sum() / SIZES.sum()
    bounds, naive = np.empty(audits), np.empty(audits)
    for n in range(audits):
        found = called(luck.hypergeometric(wrong, SIZES - wrong, drawn), drawn, error, luck)
        groups = [Audit(*map(int, group)) for group in zip(found, drawn, SIZES, strict=True)]
        bounds[n] = most_wrong_of_all(groups, known(error, luck)) / SIZES.sum()
        naive[n] = share(int(found.sum()), int(drawn.sum()))
    return (bounds >= true).mean(), bounds.mean() / true, (naive >= true).mean(), naive.mean() / true


def alone(rate: float, audited: int, error: float, audits: int) -> tuple[float, float]:
    """Coverage and tightness, of one stratum."""
    luck = np.random.default_rng([round(rate * 1e4), audited, round(error * 1e4), 1])
    wrong = round(rate * ALONE)
    bounds = np.empty(audits)
    for n in range(audits):
        found = called(luck.hypergeometric(wrong, ALONE - wrong, audited), np.array(audited), error, luck)
        bounds[n] = most_wrong(Audit(int(found), audited, ALONE), known(error, luck)) / ALONE
    return (bounds >= wrong / ALONE).mean(), bounds.mean() * ALONE / wrong


def watched(rate: float, audited: int, error: float, audits: int) -> tuple[float, float]:
    """Coverage and tightness, of one stratum, watched after every 50; how often reviewers err is known."""
    luck = np.random.default_rng([round(rate * 1e4), audited, round(error * 1e4), 2])
    wrong = round(rate * ALONE)
    by = Reviewers(error, error, error, 1.0)
    bounds = np.empty(audits)
    for n in range(audits):
        seen = luck.permuted(np.arange(ALONE) < wrong)[:audited]
        found = (seen ^ (luck.random(audited) < error)).cumsum()
        bounds[n] = min(so_far(Audit(int(found[k - 1]), k, ALONE), by) for k in range(50, audited + 1, 50)) / ALONE
    return (bounds >= wrong / ALONE).mean(), bounds.mean() * ALONE / wrong


def main() -> None:
    """Every combination of a rate, a size and an error."""
    options = argparse.ArgumentParser()
    options.add_argument("--audits", type=int, default=2000)
    options.add_argument("--quick", action="store_true", help="a few, to see that it runs")
    chosen = options.parse_args()
    audits = 10 if chosen.quick else chosen.audits
    lines: list[tuple[str, float, str]] = []
    for rate in RATES[2:] if chosen.quick else RATES:
        of = f"{round(rate * 1000)}_of_1000"
        for error in ERRORS:
            for audited in AUDITS:
                name = f"{of}_audit_{audited}_error_{round(error * 100)}"
                covered, tight, naive, loose = stratified(rate, audited, error, audits)
                lines += [(f"bound_coverage_{name}", covered, "share"), (f"bound_naive_{name}", naive, "share"),
                          (f"tightness_{name}", tight, "times"), (f"tightness_{name}_naive", loose, "times")]  # fmt: skip
            covered, tight = alone(rate, AUDITS[1], error, audits)
            name = f"{of}_audit_{AUDITS[1]}_error_{round(error * 100)}"
            lines += [(f"bound_coverage_{name}_alone", covered, "share"), (f"tightness_{name}_alone", tight, "times")]
        covered, tight = watched(rate, AUDITS[1], 0.02, audits)
        lines += [(f"bound_coverage_{of}_watched", covered, "share"), (f"tightness_{of}_watched", tight, "times")]
    figure("bound_coverage", min(value for name, value, _ in lines if name.startswith("bound_coverage")), "share")
    for line in lines:
        figure(*line)


if __name__ == "__main__":
    main()
