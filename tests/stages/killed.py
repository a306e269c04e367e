"""Stages that are killed and started again, over and over: python -m tests.stages.killed FOLDER KILLS -> JSON.

One process imports the stages and forks a child for every try, so that a try costs nothing to start. A child runs the
stages that are not done yet, and is killed at a random moment; what it left is what the next one finds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from sanitize.data.seeds import stream
from sanitize.learners import torch_learner
from sanitize.learners.nets import mlp
from stages import partition, selftrain, vote

STAGES = {"partition": partition.main, "vote": vote.main, "selftrain": selftrain.main}
RESUMED, ROUNDS = 5, 20  # where kills come early in the stages, more of them are needed; but not without end
LOADED = (torch_learner, mlp)  # here, so that no child spends its time on it


def attempt(folder: Path, limit: float | None) -> bool:
    """One try at the stages in `folder`; whether it came to its end."""
    child = os.fork()
    if not child:
        os.chdir(folder)
        os.dup2(os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        for name, main in STAGES.items():
            if not Path(f"{name}.done").exists():
                main()
                Path(f"{name}.done").touch()
        os._exit(0)
    if limit is not None:
        time.sleep(limit)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, (folder / "log").read_text()
    return not os.WIFSIGNALED(status)


def kept(folder: Path) -> dict[str, str]:
    """Every file in data, as text; what is hidden too."""
    return {
        str(path.relative_to(folder)): path.read_bytes().hex()
        for path in sorted((folder / "data").rglob("*"))
        if path.is_file()
    }


def main() -> None:
    """Runs once undisturbed, then again and again with kills until enough of them left something to go on from."""
    folder, enough = Path(sys.argv[1]), int(sys.argv[2])
    start = folder / "start"
    undisturbed = folder / "undisturbed"
    shutil.copytree(start, undisturbed)
    began = time.monotonic()
    assert attempt(undisturbed, None)
    seconds = time.monotonic() - began
    expected = kept(undisturbed)
    draws = stream(0, "kills")
    kills, rounds, differing, resumed = 0, 0, [], 0
    while kills < enough or (resumed < RESUMED and rounds < ROUNDS):
        own = folder / f"round_{rounds}"
        shutil.copytree(start, own)
        most = seconds / 8  # of one try; more with every kill, so that it comes to its end
        while not attempt(own, float(draws.uniform(0, most))):
            kills += 1
            most *= 1.1
        rounds += 1
        found = kept(own)
        differing += [name for name in {*found, *expected} if found.get(name) != expected.get(name)]
        resumed += (own / "log").read_text().count("going on")
    report = {"kills": kills, "rounds": rounds, "differing": differing, "resumed": resumed, "seconds": seconds}
    print(json.dumps({**report, "files": sorted(expected)}))


if __name__ == "__main__":
    main()
