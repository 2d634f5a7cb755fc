"""Which pairs of responses to compare next: how good the chosen and the rejected response are, for how many judge calls.

    python bench/judging.py [--quick] [--prompts 4000] [--plot FILE] [--calibrate]

Nobody is asked: a judge is simulated. Each prompt has 12 responses whose qualities are drawn from N(0, 1). Shown i first
and j second, the judge's verdict is 2 (q_i - q_j) + 0.5 + noise, rounded, and from -3 to 3: of its verdicts two in five
are 3 or -3, one in eight a tie; of 72 % of the pairs it names the same winner in both orders, of 8 % the other one. The
noise is Gaussian and drawn anew for each pair and order, but the same call brings the same verdict again, as a judge at
temperature 0 does: nothing is gained by asking twice. Its size is such that all pairs in both orders, 132 calls, find the
pair for 78 % of the prompts (--calibrate).

Found, or accurate: the chosen response is the truly best of all and the rejected one the truly worst. Beside it: better,
the share of prompts where the chosen one is truly better than the rejected one; gap, the share of the quality between best
and worst that lies between chosen and rejected; and Kendall's tau of ratings and qualities (a tie counts nothing). All
ratings are the same estimator's, Bradley and Terry's with one bias for all; in brackets what counting wins would find.
Strategies were tuned on seeds below 100; what is printed is of others. Intervals: 95 %, bootstrap over prompts.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from simulation import TRUST, Judge, World

from pipeline.contests.all_pairs import AllPairs
from pipeline.contests.best_and_worst import BestAndWorst
from pipeline.contests.circle import Circle
from pipeline.contests.contest import Contest, Strategy
from pipeline.contests.different_groups import DifferentGroups
from pipeline.contests.merge_sort import MergeSort
from pipeline.contests.standing import likeliest, standings
from pipeline.contests.swiss import Swiss
from pipeline.contests.top_and_bottom import TopAndBottom
from pipeline.statistics.bradley_terry import Assumed

ASSUMED = Assumed()
"""What estimator and strategies take for granted, whatever the judge."""
ROUNDS = 6
TUNING, SEED = 1, 1000
PILOT = 50
"""Prompts of which a judge's noise is measured: all pairs in both orders."""


@dataclass(frozen=True)
class Result:
    """What a strategy came to; arrays have a value a prompt."""

    calls: np.ndarray
    rounds: int
    found: np.ndarray
    better: np.ndarray
    gap: np.ndarray
    tau: np.ndarray
    found_by_wins: np.ndarray


def result(world: World, strategy: Strategy, rounds: int = 10**6, *, scored: bool = False) -> Result:
    """Play it, and look at the truth. `scored`: the scores are used, and a call each."""
    contests, rounds = world.played(strategy, rounds)
    ratings = standings(contests, ASSUMED, trust=TRUST if scored else 0.0, shared_bias=True)
    rating = np.array([standing.rating for standing in ratings])
    chosen, rejected, best, worst = (f(x, 1) for x in (rating, world.quality) for f in (np.argmax, np.argmin))
    row = np.arange(len(rating))
    won = world.quality[row, chosen] - world.quality[row, rejected]
    i, j = np.triu_indices(rating.shape[1], 1)
    agreeing = np.sign(rating[:, i] - rating[:, j]) * np.sign(world.quality[:, i] - world.quality[:, j])
    wins = np.array([_wins(contest) for contest in contests])
    return Result(
        calls=np.array([len(c.asked) for c in contests]) + (len(contests[0].responses) if scored else 0),
        rounds=rounds + scored,
        found=((chosen == best) & (rejected == worst)).astype(float),
        better=(won > 0).astype(float),
        gap=won / (world.quality[row, best] - world.quality[row, worst]),
        tau=agreeing.mean(1),
        found_by_wins=((wins.argmax(1) == best) & (wins.argmin(1) == worst)).astype(float),
    )


def _wins(contest: Contest) -> list[float]:
    """Wins less defeats of each response, a comparison."""
    points, games = dict.fromkeys(contest.responses, 0.0), dict.fromkeys(contest.responses, 0)
    for first, second, verdict in contest.asked:
        for response, sign in ((first, 1), (second, -1)):
            points[response] += sign * np.sign(verdict)
            games[response] += 1
    return [points[r] / max(games[r], 1) for r in contest.responses]


