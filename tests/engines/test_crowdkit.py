"""Dawid and Skene's model, majorities and Bradley and Terry's, beside a well-kept library's (crowd-kit)."""

import numpy as np
import pandas as pd
import pytest
from crowdkit import aggregation as crowdkit
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.statistics.dawid_skene import dawid_skene

pytestmark = [
    pytest.mark.engine,
    pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def tall(labels: np.ndarray) -> pd.DataFrame:
    items, judges = np.nonzero(labels >= 0)
    return pd.DataFrame({"task": items, "worker": judges, "label": labels[items, judges]})


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_the_posteriors_are_theirs(seed: int, classes: int) -> None:
    chance = np.random.default_rng(seed)
    true = chance.integers(0, classes, 300)
    labels = np.where(chance.random((300, 7)) < 0.8, true[:, None], chance.integers(0, classes, (300, 7)))
    labels[chance.random((300, 7)) < 0.2] = -1
    labels = labels[(labels >= 0).any(1)]
    ours = dawid_skene(labels, classes).posterior
    theirs = (
        crowdkit.DawidSkene(n_iter=2000, tol=1e-12).fit_predict_proba(tall(labels)).sort_index()[list(range(classes))]
    )
    off = np.abs(ours - theirs.to_numpy())
    assert off.mean() < 0.005, "they stop sooner, which moves what is on the fence"
    assert (ours.argmax(1) == theirs.to_numpy().argmax(1)).mean() > 0.985


def test_their_majority_is_where_ours_starts() -> None:
    labels = np.random.default_rng(0).integers(0, 2, (100, 5))
    theirs = crowdkit.MajorityVote().fit_predict(tall(labels)).sort_index().to_numpy()
    assert (theirs == (labels.mean(1) > 0.5)).all()
