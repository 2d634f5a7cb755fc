"""Which rule finds the few unsafe answers from what judges say who differ wildly, and some of whom err together?

    python bench/labels_simulation.py [--quick] [--worlds N]

A world is 4,000 items, 4 to 5 % of them unsafe, and eight judges: of the unsafe each calls a share between 0.05 and 0.75
unsafe, of the safe one between 0.002 and 0.10 (even on a logarithmic scale); in half of the worlds who sees more alarms more.
What makes a judge call an item unsafe is a normal variable beside a threshold that gives exactly these rates. Its parts are
the judge's own, and by the kind of world

    independent  nothing else
    cliques      what two to four judges share, and what two others share: a quarter to nine tenths of the variance
    difficulty   what all share: a fifth to seven tenths
    borderline   a look that half of the unsafe have and a tenth of the safe: six tenths for the half of the judges it moves
    all of it    the last three together

Half of the worlds chose the rule and the chance above which an item counts as unsafe; the other half, not looked at before, are
what is printed. Prints lines of `figure NAME VALUE UNIT`: each rule's mean F1 over all worlds, and over those of each kind; then
tables: the rules by kind, and then by other settings, on which nothing was chosen.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.aggregation import hits
from pipeline.statistics.dawid_skene import Beta, binary, dawid_skene, threes

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Truth = NDArray[np.bool_]
Rule = Callable[[Labels], Floats]
"""From labels to how likely each item is unsafe."""
KINDS = ("independent", "cliques", "difficulty", "borderline", "all of it")
CUTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True)
class Setting:
    """What the worlds of a table have in common."""

    name: str = "as above"
    items: int = 4000
    judges: int = 8
    unsafe: tuple[float, float] = (0.04, 0.05)
    finds: tuple[float, float] = (0.05, 0.75)
    alarms: tuple[float, float] = (0.002, 0.10)


OTHERS = (
    Setting("400 items", items=400),
    Setting("20,000 items", items=20_000),
    Setting("five judges", judges=5),
    Setting("1 to 2 % unsafe", unsafe=(0.01, 0.02)),
    Setting("10 to 20 % unsafe", unsafe=(0.1, 0.2)),
    Setting("40 to 50 % unsafe", unsafe=(0.4, 0.5)),
    Setting("better judges, more alarms", finds=(0.3, 0.9), alarms=(0.005, 0.2)),
)


def world(kind: str, seed: int, of: Setting) -> tuple[Labels, Truth, Floats, Floats]:
    """Labels, the truth, and of each judge the share of the unsafe that it finds and of the safe that alarm it."""
    chance = np.random.default_rng([seed, KINDS.index(kind)])
    n, m = of.items, of.judges
    true = chance.random(n) < chance.uniform(*of.unsafe)
    true[0], true[1] = True, False
    finds = chance.uniform(*of.finds, m)
    alarms = np.exp(chance.uniform(*np.log(of.alarms), m))
    if seed % 2:
        alarms = np.sort(alarms)[np.argsort(np.argsort(np.argsort(np.argsort(finds)) + chance.normal(0, 2, m)))]
    mind = minds(kind, true, m, chance)
    labels = np.zeros((n, m), np.int64)
    for is_true, rates in ((True, finds), (False, alarms)):
        rows = np.flatnonzero(true == is_true)
        for judge, rate in enumerate(rates):
            labels[rows, judge] = mind[rows, judge] > np.quantile(mind[rows, judge], 1 - rate)
    return labels, true, finds, alarms


def minds(kind: str, true: Truth, judges: int, chance: np.random.Generator) -> Floats:
    """(n, m): what makes each judge call each item unsafe, of mean 0 and variance 1 in either class."""
    n, m = len(true), judges
    mind, room = np.zeros((n, m)), np.ones(m)  # room: the share of the variance that is the judge's own

    def share(part: Floats, whom: object, amount: float) -> None:
        mind[:, whom] += np.sqrt(amount * room[whom]) * part[:, None]
        room[whom] *= 1 - amount

    if kind in ("cliques", "all of it"):
        order, size = chance.permutation(m), chance.integers(2, 5)
        for clique in (order[:size], order[size : size + 2]):
            share(chance.standard_normal(n), clique, chance.uniform(0.5, 0.95) ** 2)
    if kind in ("borderline", "all of it"):
        often = np.where(true, 0.5, 0.1)
        look = ((chance.random(n) < often) - often) / np.sqrt(often * (1 - often))
        share(look, chance.random(m) < 0.5, 0.6)
    if kind in ("difficulty", "all of it"):
        share(chance.standard_normal(n), np.ones(m, bool), chance.uniform(0.2, 0.7))
    return mind + np.sqrt(room) * chance.standard_normal((n, m))


def votes(least: int, labels: Labels) -> Floats:
    return (labels.sum(1) >= least).astype(np.float64)


def plain(labels: Labels) -> Floats:
    return dawid_skene(labels, 2).posterior[:, 1]


def with_priors(labels: Labels, sure: float = 1.0) -> Floats:
    """Judges better than chance, who seldom alarm; few items are unsafe."""
    return binary(
        labels,
        sensitivity=Beta(1 + 4 * sure, 1 + 6 * sure),
        specificity=Beta(1 + 97 * sure, 1 + 3 * sure),
        prevalence=Beta(1 + 5 * sure, 1 + 95 * sure),
    ).posterior[:, 1]


def weighted(labels: Labels, steps: int = 60) -> Floats:
    """Dawid and Skene's steps, but each judge's word divided by how many judges it stands for: 1 and what its errors, of either
    class, are correlated with the others'."""
    guess = labels.mean(1)
    weight = np.ones(labels.shape[1])
    for step in range(steps):
        rates, together = [], []
        for often in (guess, 1 - guess):
            rate = (often @ labels + 0.5) / (often.sum() + 1)
            away = (labels - rate) / np.sqrt(rate * (1 - rate))
            correlation = np.clip((away * often[:, None]).T @ away / often.sum(), 0, 1)
            np.fill_diagonal(correlation, 1)
            rates.append(rate)
            together.append(1 / correlation.sum(1))
        if step >= 5:
            weight = (weight + (together[0] + together[1]) / 2) / 2
        guess = posterior(labels, rates[0], rates[1], guess.mean(), weight)
    return guess


