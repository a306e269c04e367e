"""The curves of both data sets -> figures (SVG) and one Markdown page."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from experiments.certified.settings import HERE, DataSet, Line, Settings, read_settings
from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write
from stages.common import stage_app

app = stage_app("certified-figures", pipeline=False)
Curves = dict[str, list[Line]]  # what a curve is called -> its points
METHODS = {"knn": "kNN", "rnn": "rNN", "dpa": "DPA", "run_off": "DPA with run-off", "bagging": "bagging"}
CERTIFICATES = {
    "individual": "individual",
    "random_groups": "RD groups",
    "island": "ISLAND groups",
    "global": "no groups (ours)",
    "label_budgets": "label budgets (ours)",
}
SHOWN = (0, 50, 100, 200, 500, 1000, 2000)  # poisoning sizes of the tables
STYLE: Any = {"svg.hashsalt": "certified", "svg.fonttype": "none", "font.size": 9}


@app.command()
def main(
    curves: Path,
    figures: Path = Path("reports/certified/figures"),
    markdown: Path = Path("reports/certified.md"),
    params: Path = HERE / "params.yaml",
) -> None:
    """Draw what the CSV files of the folder CURVES hold."""
    lines = [line for file in sorted(curves.glob("*.csv")) for line in _read(file)]
    if not lines:
        raise BadInput(f"{curves}: holds no curves; run the stages neighbors and ensembles first")
    text = [HEAD]
    drawn: dict[Path, Figure] = {}
    for name in sorted({line.dataset for line in lines}):
        settings, chosen = read_settings(params, name)
        own = [line for line in lines if line.dataset == name]
        parts = {
            "methods": ("Figure 2: methods at matched accuracy", matched(own, settings, chosen)),
            "joint": ("Figure 3: rNN, one test alone and together", joint(own, "rnn", settings.test_rows)),
            "joint-knn": ("The same for kNN", joint(own, "knn", settings.test_rows)),
            "k": ("Impact of k, individual certificates", impact(own, "knn", settings.test_rows)),
            "r": ("Impact of r, individual certificates", impact(own, "rnn", settings.test_rows)),
        }
        text += [f"\n## {name}\n"]
        for part, (title, found) in parts.items():
            place = figures / f"{name}-{part}.svg"
            drawn[place] = draw(f"{name}: {title}", found)
            text += [f"### {title}\n", f"![{title}](certified/figures/{place.name})\n", table(found)]
    with atomic_write(markdown, *drawn) as (page, *drafts), matplotlib.rc_context(STYLE):
        page.write_text("\n".join(text))
        for draft, figure in zip(drafts, drawn.values(), strict=True):
            figure.savefig(draft, format="svg", metadata={"Date": None})


HEAD = """# Certified accuracy: the second paper's figures 2 and 3, and bounds beyond it

Made by `dvc repro experiments/certified/dvc.yaml`; all numbers stand in reports/certified/curves. All training rows,
HOG features in 8 bits, L1 distance. Poisoning sizes count max(rows removed, rows added) for every method: DPA's own
certificates, which count insertions plus deletions, are halved. Figure 2 is on the first 2,000 test rows (base
learners are slower than neighbours), the others on 10,000; of each method it takes the setting whose CA(0) is nearest
to one number (`match` in experiments/certified/params.yaml). DPA and bagging have base learners on the same features;
bagging has confidence 99.9%, all the others are certain, so that their CA(0) is the accuracy without poison. Their
curves rest on these simple base learners: better ones would lift DPA and bagging, but not the neighbours.

Labels are fixed, as `sanitize certify --labels-fixed` has them: poison bears one of the data set's ten. Counting labels
that no row has yet changes no figure of one test alone, of groups or of "no groups" (docs/certificates.md has the
proof). For label budgets on CIFAR-10 (r = 20.75, k = 5000; e = 10 to 500; searches of 2,000 boxes) it costs at most
0.12 of 100 points.
"""


def _read(file: Path) -> list[Line]:
    with file.open(newline="") as opened:
        return [
            Line(
                row["dataset"],
                row["method"],
                row["setting"],
                int(row["tests"]),
                float(row["clean_accuracy"]),
                row["certificate"],
                int(row["poisoning_size"]),
                float(row["certified_accuracy"]),
            )
            for row in csv.DictReader(opened)
        ]


def matched(lines: list[Line], settings: Settings, chosen: DataSet) -> Curves:
    """Of each method the setting whose CA(0) is nearest to `match`; for neighbours label budgets, too."""
    tests = settings.ensemble_test_rows
    found: Curves = {}
    for method, name in METHODS.items():
        own = [line for line in lines if line.method == method and line.tests == tests]
        if not own:
            continue
        start = [line for line in own if line.poisoning_size == 0]
        best = min(start, key=lambda line: abs(line.certified_accuracy - chosen.match)).setting
        for certificate in ("individual", "label_budgets"):
            curve = [line for line in own if line.setting == best and line.certificate == certificate]
            if curve:
                more = "" if certificate == "individual" else ", label budgets (ours)"
                found[f"{name}, {best}{more}"] = curve
    return found


def joint(lines: list[Line], method: str, tests: int) -> Curves:
    """Every certificate of the setting that has all of them."""
    own = [line for line in lines if line.method == method and line.tests == tests]
    (setting,) = {line.setting for line in own if line.certificate == "label_budgets"}
    return {
        f"{METHODS[method]}, {setting}, {name}": curve
        for certificate, name in CERTIFICATES.items()
        if (curve := [line for line in own if line.setting == setting and line.certificate == certificate])
    }


def impact(lines: list[Line], method: str, tests: int) -> Curves:
    """The individual certificates of every setting."""
    found: Curves = {}
    for line in lines:
        if (line.method, line.tests, line.certificate) == (method, tests, "individual"):
            found.setdefault(f"{METHODS[method]}, {line.setting}", []).append(line)
    return found


def draw(title: str, curves: Curves) -> Figure:
    """One chart of certified accuracy over the poisoning size, as far as a curve is above 0."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        ends = [line.poisoning_size for curve in curves.values() for line in curve if line.certified_accuracy > 0]
        for number, (name, curve) in enumerate(curves.items()):
            points = sorted((line.poisoning_size, line.certified_accuracy) for line in curve)
            dashes = ("-", "--", "-.", ":")[number % 4]
            axes.plot(*zip(*points, strict=True), dashes, drawstyle="steps-pre", color=f"C{number}", label=name)
        axes.set(xlim=(0, max(ends, default=1)), ylim=(0, None), title=title)
        axes.set(xlabel="poisoning size e", ylabel="certified accuracy")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    return figure


def table(curves: Curves) -> str:
    """The curves at some poisoning sizes, in Markdown."""
    sizes = [e for e in SHOWN if all(any(line.poisoning_size == e for line in curve) for curve in curves.values())]
    head = ["", *(f"e = {e}" for e in sizes)]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, curve in curves.items():
        values = {line.poisoning_size: line.certified_accuracy for line in curve}
        rows.append(f"| {name} | {' | '.join(f'{100 * values[e]:.1f}%' for e in sizes)} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    app()
