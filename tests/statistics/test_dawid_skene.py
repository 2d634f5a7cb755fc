"""Dawid and Skene's model: against a textbook's loops, against the truth, and by its symmetries."""

from dataclasses import replace
from itertools import product
from math import log, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.statistics.aggregation import majority
from pipeline.statistics.dawid_skene import Beta, binary, dawid_skene

SEEDS = st.integers(0, 10**6)


def drawn(
    confusion: np.ndarray, shares: np.ndarray, items: int, seed: int, missing: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n, m) and the truth (n,), as the model has it. `confusion`: (m, k, k)."""
    luck = np.random.default_rng(seed)
    truth = luck.choice(len(shares), items, p=shares)
    said = confusion[:, truth].cumsum(-1) < luck.random((len(confusion), items, 1))
    labels = np.minimum(said.sum(-1), len(shares) - 1).T
    return np.where(luck.random(labels.shape) < missing, -1, labels), truth


def some(seed: int, items: int = 60, judges: int = 4, classes: int = 3) -> np.ndarray:
    """Labels of judges who are mostly right, some missing."""
    luck = np.random.default_rng(seed)
    confusion = (luck.dirichlet(np.ones(classes), (judges, classes)) + 2 * np.eye(classes)) / 3
    return drawn(confusion, luck.dirichlet(np.full(classes, 5.0)), items, seed, missing=0.2)[0]


def by_the_book(labels: np.ndarray, classes: int, smoothing: float, steps: int) -> tuple[list, np.ndarray, list, float]:
    """EM by loops over items, judges and classes, without logarithms: posterior, confusion, shares, log-likelihood."""
    n, m = labels.shape
    told = [[(j, labels[i, j]) for j in range(m) if labels[i, j] >= 0] for i in range(n)]
    posterior = [proportions([sum(label == k for _, label in votes) for k in range(classes)]) for votes in told]
    for _ in range(steps):
        shares = proportions([sum(p[k] for p in posterior) + smoothing for k in range(classes)])
        confusion = np.full((m, classes, classes), smoothing)
        for i, k in product(range(n), range(classes)):
            for j, label in told[i]:
                confusion[j, k, label] += posterior[i][k]
        for j, k in product(range(m), range(classes)):
            confusion[j, k] /= confusion[j, k].sum()
        joint = [
            [shares[k] * prod(confusion[j, k, label] for j, label in votes) for k in range(classes)] for votes in told
        ]
        posterior = [proportions(chances) for chances in joint]
    return posterior, confusion, shares, sum(log(sum(chances)) for chances in joint)


def proportions(counts: list[float]) -> list[float]:
    return [count / sum(counts) for count in counts]


@settings(derandomize=True, deadline=None, max_examples=8)
@given(SEEDS, st.sampled_from([2, 3, 4]), st.sampled_from([0.0, 0.5]), st.integers(1, 12))
def test_each_step_is_the_textbooks(seed: int, classes: int, smoothing: float, steps: int) -> None:
    labels = some(seed, items=30, classes=classes)
    labels = labels[(labels >= 0).any(1)]
    posterior, confusion, shares, height = by_the_book(labels, classes, smoothing, steps)
    found = dawid_skene(labels, classes, confusion=smoothing, shares=smoothing, steps=steps)
    if found.iterations == steps:
        np.testing.assert_allclose(found.posterior, posterior, atol=1e-9)
        np.testing.assert_allclose(found.confusion, confusion, atol=1e-9)
        np.testing.assert_allclose(found.shares, shares, atol=1e-9)
        assert found.log_likelihood == pytest.approx(height)


def test_the_textbooks_end_is_ours() -> None:
    labels = some(7, items=60)
    labels = labels[(labels >= 0).any(1)]
    found = dawid_skene(labels, 3, confusion=0.1, shares=0.1)
    assert found.converged
    posterior, *_ = by_the_book(labels, 3, 0.1, found.iterations + 50)
    np.testing.assert_allclose(found.posterior, posterior, atol=1e-4)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(SEEDS)
def test_no_step_makes_the_labels_less_likely(seed: int) -> None:
    labels = some(seed)
    heights = [dawid_skene(labels, 3, steps=steps).log_likelihood for steps in range(1, 30)]
    assert (np.diff(heights) > -1e-9).all()


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_confusions_that_made_the_labels_are_found_again(missing: float) -> None:
    luck = np.random.default_rng(1)
    confusion = (luck.dirichlet(np.ones(3), (7, 3)) + 2 * np.eye(3)) / 3
    shares = np.array([0.6, 0.3, 0.1])
    labels, truth = drawn(confusion, shares, 20_000, 2, missing)
    found = dawid_skene(labels, 3)
    np.testing.assert_allclose(found.confusion, confusion, atol=0.04)
    np.testing.assert_allclose(found.shares, shares, atol=0.015)
    right = (found.posterior.argmax(1) == truth).mean()
    assert right > (majority(labels) == truth).mean() + 0.01
    assert found.posterior.max(1).mean() == pytest.approx(right, abs=0.01)  # it is as sure as it is right


def test_a_judge_who_is_always_wrong_is_worth_as_much_as_one_who_is_always_right() -> None:
    confusion = np.array([[[0.8, 0.2], [0.2, 0.8]]] * 4 + [[[0.0, 1.0], [1.0, 0.0]]])
    labels, truth = drawn(confusion, np.array([0.5, 0.5]), 2000, 3)
    assert (dawid_skene(labels, 2).posterior.argmax(1) == truth).mean() > 0.99


@settings(derandomize=True, deadline=None, max_examples=20)
@given(SEEDS)
def test_of_equal_judges_the_majority_is_right(seed: int) -> None:
    """Judges as good as each other, who err alike both ways, and classes as frequent: to say it exactly, each judge's column
    is every other's in another order, and each class's labels are the other's turned round."""
    luck = np.random.default_rng(seed)
    patterns = (luck.random((40, 5)) < 0.2).astype(int)
    rolled = np.concatenate([np.roll(patterns, j, axis=1) for j in range(5)])
    labels = np.concatenate([rolled, 1 - rolled])
    found = dawid_skene(labels, 2, confusion=0.01)
    assert (found.posterior.argmax(1) == majority(labels)).all()


