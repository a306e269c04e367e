"""Folders of shards, hive partitions and patterns: outputs mirror the input, row for row and byte for byte."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.errors import BadInput, BadParams
from sanitize.execution import inline
from sanitize.filter_file import filter_file
from sanitize.filter_options import Options
from tests import small
from tests.voters import INLINE, scored, vector_voters

PARTS = {"part-0.parquet": (0, 50), "deep/part-1.parquet": (50, 50), "deep/part-2.pq": (50, 120)}


@pytest.fixture(scope="module")
def voters(tmp_path_factory):
    return vector_voters(tmp_path_factory.mktemp("voters"))


@pytest.fixture
def shards(tmp_path):
    """`small.vector_file` in three files, the second without rows; and files that are none of them."""
    whole = pq.read_table(small.vector_file(tmp_path / "whole.parquet"))
    for name, (first, last) in PARTS.items():
        place = tmp_path / "in" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        codec = "zstd" if name == "part-0.parquet" else "gzip"
        part = whole.slice(first, last - first).replace_schema_metadata({"part": name})
        pq.write_table(part, place, row_group_size=20, compression=codec)
    (tmp_path / "in" / "README.md").write_text("about")
    (tmp_path / "in" / "_metadata.parquet").write_text("of another program")
    return tmp_path / "in"


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def check_mirror(shards, out, names):
    manifest = pq.read_table(out / "manifest").to_pandas()
    assert files(out / "kept") == files(out / "rejected") == sorted(names)
    for name in names:
        given = pq.ParquetFile(shards / name)
        parts = [pq.ParquetFile(out / side / name) for side in ("kept", "rejected")]
        mine = manifest[manifest.file == name]
        assert mine.row.tolist() == list(range(given.metadata.num_rows))
        keep = mine.keep.to_numpy(bool)
        for part, mask in zip(parts, (keep, ~keep), strict=True):
            assert part.read().equals(given.read().filter(pa.array(mask)))
            metadata = dict(part.schema_arrow.metadata)
            assert json.loads(metadata.pop(b"sanitize"))["input_sha256"]
            assert metadata == given.schema_arrow.metadata
            if part.metadata.num_rows:
                first, its = part.metadata.row_group(0), given.metadata.row_group(0)
                assert first.column(0).compression == its.column(0).compression
                assert first.num_rows == min(part.metadata.num_rows, its.num_rows)
    return manifest


def test_a_folder_is_mirrored_and_judged_as_one(shards, voters, tmp_path):
    summary = scored(shards, tmp_path, voters)
    manifest = check_mirror(shards, tmp_path, list(PARTS))
    assert (summary.rows, summary.files, summary.rejected) == (120, 3, 4)
    order = ["deep/part-1.parquet", "deep/part-2.pq", "part-0.parquet"]
    assert list(dict.fromkeys(manifest.file)) == [name for name in order if name != "deep/part-1.parquet"]
    dropped = manifest[~manifest.keep]
    starts = {"deep/part-2.pq": 50, "part-0.parquet": 0}
    assert sorted(starts[file] + row for file, row in zip(dropped.file, dropped.row, strict=True)) == small.WRONG


def test_fitting_to_a_folder_gives_the_verdicts_of_one_file(shards, tmp_path):
    """All shards have the rows of one file, in the order of their names; the verdicts are that file's."""
    whole = pq.read_table(tmp_path / "whole.parquet")
    pq.write_table(pa.concat_tables([whole.slice(50), whole.slice(0, 50)]), tmp_path / "turned.parquet")
    for source, name in ((shards, "many"), (tmp_path / "turned.parquet", "one")):
        out = tmp_path / name
        filter_file(source, out / "kept", INLINE, manifest=out / "manifest", map=inline)
    many, one = (pq.read_table(tmp_path / name / "manifest") for name in ("many", "one"))
    for column in ("keep", "reason", "suspicion", "vote", "support"):
        assert many[column].equals(one[column])


def test_a_pattern_takes_what_it_matches(shards, voters, tmp_path):
    summary = scored(f"{shards}/**/part-*.p*", tmp_path, voters)
    check_mirror(shards, tmp_path, list(PARTS))
    assert summary.files == 3
    shutil.rmtree(tmp_path / "kept")
    shutil.rmtree(tmp_path / "rejected")
    assert scored(f"{shards}/part-[0-9].parquet", tmp_path, voters).rows == 50
    assert files(tmp_path / "kept") == ["part-0.parquet"]
    with pytest.raises(BadInput, match=r"no-\*\.parquet: holds no parquet files"):
        scored(f"{shards}/no-*.parquet", tmp_path, voters)


