"""How attacks are found and their options checked; the attack that does nothing."""

import numpy as np
import pytest

from sanitize.attacks import base
from sanitize.data.table import Table
from sanitize.errors import BadParams
from sanitize.params import AttackParams


def table(rows=6):
    pixels = np.arange(rows * 16, dtype=np.uint8).reshape(rows, 4, 4, 1)
    return Table(np.arange(rows), pixels, np.arange(rows) % 2, ("cat", "dog"), "image")


def test_attacks_present_are_the_modules_with_a_poison():
    found = base.names()
    assert {"none", "patch"} <= set(found) and not {"base", "select"} & set(found)


def test_triggers_present_are_the_modules_with_a_trigger():
    assert base.names("trigger") == ["blend", "features", "patch", "stripes", "watermark"]
    assert set(base.names("trigger")) <= set(base.names())


@pytest.mark.parametrize("name", ["patches", "base", "select", "backdoor", "canvas", "../patch", ""])
def test_other_names_are_refused_with_a_list(name):
    with pytest.raises(BadParams, match=r"attack.name is '.*'; must be one of .*none, patch"):
        base.find(AttackParams(name=name))


@pytest.mark.parametrize("name", ["none", "several", "all_to_one", "select"])
def test_attacks_that_are_no_triggers_are_refused_as_such(name):
    with pytest.raises(BadParams, match=rf"attack.trigger.name is '{name}'; must be one of blend, .*, watermark"):
        base.find_trigger(AttackParams(name=name))


def test_a_trigger_is_pure_and_bound_to_its_options():
    draw = base.find_trigger(AttackParams(name="patch", shape="pixel", color=[9], position=[1, 2]))
    before = table().inputs
    after = draw(table(), np.ones(6, bool), 0)(before)
    assert np.array_equal(before, table().inputs)
    changed = np.argwhere(after != before)
    assert changed.tolist() == [[row, 1, 2, 0] for row in range(6) if before[row, 1, 2, 0] != 9]


def test_none_changes_nothing_and_ignores_another_attacks_keys():
    attack = base.find(AttackParams(name="none", source=1, target=7, nonsense=True))
    poisoned = attack(table(), table(3), 0)
    assert len(poisoned.positions) == len(poisoned.inputs) == len(poisoned.labels) == 0
    assert len(poisoned.triggered) == len(poisoned.targets) == 0
    assert poisoned.inputs.shape == (0, 4, 4, 1) and poisoned.triggered.class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": 0}, "attack.target is missing; add it, or choose another attack than patch"),
        ({"share": 1.4}, "attack.share is 1.4; input should be less than or equal to 1"),
        ({"share": "many"}, "attack.share is 'many'; input should be a valid number"),
        ({"shpe": "L"}, "attack.shpe is no parameter of patch; color, position, shape, share, size, source, target"),
        ({"shape": "star"}, "attack.shape is 'star'; input should be 'pixel', 'L', 'X', 'checkerboard' or 'square'"),
        ({"source": True}, "attack.source is true; true and false are no numbers; give a number or a name"),
        ({"color": "blue"}, "attack.color is 'blue'; input should be 'random', or input should be a valid list"),
        ({"color": [0, 256]}, r"attack.color.1 is 256; input should be less than or equal to 255"),
        ({"position": [1]}, r"attack.position is \[1\]; .*list should have at least 2 items"),
        ({"position": [-1, 0]}, "attack.position.0 is -1; input should be greater than or equal to 0"),
        ({"size": 0}, "attack.size is 0; input should be greater than or equal to 1"),
    ],
)
def test_bad_options_name_key_value_and_bound(options, message):
    given = {"source": 0, "target": 1} | options
    if message.startswith("attack.target"):
        del given["target"]
    with pytest.raises(BadParams, match=message):
        base.find(AttackParams(name="patch", **given))
