"""The options of `sanitize filter` besides params.yaml, checked."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from sanitize.errors import BadInput, BadParams
from sanitize.io.destinations import local_path, refuse_address, refuse_suffix
from sanitize.params import Params
from sanitize.summary_file import refuse_summary

OnBad = Literal["keep", "reject", "fail"]
# Options that cannot change a verdict: whether and where its outcome is written, and from where a run goes on.
NO_VERDICT = {
    "max_removed",
    "max_removed_class",
    "max_unreadable",
    "force",
    "dry_run",
    "report",
    "summary",
    "timings",
    "reasons",
    "save_voters",
    "resume",
}

PARTS = {  # options that are a part of the rows, and what may help who gave another number
    "max_removed": ", such as 0.05",
    "max_removed_class": ", such as 0.2",
    "max_unreadable": "; the default is 0.05",
}


@dataclass(frozen=True)
class Rules:
    """What becomes of rows that are not judged.

    on_bad_row      of rows that cannot be read: an image that is damaged, a label that is null, an infinite value
    least_class     rows below which a class is too small to be judged, at least the number of components
    on_small_class  of the rows of such classes
    image_root      folder below which images may be opened by their path; None = nowhere
    """

    on_bad_row: OnBad = "reject"
    least_class: int = 10
    on_small_class: OnBad = "keep"
    image_root: Path | None = None


@dataclass(frozen=True)
class Options:
    """How to filter, besides params.yaml.

    rules         what becomes of rows that cannot be judged
    fit_rows      fit on a stratified sample of so many rows, then judge all rows in a stream; None = all in memory
    max_removed   part of the rows that may be rejected, 0..1; with more the kept rows are not written. None = any
    max_removed_class  part of each class's rows that may be rejected, 0..1; likewise. None = any
    max_unreadable  part of the rows that may be unreadable, 0..1, rejected or kept; likewise. None =
                  `filter_summary.MAX_UNREADABLE`, but one row always may
    force         write the kept rows all the same
    dry_run       write no rows; manifest, report and voters are written where they are asked for
    embeddings    the one column of vectors to look at, in place of the columns found
    pred_probs    file of somebody's own out-of-sample class probabilities: one more voter
    voters        folder of voters fitted before, which are then used and none are fitted
    report        where a page about the outcome goes; None = nowhere
    summary       local file where the summary goes, also beyond a limit and of a dry run; None = nowhere
    timings       whether it has the seconds, without which the same outcome is the same bytes
    save_voters   folder where the voters go; None = nowhere
    split         the split whose files are taken, where the input's names tell several
    id_column     column of the user's own keys, which the manifest repeats and the voters do not see
    reasons       whether the rejected rows get the columns reason, group and suspicion
    overrides     files of people's decisions, which win over all verdicts: see `overrides.read_overrides`
    resume        go on from what a killed run of the same input, parameters and outputs has left
    """

    rules: Rules = field(default_factory=Rules)
    fit_rows: int | None = None
    max_removed: float | None = None
    max_removed_class: float | None = None
    max_unreadable: float | None = None
    force: bool = False
    dry_run: bool = False
    embeddings: str | None = None
    pred_probs: Path | None = None
    voters: Path | None = None
    report: Path | None = None
    summary: Path | None = None
    timings: bool = False
    save_voters: Path | None = None
    split: str | None = None
    id_column: str | None = None
    reasons: bool = False
    overrides: tuple[Path, ...] = ()
    resume: bool = False

    def deciding(self) -> dict[str, Any]:
        """What is not the default among all that can change a verdict, by name, the rules' own names among them."""
        own = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        own |= {field.name: (getattr(self.rules, field.name), field.default) for field in fields(self.rules)}
        del own["rules"]
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, (value, default) in own.items()
            if name not in NO_VERDICT and value != default
        }


def make_options(
    *, on_bad_row: str, on_small_class: str, least_class: int, image_root: Path | None, **others: Any
) -> Options:
    """Options from the command line's values.

    others   the other fields of Options
    Raises   BadParams: a word that is none of keep, reject and fail, or a number outside its bounds
             BadInput: `image_root` is no folder
    """
    for name, word in (("--on-bad-row", on_bad_row), ("--on-small-class", on_small_class)):
        if word not in get_args(OnBad):
            raise BadParams(f"{name} is {word!r}; must be keep, reject or fail")
    if least_class < 1:
        raise BadParams(f"--least-class is {least_class}; must be at least 1; the default is 10")
    if image_root is not None and not image_root.is_dir():
        raise BadInput(f"--image-root {image_root}: no such folder; check the path")
    fit_rows = others.get("fit_rows")
    if fit_rows is not None and fit_rows < 2:
        raise BadParams(f"--fit-rows is {fit_rows}; must be at least 2; 20000 is a good start")
    for name, hint in PARTS.items():
        part = others.get(name)
        if part is not None and not 0 <= part <= 1:
            raise BadParams(f"--{name.replace('_', '-')} is {part}; must be a number in [0, 1]{hint}")
    rules = Rules(on_bad_row, least_class, on_small_class, image_root)  # type: ignore[arg-type]
    return Options(rules, **others)


def refuse_options(
    kept: str | Path | None,
    rejected: str | Path | None,
    manifest: str | Path | None,
    params: Params,
    options: Options,
) -> None:
    """Refuse what does not go together, and outputs that have another format's name.

    Raises   BadParams
    """
    if kept is None and (not options.dry_run or rejected is not None):
        raise BadParams("no place for the kept rows is given; name OUT, or ask for a dry run (--dry-run)")
    if options.voters is not None:
        data = params.data
        for given, name in (
            (options.fit_rows, "--fit-rows"),
            (options.save_voters, "--save-voters"),
            (options.embeddings, "--embeddings"),
            (data.label, "--label"),
            (data.inputs, "--inputs"),
            (data.image_size, "--image-size"),
        ):
            if given is not None:
                raise BadParams(
                    f"--voters and {name} are given; voters fitted before bring this with them, leave it out"
                )
    if options.report is not None:
        refuse_address(local_path(str(options.report)), "--report")
    if options.summary is not None:
        refuse_summary(options.summary)
    if options.reasons and rejected is None:
        raise BadParams("--reasons is given without --rejected; name where the rejected rows go, or leave it out")
    if options.timings and options.summary is None:
        raise BadParams("--timings is given without --summary; name where the summary goes, or leave it out")
    for place, name in ((kept, "OUT"), (rejected, "--rejected"), (manifest, "--manifest")):
        if place is not None:
            refuse_suffix(str(place), name)
    if options.report is not None:
        refuse_suffix(str(options.report), "--report", page=True)
