"""The quick ones among the inputs that other people write; `python -m tests.inputs` runs all of them."""

from __future__ import annotations

import pytest

from tests.closure import ROOT
from tests.inputs.__main__ import kinds, trials
from tests.inputs.trial import run

QUICK = [(kind, trial) for kind in kinds() for trial in trials(kind) if trial.quick]


@pytest.mark.parametrize(("kind", "trial"), QUICK, ids=[f"{kind}: {trial.name}" for kind, trial in QUICK])
def test_outcome(kind, trial, tmp_path):
    _, problem = run(trial, tmp_path, ROOT)
    assert problem is None


def test_names_are_one_inputs_own():
    names = [(kind, trial.name) for kind in kinds() for trial in trials(kind)]
    assert len(set(names)) == len(names)
