"""Files that an enemy wrote: each has a policy, an exit code and a message; nothing is lost or half-written."""

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.data import decoder, shards
from sanitize.errors import BadInput, BadParams
from sanitize.filter_options import Rules
from sanitize.io import layout
from tests import small
from tests.closure import ROOT
from tests.data.pictures import encoded, image_column
from tests.voters import image_voters, scored, vector_voters


def examples(count):
    """Hypothesis's settings for tests that write files into one folder; with SANITIZE_FUZZ=1 other examples each time.

    The same examples otherwise: a file on which a library aborts ends all tests where nothing watches the process, and
    could not be made again.
    """
    drawn = "SANITIZE_FUZZ" in os.environ
    kinds = [HealthCheck.function_scoped_fixture]
    return settings(deadline=None, max_examples=count, suppress_health_check=kinds, derandomize=not drawn)


@pytest.fixture(scope="module")
def vector_panel(tmp_path_factory):
    return vector_voters(tmp_path_factory.mktemp("vectors"))


@pytest.fixture(scope="module")
def image_panel(tmp_path_factory):
    return image_voters(tmp_path_factory.mktemp("images"))


def header_only(width, height):
    """A PNG that claims a size and holds no pixels: a decompression bomb's header."""
    chunk = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    head = struct.pack(">I", 13) + b"IHDR" + chunk + struct.pack(">I", zlib.crc32(b"IHDR" + chunk))
    return b"\x89PNG\r\n\x1a\n" + head + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def photograph():
    """A JPEG of noise."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


ODD_IMAGES = {
    "a bomb": (header_only(60_000, 60_000), "pixels, "),
    "10,000 x 10,000": (encoded(size=(10_000, 10_000)), "image has 10000 x 10000 pixels, more than 89478485"),
    "cut off": (encoded(size=(40, 40))[:-30], "corrupt"),
    "a cut JPEG": (photograph()[:-900], "corrupt"),
    "a header alone": (header_only(8, 8), "corrupt"),
    "a cut GIF": (encoded(form="GIF")[:20], "image is corrupt (GIF: "),
    "a cut BMP": (encoded(form="BMP")[:40], "image is corrupt (BMP: "),
    "a cut TIFF": (encoded(form="TIFF")[:-9], "image is corrupt (TIFF: "),
    "a cut WebP": (encoded(form="WEBP")[:-9], "image is corrupt (WEBP: "),
    "text": (b"<svg onload=alert(1)>", "of another format than PNG, JPEG, WebP, BMP, TIFF or GIF (begins with b'<svg"),
    "pickle": (b"\x80\x04cos\nsystem\n(S'true'\ntR.", "of another format than PNG, JPEG"),
    "nothing": (b"", "of another format than PNG, JPEG, WebP, BMP, TIFF or GIF (has no bytes)"),
    "null": (None, "image is null"),
}
FINE_IMAGES = {
    "1 x 1": encoded(size=(1, 1)),
    "wide": encoded(size=(3000, 2)),
    "RGBA": encoded("RGBA"),
    "palette": encoded("P"),
    "one bit": encoded("1"),
    "16 bits": encoded("I;16"),
    "CMYK": encoded("CMYK", form="JPEG"),
    "GIF": encoded(form="GIF"),
    "BMP": encoded(form="BMP"),
    "TIFF": encoded(form="TIFF"),
    "WebP": encoded(form="WEBP"),
}


def images_with(odd):
    """The small images, the first rows' replaced."""
    table = image_column([*odd, *small.image_blobs()[len(odd) :]])
    return pa.table({"image": table, "label": pa.array(np.array(small.NAMES)[small.labels()])})


def test_odd_images_are_rejected_with_a_reason_and_fine_ones_judged(image_panel, tmp_path):
    pq.write_table(images_with([blob for blob, _ in ODD_IMAGES.values()] + list(FINE_IMAGES.values())), tmp_path / "in")
    summary = scored(tmp_path / "in", tmp_path, image_panel, max_unreadable=1.0)
    manifest = pq.read_table(tmp_path / "manifest").to_pylist()
    for row, (name, (_, cause)) in zip(manifest, ODD_IMAGES.items(), strict=False):
        assert not row["keep"], name
        assert row["reason"].startswith("unreadable: column 'image': ") and cause in row["reason"], name
        assert row["suspicion"] is None and row["support"] is None
    for row in manifest[len(ODD_IMAGES) :]:
        assert 0 <= row["suspicion"] <= 1
    assert summary.reasons["unreadable"] == len(ODD_IMAGES)
    assert_nothing_lost(tmp_path / "in", tmp_path)

    (tmp_path / "again").mkdir()
    kept = scored(tmp_path / "in", tmp_path / "again", image_panel, rules=Rules(on_bad_row="keep"), max_unreadable=1.0)
    assert kept.unjudged == {"unreadable": len(ODD_IMAGES)}
    assert kept.rejected == summary.rejected - len(ODD_IMAGES)
    with pytest.raises(BadInput, match=r"in: row 0, column 'image': image has more than 89478485 pixels"):
        scored(tmp_path / "in", tmp_path / "never", image_panel, rules=Rules(on_bad_row="fail"))
    assert not (tmp_path / "never").exists()


