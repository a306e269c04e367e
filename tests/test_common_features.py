"""Clusters by hand: constants, mixtures, hidden carriers; and what must not be taken for one."""

import numpy as np
import pytest

from sanitize.common_features import FLOOR, Rows, _likelihood_ratio, _moments, find_cluster, piles, scaled
from sanitize.data.seeds import stream
from sanitize.data.table import Table

SOURCE, OWN, GROUP = 60, 60, 30  # rows of the said class; undoubted and doubted rows of the label


def rows_of(x_ND):
    """Source rows first, then the label's undoubted rows, then the group; folds alternate."""
    positions = np.arange(len(x_ND))
    own = positions[SOURCE:]
    return Rows(positions[SOURCE + OWN :], positions[:SOURCE], own, positions >= SOURCE + OWN, positions % 2)


def noise(features=20, name="noise"):
    return stream(0, name).normal(0, 1, (SOURCE + OWN + GROUP, features)).astype(np.float32)


def carriers_of(x_ND, least=8):
    found = find_cluster(x_ND, rows_of(x_ND), least, 0.95)
    return None if found is None else found.rows.tolist()


def test_a_constant_in_two_features_is_shared():
    x_ND = noise()
    x_ND[-GROUP:, [3, 7]] = [2.5, -1.5]
    assert carriers_of(x_ND) == list(range(120, 150))


def test_a_mixture_shrinks_to_those_that_share():
    """Ten of thirty carry it, among them even and odd positions."""
    x_ND = noise()
    x_ND[-10:, [3, 7]] = [2.5, -1.5]
    assert carriers_of(x_ND) == list(range(140, 150))
    assert carriers_of(x_ND, least=11) is None


def test_undoubted_carriers_join():
    x_ND = noise()
    x_ND[-GROUP:, [3, 7]] = x_ND[62:66, [3, 7]] = [2.5, -1.5]
    assert carriers_of(x_ND) == [62, 63, 64, 65, *range(120, 150)]


def test_a_small_shift_of_all_features_is_shared():
    """A blend: no feature tells it, three hundred do."""
    x_ND = noise(300)
    x_ND[-GROUP:] += 0.6 * np.sign(stream(0, "pattern").normal(0, 1, 300)).astype(np.float32)
    assert len(set(carriers_of(x_ND)) & set(range(120, 150))) >= 28


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_differ_each_in_its_own_way_share_nothing(seed):
    """Thirty rows with ten large features each, up or down, drawn anew for every row."""
    x_ND = noise(50, f"own {seed}")
    draws = stream(seed, "places")
    for row in range(120, 150):
        x_ND[row, draws.permutation(50)[:10]] += 4 * draws.choice([-1, 1], 10)
    assert carriers_of(x_ND) is None


def test_what_the_label_has_anyway_is_not_shared():
    """The constant stands in every row of the label: it tells the group from the source only."""
    x_ND = noise()
    x_ND[SOURCE:, [3, 7]] = [2.5, -1.5]
    assert carriers_of(x_ND) is None


def test_what_the_said_class_has_anyway_is_not_shared():
    x_ND = noise()
    x_ND[:SOURCE, [3, 7]] = x_ND[-GROUP:, [3, 7]] = [2.5, -1.5]
    assert carriers_of(x_ND) is None


@pytest.mark.parametrize("name", ["noise 2", "noise 3", "noise 5"])
def test_one_feature_is_enough_only_where_no_other_row_has_its_value(name):
    """Twelve rows pile up in one feature of 400, then a row of the other class lies among them; a second such pile."""
    x_ND, piled = noise(400, name), list(range(138, 150))
    x_ND[-12:, 5] = stream(1, "pile").uniform(2.6, 2.65, 12)
    assert carriers_of(x_ND) == piled
    x_ND[0, 5] = 2.62
    assert carriers_of(x_ND) is None  # the next best feature is noise
    x_ND[-12:, 9] = stream(1, "other pile").uniform(2.6, 2.65, 12)
    x_ND[2, 9] = 2.62
    assert carriers_of(x_ND) == piled


def test_too_few_others():
    x_ND = noise()
    x_ND[-GROUP:, 3] = 2.5
    rows = rows_of(x_ND)
    assert find_cluster(x_ND, rows._replace(source=rows.source[:9]), 8, 0.95) is None


def test_the_cluster_does_not_depend_on_the_units_of_columns_or_on_a_constant_one():
    x_ND = noise()
    x_ND[-GROUP:, [3, 7]] = [2.5, -1.5]
    other_ND = np.c_[x_ND * 1000, np.full(len(x_ND), 7.0)].astype(np.float32)
    labels = np.repeat([0, 1], [SOURCE, OWN + GROUP])
    tables = [Table(np.arange(len(x)), x, labels, ("a", "b"), "vector") for x in (x_ND, other_ND)]
    assert [carriers_of(scaled(table)) for table in tables] == [list(range(120, 150))] * 2


def test_piles_by_hand():
    """Twelve rows of the group at 3.02 in feature 4 (bins of 0.05: 3.00 to 3.05), others never near."""
    x_ND = noise()
    x_ND[:, 4] = stream(0, "flat").uniform(-2, 2, len(x_ND))
    x_ND[-12:, 4] = 3.02
    rows = rows_of(x_ND)
    assert piles(x_ND, rows.group, [rows.source, rows.own[:OWN]], 6, 30)[0].tolist() == list(range(138, 150))
    assert all(len(pile) <= 11 for pile in piles(x_ND, rows.group, [rows.source], 6, 11))


def test_the_ratio_by_hand():
    """One feature: the group at 2, the classes at 0 and 4; the group's spread is at most the wider class's."""
    group, low, high = ([[1.0], [3.0]], [[-1.0], [1.0]], [[4.0], [4.0]])
    moments = [_moments(np.array(rows, np.float32)) for rows in (group, low, high)]
    ratio = _likelihood_ratio(moments[0], moments[1:], 1).ratio
    variances = 1 + FLOOR, 1 + FLOOR, FLOOR
    logs = [-0.5 * ((3 - m) ** 2 / v + np.log(v)) for m, v in zip((2, 0, 4), variances, strict=True)]
    assert ratio(np.array([[3.0]], np.float32), np.array([0])) == pytest.approx([logs[0] - max(logs[1:])])


def test_the_feature_that_tells_is_the_one_kept():
    """Of three features the middle one; the ratio then looks at nothing else."""
    group, other = np.zeros((4, 3), np.float32), np.zeros((4, 3), np.float32)
    group[:, 1] = 1
    ratio = _likelihood_ratio(_moments(group), [_moments(other), _moments(other)], 1).ratio
    asked = np.array([[9, 1, 9], [0, 0, 0]], np.float32)
    assert ratio(asked, np.array([0]))[0] > 0 > ratio(asked, np.array([1]))[0]
