"""Agreement: against the literature, against the definitions by brute force, and by its symmetries."""

from dataclasses import replace
from functools import partial
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from pipeline.statistics.agreement import Agreement, Resampling, cohen, fleiss, gwet, krippendorff, raw

NONE = float("nan")
POINT = Resampling(draws=0)
NOMINAL = {"raw": raw, "fleiss": fleiss, "gwet": gwet, "krippendorff": krippendorff}
MEASURES = NOMINAL | {
    "ordinal": partial(krippendorff, level="ordinal"),
    "interval": partial(krippendorff, level="interval"),
}
each_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)

# Krippendorff (2011), example C: four observers, twelve units; also the data of Gwet's irrCAC, cac.raw4raters
OBSERVERS = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
    [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
]).T  # fmt: skip
# fourteen raters, ten items, five categories: how many chose each
FOURTEEN = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def of_counts(rows: list[list[int]]) -> np.ndarray:
    return np.array([np.repeat(np.arange(len(row)), row) for row in rows])


def of_table(table: list[list[int]]) -> np.ndarray:
    """Two raters', of how often the first said the row and the second the column."""
    return np.array([(i, j) for i, row in enumerate(table) for j, times in enumerate(row) for _ in range(times)])


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_krippendorffs(level, alpha: float) -> None:
    found = krippendorff(OBSERVERS, level=level)
    assert found.value == pytest.approx(alpha, abs=5e-4)
    assert found.items == 11  # the last was rated by one observer alone


def test_alpha_of_two_observers_is_krippendorffs() -> None:
    """His examples A (binary) and B (nominal)."""
    binary = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]).T
    assert krippendorff(binary, POINT).value == pytest.approx(0.095, abs=5e-4)
    letters = np.array([list("aabbdcccedda"), list("babbbccceddd")]).T
    codes = np.unique(letters, return_inverse=True)[1].reshape(letters.shape)
    assert krippendorff(codes, POINT).value == pytest.approx(0.692, abs=5e-4)


def test_kappa_of_many_raters_is_that_of_the_literature() -> None:
    assert fleiss(of_counts(FOURTEEN)).value == pytest.approx(0.210, abs=5e-4)
    assert fleiss(OBSERVERS).value == pytest.approx(0.76117, abs=5e-6)  # irrCAC, fleiss.kappa.raw(cac.raw4raters)


@pytest.mark.parametrize(
    ("table", "kappa"),
    # the usual textbook ones, by hand; and irrCAC's cont3x3abstractors
    [
        ([[20, 5], [10, 15]], 0.4),
        ([[45, 15], [25, 15]], 0.1304),
        ([[25, 35], [5, 35]], 0.2593),
        ([[13, 0, 0], [0, 20, 7], [0, 4, 56]], 0.7964094),
    ],
)
def test_kappa_of_two_raters_is_that_of_the_literature(table: list[list[int]], kappa: float) -> None:
    assert cohen(of_table(table)).value == pytest.approx(kappa, abs=5e-5)


def test_ac1_is_gwets() -> None:
    assert gwet(OBSERVERS).value == pytest.approx(0.77544, abs=5e-6)  # irrCAC, gwet.ac1.raw(cac.raw4raters)
    assert gwet(of_table([[13, 0, 0], [0, 20, 7], [0, 4, 56]])).value == pytest.approx(0.8493305, abs=5e-8)
    # his paradox (2002): 118 of 125 agree, and kappa is below zero
    table = of_table([[118, 5], [2, 0]])
    assert gwet(table).value == pytest.approx(0.9408, abs=5e-5)
    assert cohen(table).value == pytest.approx(-0.0234, abs=5e-5)


def test_categories_that_nobody_chose_count_where_they_are_named() -> None:
    table = of_table([[118, 5], [2, 0]])
    assert gwet(table, categories=2) == gwet(table)
    shares = np.array([243, 7]) / 250
    by_chance = (shares * (1 - shares)).sum() / 4
    assert gwet(table, categories=5).value == pytest.approx((118 / 125 - by_chance) / (1 - by_chance))
    with pytest.raises(ValueError, match="2 categories occur, not 1"):
        gwet(table, categories=1)