def assert_nothing_lost(source, folder):
    """Kept and rejected rows are the input's, in the manifest's order."""
    given = pq.read_table(source)
    keep = pq.read_table(folder / "manifest")["keep"].to_numpy()
    assert len(keep) == given.num_rows
    assert pq.read_table(folder / "kept").equals(given.filter(pa.array(keep)))
    assert pq.read_table(folder / "rejected").equals(given.filter(pa.array(~keep)))


def test_null_bytes_open_files_below_the_root_alone(image_panel, tmp_path):
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "a.exe").write_bytes(small.image_blobs()[0])  # its ending is not looked at
    (tmp_path / "secret.png").write_bytes(small.image_blobs()[0])
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "circle").symlink_to(root / "circle")
    os.mkfifo(root / "pipe")
    paths = [
        "deep/a.exe", str(root / "deep" / "a.exe"), "../secret.png", str(tmp_path / "secret.png"), "link.png", "circle",
        "pipe", "deep", "", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/a.png", "a\0b", "x" * 5000,
        "no.png",
    ]  # fmt: skip
    blobs = small.image_blobs()
    column = image_column([*[None] * len(paths), *blobs[len(paths) :]], [*paths, *[None] * (120 - len(paths))])
    labels = ["ant"] * len(paths) + list(np.array(small.NAMES)[small.labels()])[len(paths) :]
    pq.write_table(pa.table({"image": column, "label": labels}), tmp_path / "in.parquet")
    for out, rules, opened in (("without", Rules(), 0), ("with", Rules(image_root=root), 2)):
        scored(tmp_path / "in.parquet", tmp_path / out, image_panel, rules=rules, max_unreadable=1.0)
        reasons = pq.read_table(tmp_path / out / "manifest")["reason"].to_pylist()[: len(paths)]
        unread = [reason for reason in reasons if reason.startswith("unreadable")]
        assert unread == reasons[opened:]
        assert all("--image-root" in reason for reason in unread)
        assert_nothing_lost(tmp_path / "in.parquet", tmp_path / out)


def vectors(**changed):
    table = pa.table(
        {
            "features": pa.array(list(small.vectors()), pa.list_(pa.float32())),
            "label": pa.array(np.array(small.NAMES)[small.labels()]),
        }
    )
    return pa.table([*table.columns, *changed.values()], names=[*table.column_names, *changed])


def test_ten_thousand_columns(vector_panel, tmp_path):
    many = {f"c{number}": pa.nulls(small.ROWS, pa.int8()) for number in range(10_000)}
    pq.write_table(vectors(**many), tmp_path / "in")
    assert scored(tmp_path / "in", tmp_path, vector_panel).rejected == 4
    kept = pq.ParquetFile(tmp_path / "kept")
    assert (kept.metadata.num_columns, kept.metadata.num_rows) == (10_002, 116)
    assert kept.schema_arrow.names[-1] == "c9999"


def test_nesting(vector_panel, tmp_path):
    """Ninety lists in each other pass through; a hundred are more than the reader takes."""
    for depth, fine in ((40, True), (120, False)):
        kind = pa.int8()
        for _ in range(depth):
            kind = pa.list_(kind)
        folder = tmp_path / str(depth)
        folder.mkdir()
        pq.write_table(vectors(deep=pa.nulls(small.ROWS, kind)), folder / "in")
        if fine:
            scored(folder / "in", folder, vector_panel)
            assert_nothing_lost(folder / "in", folder)
        else:
            with pytest.raises(BadInput, match=r"in: cannot be read as parquet .*too deeply nested"):
                scored(folder / "in", folder, vector_panel)