def posterior(labels: Labels, finds: Floats, alarms: Floats, unsafe: float, weight: Floats | float = 1.0) -> Floats:
    """Of judges who err independently, with these rates."""
    words = labels * np.log(finds / alarms) + (1 - labels) * np.log((1 - finds) / (1 - alarms))
    return 1 / (1 + np.exp(-((words * weight).sum(1) + np.log(unsafe / (1 - unsafe)))))


def difficulty(labels: Labels, spread: float, steps: int = 200) -> Floats:
    """A logistic model in which each item has a difficulty that all judges feel alike, of this standard deviation (Y. Qu, M. Tan,
    M. H. Kutner, 1996, Biometrics 52:797-810), by EM on a grid of difficulties; the judges' rates have weak priors."""
    patterns, which, times = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
    shares = WEIGHTS / WEIGHTS.sum()
    centre, tight = np.array([-3.5, -0.5]), 1 / 1.5**2
    level = np.tile(centre, (labels.shape[1], 1))
    guess = patterns.mean(1)
    grid = np.stack([1 - guess, guess], 1)[:, :, None] * shares
    for _ in range(steps):
        mass = grid * times[:, None, None]
        items = mass.sum(0)
        called = np.einsum("pj,pyq->jyq", patterns, mass)
        for _ in range(3):
            rate = 1 / (1 + np.exp(-(level[:, :, None] + spread * NODES)))
            slope = (called - items * rate).sum(2) - (level - centre) * tight
            level += np.clip(slope / ((items * rate * (1 - rate)).sum(2) + tight), -1, 1)
        odds = level[:, :, None] + spread * NODES
        class_share = items.sum(1)[:, None] / times.sum()
        height = np.einsum("pj,jyq->pyq", patterns, odds) - np.logaddexp(0, odds).sum(0) + np.log(shares * class_share)
        grid = np.exp(height - height.max((1, 2), keepdims=True))
        grid /= grid.sum((1, 2), keepdims=True)
        after = grid[:, 1].sum(1)
        if np.abs(after - guess).max() < 1e-5:
            break
        guess = after
    return guess[which]


