"""What is true of each item, learnt from judges' labels beside the truth of other items: never of its own."""

import numpy as np
from numpy.typing import NDArray


def cross_validated(labels: NDArray[np.int64], true: NDArray[np.bool_], *, folds: int = 10) -> NDArray[np.bool_]:
    """(n,): what a logistic regression on the judges' labels (n, m; 1, 0, or -1 of who was not asked) calls each item, learnt
    with the chance above which F1 is highest from all folds but its own. The folds, each with its share of either class, are
    drawn anew for other labels only. Needs scikit-learn, and two items or more of each class."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    said = np.hstack([labels == 1, labels == -1]).astype(np.float64)
    found = np.zeros(len(true), np.bool_)
    parts = StratifiedKFold(min(folds, int(true.sum()), int((~true).sum())), shuffle=True, random_state=0)
    for others, own in parts.split(said, true):
        model = LogisticRegression().fit(said[others], true[others])
        chance = model.predict_proba(said)[:, 1]
        found[own] = chance[own] >= best_cut(chance[others], true[others])
    return found


def best_cut(chance: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """The least chance at which to call an item positive, so that F1 is highest. (n,), (n,); n above 0."""
    order = np.argsort(-chance, kind="stable")
    ranked = chance[order]
    f1 = 2 * np.cumsum(true[order]) / (np.arange(1, len(true) + 1) + true.sum())
    last_of_its_kind = np.append(ranked[1:] < ranked[:-1], True)
    return float(ranked[np.where(last_of_its_kind, f1, -1.0).argmax()])
