"""The quick ones among the inputs that other people write; `python -m tests.inputs` runs all of them."""

from __future__ import annotations

import subprocess
import sys

from tests.closure import ROOT
from tests.inputs.__main__ import kinds, trials


def test_the_quick_ones_come_out_right():
    command = [sys.executable, "-m", "tests.inputs", "--quick", "--workers", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    many = sum(trial.quick for kind in kinds() for trial in trials(kind))
    assert many > 10
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.endswith(f"{many} inputs, 0 wrong\n")


def test_names_are_one_inputs_own():
    names = [(kind, trial.name) for kind in kinds() for trial in trials(kind)]
    assert len(set(names)) == len(names)