def of_threes(labels: Labels, dependence: float) -> Floats:
    return threes(labels, dependence=dependence).posterior[:, 1]


RULES: dict[str, Rule] = {
    "two votes": partial(votes, 2),
    "three votes": partial(votes, 3),
    "four votes": partial(votes, 4),
    "Dawid and Skene": plain,
    "with weak priors": with_priors,
    "with strong priors": partial(with_priors, sure=10.0),
    "dependent judges weighted": weighted,
    "difficulty 0.7": partial(difficulty, spread=0.7),
    "difficulty 1.2": partial(difficulty, spread=1.2),
    "threes": partial(of_threes, dependence=0.0),
    "threes, half weighted": partial(of_threes, dependence=0.5),
    "threes, weighted": partial(of_threes, dependence=1.0),
}


def f1(found: Truth, true: Truth) -> float:
    return hits(found, true).f1 or 0.0


@dataclass
class Results:
    """F1 of each rule, by kind: a row a world, a column a cut."""

    of: Setting
    rules: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)

    def add(self, kind: str, seed: int) -> None:
        labels, true, finds, alarms = world(kind, seed, self.of)
        chances = {name: rule(labels) for name, rule in RULES.items()}
        chances["rates known"] = posterior(labels, finds, alarms, float(true.mean()))
        for name, chance in chances.items():
            self._put(name, kind, [f1(chance > cut, true) for cut in CUTS])
        self._put("best judge", kind, [max(f1(said == 1, true) for said in labels.T)] * len(CUTS))

    def _put(self, name: str, kind: str, row: list[float]) -> None:
        self.rules.setdefault(name, {kind: [] for kind in KINDS})[kind].append(row)

    def mean(self, name: str, kind: str | None = None) -> Floats:
        """(cuts,): of a kind of world, or of all."""
        rows = [row for of, rows in self.rules[name].items() if kind in (None, of) for row in rows]
        return np.array(rows).mean(0)

    def beside(self, name: str, other: str, cuts: dict[str, int]) -> tuple[float, float]:
        """By how much it is better than the other, each at its cut, and the standard error."""
        ours, theirs = (np.array([row for rows in self.rules[rule].values() for row in rows]) for rule in (name, other))
        gain = ours[:, cuts[name]] - theirs[:, cuts[other]]
        return float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))


def simulated(of: Setting, seeds: range) -> Results:
    results = Results(of)
    for kind in KINDS:
        for seed in seeds:
            results.add(kind, seed)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few small worlds: seconds")
    parser.add_argument("--worlds", type=int, default=40, help="of each kind, in each half")
    given = parser.parse_args()
    worlds = 2 if given.quick else given.worlds
    usual = Setting(items=1000) if given.quick else Setting()
    chosen = simulated(usual, range(worlds))
    cuts = {name: int(chosen.mean(name).argmax()) for name in chosen.rules}
    results = simulated(usual, range(1000, 1000 + worlds))
    for name in results.rules:
        slug = name.replace(",", "").replace(".", "").replace(" ", "_").lower()
        print(f"figure f1_{slug} {results.mean(name)[cuts[name]]:.4f} share", flush=True)

    print("\n| rule | cut |", *(f"{kind} |" for kind in KINDS), "all | all at 0.5 | beside Dawid and Skene |")
    print("| --- " * (len(KINDS) + 5) + "|")
    for name in results.rules:
        cells = [results.mean(name, kind)[cuts[name]] for kind in (*KINDS, None)]
        cells.append(results.mean(name)[CUTS.index(0.5)])
        gain, error = results.beside(name, "Dawid and Skene", cuts)
        row = " | ".join(f"{cell:.3f}" for cell in cells)
        print(f"| {name} | {CUTS[cuts[name]]} | {row} | {gain:+.3f} ± {error:.3f} |")
    if given.quick:
        return
    print("\n| rule, cut at 0.5 |", *(f"{of.name} |" for of in OTHERS))
    print("| --- " * (len(OTHERS) + 1) + "|")
    others = [simulated(of, range(2000, 2000 + max(2, worlds // 4))) for of in OTHERS]
    for name in results.rules:
        row = " | ".join(f"{of.mean(name)[CUTS.index(0.5)]:.3f}" for of in others)
        print(f"| {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()