def test_hive_partitions_may_hold_the_label(voters, tmp_path):
    whole = pq.read_table(small.vector_file(tmp_path / "whole.parquet"))
    labels = np.array(whole["label"].to_pylist())
    for name in small.NAMES:
        place = tmp_path / "in" / "split=all%20rows" / f"label={name}" / "0.parquet"
        place.parent.mkdir(parents=True)
        pq.write_table(whole.filter(pa.array(labels == name)).drop_columns(["label"]), place)
    summary = scored(tmp_path / "in", tmp_path, voters)
    names = [f"split=all%20rows/label={name}/0.parquet" for name in small.NAMES]
    check_mirror(tmp_path / "in", tmp_path, names)
    assert summary.classes == {"ant": (39, 0), "bee": (38, 1), "cat": (43, 3)}
    kept = pq.read_schema(tmp_path / "kept" / names[0])
    assert kept.names == ["id", "features", "note"]


def test_the_number_of_workers_never_changes_a_byte(shards, voters, tmp_path):
    digests = []
    for engine in ("inline", "processes"):
        out = tmp_path / engine
        scored(shards, out, voters, engine=engine)
        digests.append({name: (out / name).read_bytes() for name in files(out)})
    assert digests[0] == digests[1]
    assert len(digests[0]) == 7


def test_shards_must_agree_on_what_is_looked_at(shards, voters, tmp_path):
    odd = pq.read_table(shards / "part-0.parquet").set_column(2, "label", pa.array([1] * 50))
    pq.write_table(odd, shards / "part-9.parquet")
    found = scored(shards, tmp_path, voters)  # 1 is none of the voters' classes
    assert (found.unreadable.rows, found.exceeded, found.written) == (50, True, False)
    with pytest.raises(BadInput, match=r"labels are numbers such as 1 in some files and texts such as 'ant' in others"):
        filter_file(shards, tmp_path / "kept", INLINE, map=inline)
    pq.write_table(odd.drop_columns(["label"]), shards / "part-9.parquet")
    with pytest.raises(BadInput, match=r"part-9.parquet: column 'label' is missing, but has type string"):
        filter_file(shards, tmp_path / "kept", INLINE, map=inline)


def test_other_columns_may_differ(shards, voters, tmp_path):
    table = pq.read_table(shards / "part-0.parquet").drop_columns(["note"]).append_column("more", pa.array([1.5] * 50))
    pq.write_table(table, shards / "part-0.parquet")
    scored(shards, tmp_path, voters)
    check_mirror(shards, tmp_path, list(PARTS))


@pytest.mark.parametrize("place", ["in", "in/kept", ""])
def test_outputs_and_input_must_not_lie_in_each_other(shards, voters, tmp_path, place):
    with pytest.raises(BadParams, match=r"lie in each other; name a place outside"):
        filter_file(shards, tmp_path / place, INLINE, options=Options(voters=voters), map=inline)
    assert not (shards / "kept").exists()


def test_a_folder_with_files_in_it_is_never_written_to(shards, voters, tmp_path):
    (tmp_path / "kept").mkdir()
    scored(shards, tmp_path, voters)  # it is empty
    with pytest.raises(BadInput, match=r"kept is a folder with files in it; .* name a new folder"):
        scored(shards, tmp_path, voters)
    shutil.rmtree(tmp_path / "kept")
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(BadInput, match=r"kept is a file; name a new folder"):
        scored(shards, tmp_path, voters)


def test_one_damaged_shard_leaves_nothing(shards, voters, tmp_path):
    (tmp_path / "manifest").write_text("from before")
    blob = bytearray((shards / "part-0.parquet").read_bytes())
    blob[40:400] = b"\xff" * 360
    (shards / "part-0.parquet").write_bytes(blob)
    with pytest.raises(BadInput, match=r"part-0.parquet: "):
        scored(shards, tmp_path, voters)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "manifest", "whole.parquet"]
    assert (tmp_path / "manifest").read_text() == "from before"


def test_a_file_without_rows_or_row_groups(voters, tmp_path):
    schema = pq.read_schema(small.vector_file(tmp_path / "whole.parquet"))
    with pq.ParquetWriter(tmp_path / "in.parquet", schema):
        pass
    assert pq.read_metadata(tmp_path / "in.parquet").num_row_groups == 0
    with pytest.raises(BadInput, match=r"in.parquet: has no rows; must have at least 1"):
        filter_file(tmp_path / "in.parquet", tmp_path / "kept", INLINE, map=inline)
    summary = scored(tmp_path / "in.parquet", tmp_path, voters)
    assert (summary.rows, summary.rejected, summary.verdict) == (0, 0, "nothing_dropped")
    assert [pq.read_metadata(tmp_path / name).num_rows for name in ("kept", "rejected", "manifest")] == [0, 0, 0]