def by_definition(codes: np.ndarray, level: str) -> dict[str, float]:
    """Fleiss' kappa, AC1 and alpha by loops over pairs. NaN where not defined."""
    items = [[value for value in row if value == value] for row in codes.tolist()]
    rated = [row for row in items if row]
    several = [row for row in items if len(row) >= 2]
    seen = sorted({value for row in rated for value in row})
    if not several or len(seen) < 2:
        return dict.fromkeys(("raw", "fleiss", "gwet", "krippendorff"), NONE)
    agreeing = float(np.mean([np.mean([a == b for a, b in permutations(row, 2)]) for row in several]))
    shares = [float(np.mean([row.count(value) / len(row) for row in rated])) for value in seen]
    kappa_chance = sum(share**2 for share in shares)
    ac1_chance = sum(share * (1 - share) for share in shares) / (len(seen) - 1)
    pool = [value for row in several for value in row]

    def apart(a: float, b: float) -> float:
        if level == "nominal":
            return a != b
        if level == "interval":
            return (a - b) ** 2
        low, high = sorted((a, b))
        return (sum(low <= value <= high for value in pool) - (pool.count(a) + pool.count(b)) / 2) ** 2 if a != b else 0

    within = sum(apart(a, b) / (len(row) - 1) for row in several for a, b in permutations(row, 2)) / len(pool)
    among = float(np.mean([apart(a, b) for a, b in permutations(pool, 2)]))
    return {
        "raw": agreeing,
        "fleiss": (agreeing - kappa_chance) / (1 - kappa_chance),
        "gwet": (agreeing - ac1_chance) / (1 - ac1_chance),
        "krippendorff": 1 - within / among if among else NONE,
    }


CODES = st.integers(2, 5).flatmap(
    lambda raters: st.lists(
        st.lists(st.sampled_from([NONE, 0.0, 1.0, 2.0, 5.0]), min_size=raters, max_size=raters), min_size=1, max_size=9
    ).map(np.array)
)
SEEDS = st.integers(0, 10**6)


def value(agreement: Agreement) -> float:
    """NaN for none, and none has its reason."""
    assert (agreement.value is None) <= (agreement.reason is not None)
    return NONE if agreement.value is None else agreement.value


@settings(derandomize=True, deadline=None)
@given(CODES, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_each_measure_is_what_its_definition_says(codes: np.ndarray, level) -> None:
    wanted = by_definition(codes, level)
    found = {
        "fleiss": fleiss(codes, POINT),
        "gwet": gwet(codes, POINT),
        "krippendorff": krippendorff(codes, POINT, level=level),
    }
    for name, agreement in found.items():
        assert value(agreement) == pytest.approx(wanted[name], abs=1e-9, nan_ok=True), name
    if wanted["raw"] == wanted["raw"]:
        assert value(raw(codes, POINT)) == pytest.approx(wanted["raw"])


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40).map(np.array))
def test_kappa_of_two_raters_is_scikit_learns(codes: np.ndarray) -> None:
    if len(np.unique(codes)) > 1:
        assert value(cohen(codes, POINT)) == pytest.approx(cohen_kappa_score(*codes.T), abs=1e-12)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(CODES, SEEDS, st.sampled_from(list(MEASURES)))
def test_neither_the_raters_nor_the_items_order_changes_anything(codes: np.ndarray, seed: int, name: str) -> None:
    luck = np.random.default_rng(seed)
    other = luck.permuted(codes, axis=1)[luck.permutation(len(codes))]  # whose rating is whose changes nothing either
    few = Resampling(draws=50)
    assert MEASURES[name](other, few) == MEASURES[name](codes, few)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(CODES, st.permutations([0.0, 1.0, 2.0, 5.0]), st.sampled_from(list(NOMINAL)))
def test_what_the_categories_are_called_changes_nothing_nominal(codes: np.ndarray, names, measure: str) -> None:
    renamed = codes.copy()
    for old, new in zip([0.0, 1.0, 2.0, 5.0], names, strict=True):
        renamed[codes == old] = new + 7
    assert value(NOMINAL[measure](renamed, POINT)) == pytest.approx(value(NOMINAL[measure](codes, POINT)), nan_ok=True)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(CODES, st.floats(0.1, 10), st.floats(-100, 100))
def test_the_scales_unit_and_zero_change_no_alpha_of_intervals_nor_any_bending_that_of_ranks(codes, unit, zero) -> None:
    before, after = (value(krippendorff(c, POINT, level="interval")) for c in (codes, zero + unit * codes))
    assert after == pytest.approx(before, abs=1e-6, nan_ok=True)
    before, after = (value(krippendorff(c, POINT, level="ordinal")) for c in (codes, np.exp(codes)))
    assert after == pytest.approx(before, abs=1e-9, nan_ok=True)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40).map(np.array))
def test_without_gaps_alpha_is_scotts_pi_but_for_the_small_samples_correction(codes: np.ndarray) -> None:
    """1 - alpha = (1 - pi) (2n - 1) / 2n; and Scott's pi is Fleiss' kappa of two raters."""
    pi, alpha = value(fleiss(codes, POINT)), value(krippendorff(codes, POINT))
    ratings = codes.size
    assert 1 - alpha == pytest.approx((1 - pi) * (ratings - 1) / ratings, nan_ok=True)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 1)] * 3), min_size=2, max_size=40).map(np.array))
def test_of_two_categories_all_of_alphas_levels_are_one(codes: np.ndarray) -> None:
    nominal, *others = (value(krippendorff(codes, POINT, level=level)) for level in ("nominal", "ordinal", "interval"))
    assert others == pytest.approx([nominal] * 2, nan_ok=True)


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "raw"])
def test_unanimous_ratings_tell_nothing_of_agreement_beyond_chance(name: str) -> None:
    found = MEASURES[name](np.ones((20, 3), int))
    assert found == Agreement(None, None, None, "all ratings are one category", 20)


