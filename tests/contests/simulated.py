"""A judge that is computed, and a contest played to its end."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from pipeline.contests.contest import Contest, Strategy
from pipeline.tables import chance

Judge = Callable[[Contest, str, str], float | None]
"""(contest, first, second) → the verdict."""


def contest(prompt: str, n: int = 6) -> Contest:
    """Responses, scores and groups; `quality` knows what they are worth."""
    names = tuple(sorted(f"{prompt}-{k:02}" for k in range(n)))
    drawn = chance("groups", prompt)
    return Contest(
        prompt,
        names,
        scores=tuple(round(quality(name) + drawn.gauss(0, 0.5)) for name in names),
        groups=tuple(drawn.randrange(3) for _ in names),
    )


def quality(response: str) -> float:
    """Steps of strength."""
    return chance("quality", response).gauss(0, 2)


def exact(_: Contest, first: str, second: str) -> float:
    """Says what is true, in whole steps but without an end of the scale, so that no two are alike."""
    return float(np.clip(quality(first) - quality(second), -3, 3))


def judge(noise: float = 1.0, bias: float = 0.5, silent: float = 0.0) -> Judge:
    """A judge that errs, prefers who is shown first, and at times gives no verdict."""

    def say(contest: Contest, first: str, second: str) -> float | None:
        luck = chance("verdict", contest.prompt, first, second)
        if luck.random() < silent:
            return None
        return float(np.clip(round(quality(first) - quality(second) + bias + luck.gauss(0, noise)), -3, 3))

    return say


def played(strategy: Strategy, contests: Sequence[Contest], say: Judge, rounds: int = 1000) -> list[Contest]:
    """All rounds of all contests; a strategy that does not come to an end fails."""
    contests = list(contests)
    for _ in range(rounds):
        wanted = strategy.pairs(contests)
        assert len(wanted) == len(contests)
        if not any(wanted):
            return contests
        contests = [
            replace(c, asked=c.asked + tuple((a, b, say(c, a, b)) for a, b in pairs))
            for c, pairs in zip(contests, wanted, strict=True)
        ]
    assert rounds < 1000, "it does not come to an end"
    return contests