def test_huge_strings_in_the_footer(vector_panel, tmp_path, monkeypatch):
    pq.write_table(vectors().replace_schema_metadata({"note": "x" * 200_000}), tmp_path / "in")
    scored(tmp_path / "in", tmp_path, vector_panel)
    monkeypatch.setattr(layout, "THRIFT_STRING", 100_000)
    with pytest.raises(BadInput, match=r"in: cannot be read as parquet"):
        scored(tmp_path / "in", tmp_path / "out", vector_panel)


def test_columns_of_one_name_are_refused(vector_panel, tmp_path):
    twice = pa.table([*vectors().columns, vectors().column(0)], names=["features", "label", "features"])
    pq.write_table(twice, tmp_path / "in")
    with pytest.raises(BadInput, match=r"has 2 columns 'features'; the voters need one"):
        scored(tmp_path / "in", tmp_path, vector_panel)
    done = CliRunner().invoke(app, ["filter", str(tmp_path / "in"), str(tmp_path / "out")])
    assert (done.exit_code, "column 'features' occurs 2 times; rename all but one" in done.stderr) == (3, True)


def test_wrong_statistics_are_not_believed(vector_panel, tmp_path):
    """The largest label is said to be "bat": a reader that skips by statistics would lose the cats."""
    pq.write_table(vectors(), tmp_path / "good", use_dictionary=False, compression="none")
    blob = (tmp_path / "good").read_bytes()
    footer = blob.rindex(b"cat")
    (tmp_path / "in").write_bytes(blob[:footer] + b"bat" + blob[footer + 3 :])
    scored(tmp_path / "in", tmp_path, vector_panel)
    assert_nothing_lost(tmp_path / "good", tmp_path)


def test_a_footer_that_lies_about_its_rows(vector_panel, tmp_path):
    pq.write_table(vectors(), tmp_path / "in")
    shard = shards.find_shards(tmp_path / "in").shards[0]
    lying = shards.Shard(shard.name, shard.place, shard.rows + 1, shard.schema, shard.keys)
    with pytest.raises(BadInput, match=r"in: holds 120 rows, but its footer says 121"), lying.opened() as file:
        list(lying.batches(file))


def test_labels_that_are_no_text(vector_panel, tmp_path):
    labels = np.array(small.NAMES)[small.labels()].astype(object)
    raw = pa.array([b"\xff\xfe" if row == 3 else str(label).encode() for row, label in enumerate(labels)])
    table = vectors().set_column(1, "label", raw.view(pa.string()))
    pq.write_table(table, tmp_path / "in")
    with pytest.raises(BadInput, match="label column 'label' holds text that is no UTF-8"):
        scored(tmp_path / "in", tmp_path, vector_panel)
    done = CliRunner().invoke(app, ["filter", str(tmp_path / "in"), str(tmp_path / "out")])
    assert (done.exit_code, "label column 'label' holds text that is no UTF-8" in done.stderr) == (3, True)


def test_links_as_outputs_are_refused(vector_panel, tmp_path):
    pq.write_table(vectors(), tmp_path / "in")
    (tmp_path / "other").write_text("mine")
    (tmp_path / "kept").symlink_to(tmp_path / "other")
    with pytest.raises(BadParams, match=r"kept is a link to .*other; links are never written to or replaced"):
        scored(tmp_path / "in", tmp_path, vector_panel)
    (tmp_path / "kept").unlink()
    (tmp_path / "kept").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadParams, match=r"is a link to"):
        scored(tmp_path / "in", tmp_path, vector_panel)
    assert (tmp_path / "other").read_text() == "mine"


def in_this_process(command):
    """Exit code and stderr."""
    done = CliRunner().invoke(app, command)
    return done.exit_code, done.stderr


def watched(command):
    """Exit code and stderr of the command line, which watches its process."""
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "sanitize", *command]
    done = subprocess.run(line, check=False, capture_output=True, text=True, env=there)
    assert done.stdout == ""
    return done.returncode, done.stderr