def test_unanimous_ratings_of_two_tell_nothing_either_but_all_pairs_agree() -> None:
    assert cohen(np.ones((20, 2), int)) == Agreement(None, None, None, "all ratings are one category", 20)
    assert raw(np.ones((20, 2), int)) == Agreement(1, 1, 1, None, 20)


@each_measure
def test_perfect_agreement_is_one(measure) -> None:
    found = measure(np.repeat([[0], [1], [2], [1]] * 3, 3, axis=1))
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1), abs=1e-12)
    assert found.value <= 1


@each_measure
@pytest.mark.parametrize(
    "codes", [np.empty((0, 3)), np.empty((4, 0)), np.full((3, 2), NONE), np.array([[1, NONE], [NONE, 0]])]
)
def test_without_two_ratings_of_an_item_there_is_nothing_to_tell(measure, codes: np.ndarray) -> None:
    assert measure(codes) == Agreement(None, None, None, "no item has two ratings", 0)


def test_two_raters_who_never_met_have_no_kappa() -> None:
    assert cohen(np.array([[1, -1], [-1, 0]])) == Agreement(None, None, None, "no item was rated by both", 0)


@each_measure
def test_of_whole_numbers_minus_one_is_missing_and_of_floats_a_grade(measure) -> None:
    whole = np.array([[0, 1, 1], [2, 2, -1], [-1, 0, 0], [1, 1, 0]])
    floats = np.where(whole == -1, NONE, whole)
    assert measure(whole) == measure(floats)
    assert value(measure(whole.astype(float))) != value(measure(whole))
    assert measure(whole.astype(np.int8)) == measure(whole)
    assert measure(whole[[0, 3]].astype(bool)) == measure(whole[[0, 3]])


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: raw(np.ones(3)), "a matrix"),
        (lambda: fleiss(np.array([[1, -2]])), "none is smaller"),
        (lambda: gwet(np.array([[1.0, np.inf]])), "infinite"),
        (lambda: cohen(np.ones((3, 3))), "of two raters, not of 3"),
    ],
)
def test_what_makes_no_sense_is_refused(call, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        call()


def test_a_whole_type_that_has_no_minus_one_has_nothing_missing() -> None:
    codes = np.array([[0, 1], [1, 1], [0, 0]])
    assert fleiss(codes.astype(np.uint8)) == fleiss(codes)


def drawn(chance: np.random.Generator, items: int, raters: int = 3, categories: int = 3) -> np.ndarray:
    """Codes of raters who are right seven times in ten, one in ten missing."""
    true = chance.integers(categories, size=(items, 1))
    wrong = chance.random((items, raters)) > 0.7
    codes = np.where(wrong, chance.integers(categories, size=(items, raters)), true).astype(float)
    codes[chance.random((items, raters)) < 0.1] = NONE
    return codes


@each_measure
def test_the_interval_is_that_of_items_drawn_again_one_by_one(measure) -> None:
    chance = np.random.default_rng(3)
    codes = drawn(chance, 80)
    found = measure(codes, Resampling(draws=4000))
    again = [value(measure(codes[chance.integers(80, size=80)], POINT)) for _ in range(1500)]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])), abs=0.02)


@pytest.mark.parametrize("items", [300, 6_000])
def test_few_patterns_and_many_are_drawn_alike(items: int) -> None:
    """Either way the interval is about as wide as the spread of the measure over other data of the kind."""
    chance = np.random.default_rng(4)
    found = fleiss(drawn(chance, items, raters=3))
    others = [value(fleiss(drawn(chance, items, raters=3), POINT)) for _ in range(60)]
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(others), rel=0.35)


def test_a_higher_level_is_a_wider_interval_and_a_seed_is_the_same_each_time() -> None:
    codes = drawn(np.random.default_rng(5), 60)
    usual = Resampling()
    narrow, wide = (fleiss(codes, replace(usual, level=level)) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert fleiss(codes, usual) == fleiss(codes)
    assert fleiss(codes, replace(usual, seed=1)) != fleiss(codes)


def test_an_interval_takes_two_items_and_resamples_that_have_a_value() -> None:
    one = raw(np.array([[0, 0, 1]]))
    assert (one.value, one.low, one.reason) == (pytest.approx(1 / 3), None, "an interval takes two items or more")
    rare = np.zeros((30, 2), int)
    rare[0] = [1, 1]
    found = cohen(rare)  # about one resample in three holds no second category
    assert (found.value, found.low, found.high) == (1, None, None)
    assert found.reason is not None
    assert found.reason.endswith("of 2000 resamples have no value")
    assert gwet(rare).low == 1  # which has a value there: that both agree