@settings(derandomize=True, deadline=None, max_examples=30)
@given(SEEDS)
def test_items_judges_and_classes_in_another_order_are_the_same_in_that_order(seed: int) -> None:
    labels = some(seed)
    luck = np.random.default_rng(seed)
    items, judges, names = (luck.permutation(size) for size in (*labels.shape, 3))
    prior = luck.random((labels.shape[1], 3, 3))
    before = dawid_skene(labels, 3, confusion=prior, steps=20)

    moved = dawid_skene(labels[items], 3, confusion=prior, steps=20)
    assert (moved.posterior == before.posterior[items]).all()
    assert (moved.confusion == before.confusion).all()

    moved = dawid_skene(labels[:, judges], 3, confusion=prior[judges], steps=20)
    np.testing.assert_allclose(moved.posterior, before.posterior, atol=1e-7)
    np.testing.assert_allclose(moved.confusion, before.confusion[judges], atol=1e-7)

    old = names.argsort()  # class c is now called names[c]
    renamed = np.where(labels < 0, -1, names[labels])
    moved = dawid_skene(renamed, 3, confusion=prior[:, old][:, :, old], steps=20)
    np.testing.assert_allclose(moved.posterior[:, names], before.posterior, atol=1e-7)
    np.testing.assert_allclose(moved.shares[names], before.shares, atol=1e-7)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(SEEDS)
def test_an_item_that_nobody_labelled_has_the_classes_shares_and_changes_nothing(seed: int) -> None:
    labels = some(seed)
    before = dawid_skene(labels, 3)
    after = dawid_skene(np.concatenate([np.full((2, 4), -1), labels]), 3)
    assert (after.posterior[2:] == before.posterior).all()
    assert (after.posterior[:2] == after.shares).all()
    assert replace(after, posterior=0, confusion=0, shares=0) == replace(before, posterior=0, confusion=0, shares=0)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(SEEDS)
