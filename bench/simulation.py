"""The judge that `judging.py` simulates, and the responses it judges."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.contests.contest import Contest, Strategy

TRUST = 0.8
"""Correlation of scores and qualities; of the respondents' usual quality, by which groups are made, the same."""


@dataclass(frozen=True)
class Judge:
    """A simulated judge, and what it judges; in steps of strength."""

    noise: float
    """Standard deviation of a verdict about its mean."""
    scale: float = 2.0
    """Steps a standard deviation of quality."""
    bias: float = 0.5
    """What being shown first is worth."""
    taste: float = 0.0
    """Standard deviation of what it wrongly thinks of a response, whomever that is compared with: no call averages it away."""
    graded: bool = True
    """Or it says only who wins: 3 or -3."""
    responses: int = 12


class World:
    """Prompts, their responses' qualities, and every verdict that the judge would give."""

    def __init__(self, judge: Judge, prompts: int, seed: int) -> None:
        chance = np.random.default_rng(seed)
        n = judge.responses
        self.quality = chance.standard_normal((prompts, n))
        seen = judge.scale * self.quality + judge.taste * chance.standard_normal((prompts, n))
        verdict = (
            seen[:, :, None] - seen[:, None, :] + judge.bias + judge.noise * chance.standard_normal((prompts, n, n))
        )
        self.verdict = np.clip(np.round(verdict), -3, 3) if judge.graded else 3 * np.sign(verdict)
        blur = np.sqrt(1 / TRUST**2 - 1)
        scores = np.round(self.quality + blur * chance.standard_normal((prompts, n)), 1)
        usual = self.quality + blur * chance.standard_normal((prompts, n))
        groups = usual.argsort(1).argsort(1) * 5 // n
        names = tuple(f"{k:02}" for k in range(n))
        self.contests = [
            Contest(f"{seed}/{p}", names, scores=tuple(scores[p].tolist()), groups=tuple(groups[p].tolist()))
            for p in range(prompts)
        ]

    def played(self, strategy: Strategy, rounds: int) -> tuple[list[Contest], int]:
        """The contests at their end, and how many rounds it took."""
        contests = self.contests
        for done in range(rounds):
            asked = strategy.pairs(contests)
            if not any(asked):
                return contests, done
            contests = [
                replace(c, asked=c.asked + tuple((a, b, float(self.verdict[p, int(a), int(b)])) for a, b in asked[p]))
                for p, c in enumerate(contests)
            ]
        return contests, rounds
