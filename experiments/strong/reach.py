"""The bounds that a method should reach, and whether it does. Rows of the table -> findings; every run counts."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

TMR_LIMIT = 0.01  # the paper's bar for a defence that succeeded
SHARES = (0.05, 0.2)
RUNS_UNDER = 0.95
MOST_FP = {"mnist5k": 0.02, "fashion5k": 0.08}
LEAST_AUC = {"mnist5k": 0.98, "fashion5k": 0.96, "cifar10k": 0.9}
MOST_DROPPED = {"mnist5k": 0.01, "fashion5k": 0.04, "cifar10k": 0.08}
OF_PAPER = 0.5
OF_FAST = 2.0


@dataclass(frozen=True)
class Finding:
    """One bound and one method.

    what     the bound in words
    found    what was measured, in words; empty where there is nothing to measure it on
    reached  None where there is nothing
    """

    what: str
    found: str
    reached: bool | None


def findings(rows: pd.DataFrame, method: str) -> list[Finding]:
    """Every bound for one method.

    rows    test cells that were not skipped, as `table.read` gives them
    method  whose
    """
    attacked = rows[rows["poisoned"] > 0]
    counting = attacked[attacked["counts"].eq(True)]
    own = counting[counting["method"] == method]
    middle = own[own["share"].between(*SHARES)]
    small = middle[middle["data"].isin(MOST_FP)]
    clean = rows[(rows["poisoned"] == 0) & (rows["method"] == method)]
    under = int((small["sanitized_tmr"] < TMR_LIMIT).sum())
    return [
        Finding(
            "MNIST-5k and Fashion-MNIST-5k, shares 5 to 20%: TMR under 1% in at least 95% of the runs",
            f"{under} of {len(small)}" if len(small) else "",
            under >= RUNS_UNDER * len(small) if len(small) else None,
        ),
        *(
            _worst(f"{data}, shares 5 to 20%: at most {most:.0%} of the clean rows dropped", _of(middle, data), most)
            for data, most in MOST_FP.items()
        ),
        *(
            _least(data, least, _of(own if data == "cifar10k" else middle, data)["auc"])
            for data, least in LEAST_AUC.items()
        ),
        _against_paper(attacked, method),
        *(
            _worst(f"{data} without an attack: at most {most:.0%} of the rows dropped", _of(clean, data), most)
            for data, most in MOST_DROPPED.items()
        ),
        _cost(rows, method),
    ]


def fp_at_fn(own: pd.Series, fn: int) -> int:
    """The fewest clean rows that a method drops with no more than `fn` poisoned rows kept.

    By its own verdict, or by dropping the most suspicious rows as far as needed (fp_at_fn of the cell).
    """
    options = [own["fp_at_fn"][fn] if fn < own["poisoned"] else 0]
    return int(min([*options, own["fp"]] if own["fn"] <= fn else options))


def _of(rows: pd.DataFrame, data: str) -> pd.DataFrame:
    return rows[rows["data"] == data]


def _worst(what: str, rows: pd.DataFrame, most: float) -> Finding:
    """FP of the worst run."""
    if not len(rows):
        return Finding(what, "", None)
    share = rows["fp"] / (rows["rows"] - rows["poisoned"])
    found = f"{share.max():.2%} at most, {share.mean():.2%} in the mean of {len(rows)}"
    return Finding(what, found, bool(share.max() <= most))


def _least(data: str, least: float, auc: pd.Series) -> Finding:
    """AUC of the worst run."""
    shares = "" if data == "cifar10k" else ", shares 5 to 20%"
    what = f"{data}{shares}: AUC over {least:g}"
    if not len(auc):
        return Finding(what, "", None)
    return Finding(
        what, f"{auc.min():.4f} at least, {auc.mean():.4f} in the mean of {len(auc)}", bool(auc.min() > least)
    )


def _against_paper(attacked: pd.DataFrame, method: str) -> Finding:
    """FP against the preset `paper`'s at its FN, on every run of CIFAR-10 that both have."""
    what = "CIFAR-10: FP at most half of that of `paper` at equal FN"
    cifar = attacked[attacked["data"].isin(("cifar5k", "cifar10k"))]
    paper = cifar[cifar["method"] == "paper"].set_index("run")
    own = cifar[(cifar["method"] == method) & cifar["run"].isin(paper.index)]
    pairs = [
        (fp_at_fn(row, int(paper.loc[row["run"], "fn"])), int(paper.loc[row["run"], "fp"])) for _, row in own.iterrows()
    ]
    if not pairs or method == "paper":
        return Finding(what, "", None)
    shown = ", ".join(f"{fp} against {theirs}" for fp, theirs in pairs)
    return Finding(what, shown, all(fp <= OF_PAPER * theirs for fp, theirs in pairs))


def _cost(rows: pd.DataFrame, method: str) -> Finding:
    """CPU seconds of one core against the preset `fast`'s, over the runs that both have."""
    what = "CPU seconds of the filter: at most twice those of `fast`"
    fast = rows[rows["method"] == "fast"].set_index("run")["cpu_seconds"]
    own = rows[rows["method"] == method].set_index("run")["cpu_seconds"]
    both = own.index.intersection(fast.index)
    if not len(both) or method == "fast":
        return Finding(what, "", None)
    ratio = own[both].sum() / fast[both].sum()
    return Finding(what, f"{ratio:.2f} times, over {len(both)} runs", bool(ratio <= OF_FAST))