def outcome(source, folder, voters, run=in_this_process):
    """Filter, whatever the file is: 0 where all is well and nothing lost, 3 with a message and nothing written.

    However many rows cannot be read, and even if none is kept.
    """
    outputs = ["kept", "rejected", "manifest"]
    args = [str(folder / name) for name in outputs]
    command = ["filter", str(source), args[0], "--rejected", args[1], "--manifest", args[2], "--voters", str(voters)]
    before = sorted(os.listdir(folder))
    code, said = run([*command, "--engine", "inline", "--quiet", "--max-unreadable", "1", "--force"])
    code = 0 if code == 1 else code  # not one row is kept, which --force has written
    assert code in (0, 3), said
    assert "this is a fault" not in said and "Traceback" not in said
    if code == 3:  # a library that aborts may have said something of its own before
        assert said.splitlines()[-1].startswith("sanitize: ") and sorted(os.listdir(folder)) == before
    else:
        assert sorted(os.listdir(folder)) == sorted({*before, *outputs})
        rows = [pq.read_metadata(folder / name).num_rows for name in outputs]
        assert rows[0] + rows[1] == rows[2]
    for name in outputs:
        (folder / name).unlink(missing_ok=True)
    return code


@examples(60)
@given(st.data())
def test_flipped_bytes_of_a_real_file(vector_panel, tmp_path, data):
    whole = tmp_path / "whole"
    if not whole.exists():
        pq.write_table(vectors(note=pa.array(["a", None] * 60)), whole, row_group_size=50, write_page_checksum=True)
    blob = bytearray(whole.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(blob) - 1), min_size=1, max_size=6)):
        blob[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "in").write_bytes(blob)
    outcome(tmp_path / "in", tmp_path, vector_panel)


@examples(7)
@given(st.data())
def test_flipped_bytes_through_the_watched_command(vector_panel, tmp_path, data):
    """Half of them in the footer, which no checksum covers: an abort would be a message here as well."""
    whole = tmp_path / "whole"
    if not whole.exists():
        pq.write_table(vectors(note=pa.array(["a", None] * 60)), whole, row_group_size=50, compression="none")
    blob = bytearray(whole.read_bytes())
    footer = len(blob) - 8 - int.from_bytes(blob[-8:-4], "little")
    anywhere = st.one_of(st.integers(footer, len(blob) - 9), st.integers(4, footer - 1))
    for place in data.draw(st.lists(anywhere, min_size=1, max_size=4)):
        blob[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "in").write_bytes(blob)
    outcome(tmp_path / "in", tmp_path, vector_panel, run=watched)


@examples(40)
@given(st.integers(0, 10**6), st.integers(0, 40))
def test_a_file_cut_off_or_padded(vector_panel, tmp_path, cut, more):
    whole = tmp_path / "whole"
    if not whole.exists():
        pq.write_table(vectors(), whole)
    blob = whole.read_bytes()
    (tmp_path / "in").write_bytes(blob[: cut % len(blob)] + b"\0" * more)
    assert outcome(tmp_path / "in", tmp_path, vector_panel) == 3


@examples(40)
@given(st.lists(st.one_of(st.none(), st.binary(max_size=60), st.integers(0, 400)), min_size=1, max_size=20))
def test_images_of_any_bytes(image_panel, tmp_path, drawn):
    """Random bytes, and real images with one byte changed."""
    blobs = small.image_blobs()
    odd = []
    for value in drawn:
        blob = value
        if isinstance(value, int):
            changed = bytearray(blobs[0])
            changed[value % len(changed)] ^= 1 + value % 255
            blob = bytes(changed)
        odd.append(blob)
    pq.write_table(images_with(odd), tmp_path / "in")
    assert outcome(tmp_path / "in", tmp_path, image_panel) == 0


VALUES = {
    pa.float64(): st.floats(),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=8),
    pa.list_(pa.float32()): st.lists(st.floats(width=32), max_size=6),
    pa.timestamp("us"): st.integers(-(2**62), 2**62),
    pa.null(): st.none(),
}


@examples(60)
@given(st.data())
def test_tables_of_any_values(vector_panel, tmp_path, data):
    """Columns of any type under the names that the voters ask for."""
    columns = {}
    for name in ("features", "label", "more"):
        kind = data.draw(st.sampled_from(list(VALUES)))
        values = data.draw(st.lists(st.one_of(st.none(), VALUES[kind]), min_size=5, max_size=5))
        columns[name] = pa.array(values, kind)
    pq.write_table(pa.table(columns), tmp_path / "in")
    outcome(tmp_path / "in", tmp_path, vector_panel)
    done = CliRunner().invoke(app, ["filter", str(tmp_path / "in"), str(tmp_path / "kept"), "--engine", "inline"])
    assert done.exit_code == 3 and "this is a fault" not in done.stderr


def test_the_bound_on_pixels_is_pillows():
    assert Image.MAX_IMAGE_PIXELS == decoder.MAX_PIXELS