def interval(values: np.ndarray) -> tuple[float, float]:
    """Of the mean."""
    chance = np.random.default_rng(0)
    means = [values[chance.integers(len(values), size=len(values))].mean() for _ in range(1000)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


WANTED = 0.78
JUDGE = Judge(noise=0.97)
CALIBRATED = {
    "as above": JUDGE,
    "1 step a standard deviation, not 2": Judge(noise=0.55, scale=1),
    "3 steps a standard deviation": Judge(noise=1.3, scale=3),
    "says only who wins, without bias": Judge(noise=0.5, bias=0, graded=False),
    "with a taste of 0.15 steps": Judge(noise=0.8, taste=0.15),
}
"""Judges of whom 132 calls find 78 % of the pairs; the noise is what --calibrate found."""
OTHERS = {
    "half the noise": replace(JUDGE, noise=0.5),
    "twice the noise, which is not known": replace(JUDGE, noise=2.0),
    "no bias": replace(JUDGE, bias=0),
    "thrice the bias": replace(JUDGE, bias=1.5),
    "4 responses": replace(JUDGE, responses=4),
    "6 responses": replace(JUDGE, responses=6),
    "8 responses": replace(JUDGE, responses=8),
}
HEADLINE = TopAndBottom(ASSUMED)
"""As it is by default."""
STRATEGIES: dict[str, list[tuple[str, Strategy, bool]]] = {
    "all pairs": [("both orders", AllPairs(), False), ("one order", AllPairs(both_orders=False), False)],
    "circle": [(f"{k} neighbours", Circle(k), False) for k in (1, 2, 3, 4, 6, 8)],
    "different groups": [("one pair", DifferentGroups(), False)],
    "best and worst by scores": [(f"{k} each", BestAndWorst(k), True) for k in (2, 3, 4, 5, 6)],
    "merge sort": [("", MergeSort(), False)],
    "Swiss": [(f"{k} rounds", Swiss(k), False) for k in (2, 3, 4, 5, 6, 8, 10)],
    "top and bottom": [
        (f"price {price:g}, growth {growth:g}", replace(HEADLINE, price=price, growth=growth), False)
        for price, growth in ((0.01, 0.5), (0.0025, 0.5), (0.0005, 0.5), (0.0002, 0.5), (0.0001, 0.6), (0.00005, 0.7), (1e-5, 1), (1e-6, 2))
    ],
    "top and bottom after scores": [
        (f"price {price:g}", replace(HEADLINE, price=price, trust=TRUST), True) for price in (0.0025, 0.0005, 0.0002)
    ],
}  # fmt: skip
"""By name: settings, strategy, and whether it uses scores."""
LOOKS = (("s", "-", "0.5"), ("o", ":", "0.5"), ("v", "none", "0"), ("^", "--", "0.5"), ("D", "none", "0.5"), ("x", "-.", "0.5"),
         ("*", "-", "0"), ("P", "--", "0"))  # fmt: skip
"""Of each in the plot: mark, dash and grey."""


def calibrated(judge: Judge, prompts: int) -> float:
    """The noise with which all pairs in both orders find as many as wanted, by halving."""
    low, high = 0.1, 4.0
    for _ in range(8):
        noise = (low + high) / 2
        found = result(World(replace(judge, noise=noise), prompts, TUNING), AllPairs()).found.mean()
        low, high = (noise, high) if found > WANTED else (low, noise)
    return (low + high) / 2


def figures(full: Result, adaptive: Result) -> None:
    """The headline, ratios first."""
    lost = full.found - adaptive.found
    figure("judge_calls_adaptive_vs_all_pairs", adaptive.calls.mean() / full.calls.mean(), "ratio")
    for name, values in (("pair_accuracy_adaptive", adaptive.found), ("pair_accuracy_all_pairs", full.found),
                         ("pair_accuracy_lost", lost), ("tau_adaptive", adaptive.tau), ("tau_all_pairs", full.tau),
                         ("gap_adaptive", adaptive.gap), ("gap_all_pairs", full.gap)):  # fmt: skip
        figure(name, values.mean(), "share")
        for end, value in zip(("low", "high"), interval(values), strict=True):
            figure(f"{name}_{end}", value, "share")
    figure("judge_calls_adaptive", adaptive.calls.mean(), "calls")
    figure("judge_calls_adaptive_most", adaptive.calls.max(), "calls")
    figure("rounds_adaptive", adaptive.rounds, "rounds")
    figure("judge_noise", JUDGE.noise, "steps")
    figure("prompts", len(full.calls), "count")


def figure(name: str, value: float, unit: str) -> None:
    print(f"figure {name} {float(value):.4g} {unit}", flush=True)


def row(name: str, settings: str, of: Result) -> str:
    """A line of the table."""
    low, high = interval(of.found)
    return (
        f"| {name} | {settings} | {of.calls.mean():.1f} | {of.rounds} | {100 * of.found.mean():.1f} ({100 * low:.1f} to "
        f"{100 * high:.1f}) [{100 * of.found_by_wins.mean():.1f}] | {100 * of.better.mean():.1f} | {of.gap.mean():.3f} | "
        f"{of.tau.mean():.3f} |"
    )


def curves(world: World, quick: bool) -> dict[str, list[Result]]:
    """Every strategy at its budgets, printed as a table."""
    print("\n| strategy | settings | calls | rounds | found, % | better, % | gap | tau |")
    print(8 * "| --- " + "|")
    results: dict[str, list[Result]] = {}
    for name, settings in STRATEGIES.items():
        for label, strategy, scored in settings[:1] if quick else settings:
            one = result(world, strategy, ROUNDS if "top" in name else 10**6, scored=scored)
            results.setdefault(name, []).append(one)
            print(row(name, label, one), flush=True)
    patient = result(world, HEADLINE, 2 * ROUNDS)
    print(row("top and bottom", "as by default, but 12 rounds", patient))
    return results


def measured(judge: Judge) -> Assumed:
    """What a pilot says of it."""
    pilot, _ = World(judge, PILOT, TUNING).played(AllPairs(), 1)
    among = [Assumed(noise, spread) for noise in (0.5, 0.7, 1, 1.4, 2, 2.8) for spread in (0.7, 1, 1.4, 2, 2.8, 4)]
    return likeliest(pilot, among)


def robustness(judges: dict[str, Judge], prompts: int) -> None:
    """Other judges: of whom the strategy knows nothing, and when a pilot has measured them."""
    print(
        "\n| judge | its noise | all pairs, calls | found, % | by default, calls | lost, points | after a pilot, calls | lost, points |"
    )
    print(8 * "| --- " + "|")
    for name, judge in judges.items():
        world, assumed = World(judge, prompts, SEED + 1), measured(judge)
        full = result(world, AllPairs())
        print(f"| {name} | {judge.noise:g} | {full.calls.mean():.0f} | {100 * full.found.mean():.1f} ", end="")
        for strategy, label in (
            (HEADLINE, ""),
            (TopAndBottom(assumed), f" (noise {assumed.noise:g}, spread {assumed.spread:g})"),
        ):
            adaptive = result(world, strategy, ROUNDS)
            lost = 100 * (full.found - adaptive.found)
            low, high = interval(lost)
            print(
                f"| {adaptive.calls.mean():.1f}{label} | {lost.mean():.1f} ({low:.1f} to {high:.1f}) ",
                end="",
                flush=True,
            )
        print("|", flush=True)


def plot(results: dict[str, list[Result]], path: Path) -> None:
    """Found and tau against calls, a line a strategy, told apart by marks and dashes alone."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"svg.hashsalt": "judging", "font.size": 9})
    sheet, panes = pyplot.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for (name, of), (mark, dash, grey) in zip(results.items(), LOOKS, strict=True):
        order = sorted(of, key=lambda one: one.calls.mean())
        calls = [one.calls.mean() for one in order]
        wide = 2 if name == "top and bottom" else 1
        for pane, values in zip(panes, ("found", "tau"), strict=True):
            heights = [getattr(one, values).mean() for one in order]
            pane.plot(calls, heights, marker=mark, linestyle=dash, color=grey, linewidth=wide, label=name)
    for pane, title in zip(panes, ("best and worst both found, share of prompts", "Kendall's tau"), strict=True):
        pane.set(xlabel="judge calls a prompt", title=title, xlim=(0, 136), ylim=(0, 1), xticks=range(0, 133, 12))
        pane.grid(color="0.9")
    panes[0].legend(loc="lower right", fontsize=8)
    sheet.savefig(path, metadata={"Date": None, "Creator": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few prompts, a few strategies: seconds")
    parser.add_argument("--prompts", type=int)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="an SVG; needs matplotlib")
    parser.add_argument("--calibrate", action="store_true", help="print the noise of each kind of judge, and stop")
    given = parser.parse_args()
    prompts = given.prompts or (150 if given.quick else 4000)
    if given.calibrate:
        for name, judge in CALIBRATED.items():
            print(f"{name}: {calibrated(judge, prompts):.3f}", flush=True)
        return
    world = World(JUDGE, prompts, SEED)
    figures(result(world, AllPairs()), result(world, HEADLINE, ROUNDS))
    results = curves(world, given.quick)
    robustness({"as above": JUDGE} if given.quick else CALIBRATED | OTHERS, prompts // 2)
    if given.plot:
        plot(results, given.plot)


if __name__ == "__main__":
    main()
