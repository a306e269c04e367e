"""What a filter run remembers in its scratch folder: the outcome of fitting, and the shards that are done.

Voters are kept as --save-voters writes them, verdicts as parquet, counts as JSON. A run that was killed goes on from
them; what it then writes are the same bytes.
"""

# N rows
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sanitize.data.recipe import Recipe
from sanitize.data.shards import Shard, Source
from sanitize.data.table import IntArray
from sanitize.errors import BadInput
from sanitize.evidence.groups import Groups, RowGroup
from sanitize.filter_pass import Drafts
from sanitize.filter_tally import Tally, Verdicts
from sanitize.io.atomic import put_file, sync
from sanitize.io.origin import called
from sanitize.panel import FILE, Panel, load_panel

FIT = "fit.json"
VERDICTS = "verdicts.parquet"
POSITION = "position"  # its column, where not all rows were fitted to


@dataclass(frozen=True)
class Fit:
    """What fitting came to.

    panel      the voters, where they were asked for or are to judge
    verdicts   on the rows that were fitted to
    positions  int64, ascending, where these stand in the input; None = they are all of it
    groups     of those of them that were dropped
    """

    recipe: Recipe
    panel: Panel | None
    verdicts: Verdicts
    positions: IntArray | None
    groups: Groups


class Memory:
    """What is done of one run.

    folder  where it is kept; it is there
    source  the input
    drafts  where kept and rejected rows go
    """

    def __init__(self, folder: Path, source: Source, drafts: Drafts) -> None:
        self.folder, self.source, self.drafts = folder, source, drafts

    @property
    def fitted(self) -> bool:
        """Whether fitting is done, so that a killed run is worth going on with."""
        return (self.folder / FIT).exists()

    def keep_fit(self, fit: Fit) -> None:
        """Remember what fitting came to. BadInput: it cannot be written."""
        try:
            if fit.panel is not None:
                with put_file(self.folder / FILE) as draft:
                    fit.panel.save(draft)
            columns = {field.name: getattr(fit.verdicts, field.name) for field in fields(fit.verdicts)}
            columns["reason_n"] = pa.array(columns["reason_n"], pa.string()).dictionary_encode()
            if fit.positions is not None:
                columns[POSITION] = fit.positions
            with put_file(self.folder / VERDICTS) as draft, open(draft, "wb") as file:
                pq.write_table(pa.table(columns), file)
            about = {
                "recipe": fit.recipe.model_dump(mode="json"),
                "panel": fit.panel is not None,
                "groups": [group.model_dump(mode="json") for group in fit.groups.known],
                "classes": fit.groups.classes,
            }
            with put_file(self.folder / FIT) as draft:
                draft.write_text(json.dumps(about))
        except (OSError, pa.ArrowException) as error:
            raise _unwritable(self.folder, error) from error

    def fit(self) -> Fit | None:
        """What `keep_fit` has kept; None = nothing."""
        if not self.fitted:
            return None
        with _whole(self.folder):
            about = json.loads((self.folder / FIT).read_bytes())
            panel = load_panel(self.folder) if about["panel"] else None
            verdicts, positions = _verdicts(self.folder / VERDICTS)
            known = tuple(RowGroup.model_validate(group) for group in about["groups"])
            groups = Groups(known, tuple(about["classes"]))
            return Fit(Recipe.model_validate(about["recipe"]), panel, verdicts, positions, groups)

    def manifest_of(self, number: int) -> Path:
        """Where the manifest of one shard goes."""
        return self.folder / f"shard-{number:08}.manifest"

    def keep_shard(self, number: int, tally: Tally) -> None:
        """Remember that a shard's files are written. BadInput: it cannot be written."""
        sizes = [path.stat().st_size for path in self._files(number)]
        written = {"sizes": sizes, "tally": _plain(tally)}
        try:
            for path in self._files(number):
                sync(path)
            with put_file(self._about(number)) as draft:
                draft.write_text(json.dumps(written))
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def shard(self, number: int) -> Tally | None:
        """What was counted in a shard that is done; None = it is not."""
        path = self._about(number)
        if not path.exists():
            return None
        files = self._files(number)
        with _whole(self.folder):
            written = json.loads(path.read_bytes())
            if (
                not all(file.is_file() and not file.is_symlink() for file in files)
                or [file.stat().st_size for file in files] != written["sizes"]
            ):
                return None
            return _tally(written["tally"])

    def manifests(self, shards: Sequence[Shard]) -> Iterator[pa.RecordBatch]:
        """The manifests of all shards, in order."""
        for number in range(len(shards)):
            with open(self.manifest_of(number), "rb") as raw, pq.ParquetFile(raw) as file:
                yield from file.iter_batches()

    def _about(self, number: int) -> Path:
        return self.folder / f"shard-{number:08}.json"

    def _files(self, number: int) -> list[Path]:
        name = self.source.shards[number].name
        rows = [place / name for place in (self.drafts.kept, self.drafts.rejected) if place is not None]
        return [*rows, *([] if self.drafts.manifest is None else [self.manifest_of(number)])]


@contextmanager
def _whole(folder: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, FileNotFoundError, pa.ArrowException) as error:
        raise BadInput(
            f"{called(folder)}: what a killed run has left is damaged ({error!r}); filter without --resume, which "
            "removes it"
        ) from error


def _unwritable(folder: Path, error: Exception) -> BadInput:
    return BadInput(f"{called(folder).parent}: cannot be written ({error}); free or name another place")


def _verdicts(path: Path) -> tuple[Verdicts, IntArray | None]:
    with open(path, "rb") as file:
        table = pq.read_table(file)
    reasons = table.column("reason_n").combine_chunks()
    reasons = pa.concat_arrays(reasons.chunks) if isinstance(reasons, pa.ChunkedArray) else reasons
    names = np.array([*reasons.dictionary.to_pylist(), ""], object)[:-1]  # one string for all rows that share it
    columns = {"reason_n": names[reasons.indices.to_numpy()]}
    for name in table.column_names:
        if name != "reason_n":
            columns[name] = table.column(name).to_numpy().copy()
    positions = columns.pop(POSITION, None)
    return Verdicts(**columns), positions


def _plain(tally: Tally) -> dict[str, Any]:
    """A tally as JSON; only classes with rows."""
    return {
        "rows": tally.rows,
        "rejected": tally.rejected,
        "reasons": dict(tally.reasons),
        "unjudged": dict(tally.unjudged),
        "unstable": tally.unstable,
        "classes": {name: counts for name, counts in tally.classes.items() if counts[0]},
        "named": tally.named,
        "against": tally.against,
        "groups": {str(number): rows for number, rows in tally.groups.items()},
        "causes": tally.causes,
    }


def _tally(plain: dict[str, Any]) -> Tally:
    return Tally(
        plain["rows"],
        plain["rejected"],
        Counter(plain["reasons"]),
        Counter(plain["unjudged"]),
        plain["unstable"],
        {name: (counts[0], counts[1]) for name, counts in plain["classes"].items()},
        {name: (counts[0], counts[1], counts[2]) for name, counts in plain["named"].items()},
        {name: Counter(counts) for name, counts in plain["against"].items()},
        {cause: (rows, example) for cause, (rows, example) in plain["causes"].items()},
        Counter({int(number): rows for number, rows in plain["groups"].items()}),
    )