def test_a_judge_who_said_nothing_changes_nothing(seed: int) -> None:
    labels = some(seed)
    silent = np.full((len(labels), 1), -1)
    before, after = dawid_skene(labels, 3), dawid_skene(np.concatenate([labels, silent], 1), 3)
    np.testing.assert_allclose(after.posterior, before.posterior, atol=1e-7)
    assert (after.confusion[-1] == 1 / 3).all()


def test_without_any_label_nothing_is_known() -> None:
    found = dawid_skene(np.full((3, 2), -1), 2, shares=[3, 1])
    assert found.posterior.tolist() == [[0.75, 0.25]] * 3
    assert (found.confusion == 0.5).all()
    assert (found.log_likelihood, found.converged) == (0, True)
    assert dawid_skene(np.empty((0, 2), int), 2).posterior.shape == (0, 2)


def test_chances_are_chances_and_nothing_is_so_unlikely_that_it_cannot_be_computed() -> None:
    luck = np.random.default_rng(0)
    labels = np.repeat(luck.integers(4, size=(50, 1)), 3000, axis=1)  # many judges, all certain
    labels[0, 0] = (labels[0, 0] + 1) % 4
    found = dawid_skene(labels, 4)
    for chances in (found.posterior, found.confusion, found.shares):
        np.testing.assert_allclose(chances.sum(-1), 1)
    assert (found.posterior.argmax(1)[1:] == labels[1:, 0]).all()


def test_a_prior_weighs_as_many_labels_as_it_says() -> None:
    """One class that is known: a judge's row is its labels and the prior's, counted together."""
    labels = np.array([[0, 0], [0, 0], [0, 1], [0, 0]])
    found = dawid_skene(labels, 2, confusion=[[3.0, 1.0], [0.0, 0.0]], shares=[1e12, 0])
    np.testing.assert_allclose(found.confusion[:, 0], [[7 / 8, 1 / 8], [6 / 8, 2 / 8]])


def test_a_strong_prior_decides_where_the_labels_cannot() -> None:
    """Two judges who always differ: which of them is right, only the prior can say."""
    labels = np.array([[0, 1], [1, 0]] * 20)
    good, bad = Beta(90, 10), Beta(10, 90)
    assert good.mode() == pytest.approx(89 / 98)
    for right in (0, 1):
        worth = Beta(np.roll([90.0, 10.0], right), np.roll([10.0, 90.0], right))
        found = binary(labels, sensitivity=worth, specificity=worth, prevalence=Beta(2, 2))
        assert (found.posterior.argmax(1) == labels[:, right]).all()
    assert bad.mode() + good.mode() == pytest.approx(1)
    assert Beta().mode() == 0.5


def test_flat_priors_are_none() -> None:
    labels = np.minimum(some(5), 1)
    plain = dawid_skene(labels, 2)
    flat = binary(labels, sensitivity=Beta(), specificity=Beta(), prevalence=Beta())
    np.testing.assert_array_equal(plain.posterior, flat.posterior)


def test_a_prior_of_two_classes_is_one_of_labels_seen_before() -> None:
    labels = np.minimum(some(6), 1)
    counts = dawid_skene(labels, 2, confusion=[[8, 1], [2, 3]], shares=[5, 4])
    betas = binary(labels, sensitivity=Beta(4, 3), specificity=Beta(9, 2), prevalence=Beta(5, 6))
    np.testing.assert_array_equal(counts.posterior, betas.posterior)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: dawid_skene(np.array([0, 1]), 2), "a matrix"),
        (lambda: dawid_skene(np.array([[0, 2]]), 2), "from 0 to 1, or -1, not from 0 to 2"),
        (lambda: dawid_skene(np.array([[0, -2]]), 2), "not from -2 to 0"),
        (lambda: dawid_skene(np.array([[0, 1]]), 2, confusion=-1), "fewer than no labels"),
        (lambda: Beta(0.5, 2).mode(), "1 or more, not 0.5 and 2"),
    ],
)
def test_what_makes_no_sense_is_refused(call, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        call()
