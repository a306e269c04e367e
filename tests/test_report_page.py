"""The page about a manifest: its rows, pictures and evidence; hostile values, its size, its bytes, and refusals."""

import base64
import io
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from sanitize.cli import app
from sanitize.data.images import encode_images
from sanitize.data.parquet import image_table
from sanitize.data.seeds import stream
from sanitize.data.shards import find_shards
from sanitize.manifest_file import read_manifest
from sanitize.report.review_facts import facts_of
from sanitize.report.review_page import MOST_BYTES, build_page
from sanitize.report.sheets import ACROSS, in_sheets, tile_shape
from tests import small
from tests.manifests import made, page_data, rewritten
from tests.voters import image_voters

GROUP = {
    "id": "G1",
    "rows": 3,
    "label": "bee",
    "says": "ant",
    "cause": "shares a trigger",
    "strength": "strong",
    "evidence": "pixels rows 0-1, columns 2-4 equal in 3 of 3, in 0 of 37 other bees",
    "region": [0, 2, 1, 4],
}


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A file of images, filtered with a manifest and a page; the folder and the options of the filter."""
    folder = tmp_path_factory.mktemp("images")
    source = small.image_file(folder / "in.parquet")
    quick = ("--params", small.quick_file(folder / "quick.yaml", engine="inline"), "--quiet")
    places = ("--manifest", folder / "m.parquet", "--report", folder / "page.html")
    done = run("filter", source, folder / "kept.parquet", *places, *quick)
    assert done.exit_code == 0, done.output
    return folder, quick


def page_of(source, manifest, **more):
    return build_page(find_shards(source), read_manifest(manifest), **more)


def pixels(uri):
    blob = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(blob)))


def tile(data, number):
    """One picture out of its sheet."""
    sheets, per = data["sheets"], ACROSS * ACROSS
    height, width = sheets["height"], sheets["width"]
    top, left = number % per // ACROSS * height, number % per % ACROSS * width
    return pixels(sheets["sources"][number // per])[top : top + height, left : left + width]


def test_report_and_filter_write_the_same(images, tmp_path):
    folder, quick = images
    given = ("report", folder / "in.parquet", "--manifest", folder / "m.parquet")
    for name in ("a.html", "b.html"):
        done = run(*given, "-o", tmp_path / name)
        assert done.exit_code == 0 and done.stderr == f"report: {tmp_path / name}\n"
        assert (tmp_path / name).read_bytes() == (folder / "page.html").read_bytes()
    # without a manifest, and as a dry run, the page differs by the manifest's name alone
    dry = run("filter", folder / "in.parquet", "--dry-run", "--report", tmp_path / "dry.html", *quick)
    assert dry.exit_code == 0
    wanted = (folder / "page.html").read_text().replace(" m.parquet", " manifest.parquet")
    assert (tmp_path / "dry.html").read_text() == wanted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html", "dry.html"]


def test_rows_and_pictures_are_those_of_the_manifest(images):
    folder, _ = images
    data = page_data((folder / "page.html").read_text())
    manifest = pq.read_table(folder / "m.parquet").to_pandas()
    dropped = manifest[~manifest.keep].sort_values(["suspicion", "row"], ascending=[False, True])
    assert data["row"][: len(dropped)] == dropped.row.tolist() and len(dropped) == 4
    for i, row in enumerate(data["row"]):
        wanted = manifest.loc[row]
        assert data["keep"][i] == wanted.keep and data["classes"][data["label"][i]] == wanted.label
        assert data["suspicion"][i] == round(wanted.suspicion * 1000)
        assert (data["support"][i], data["voters"][i]) == (wanted.support, wanted.voters)
        reason = ": ".join(filter(None, (data["causes"][data["cause"][i]], data["details"][data["detail"][i]])))
        assert reason == wanted.reason
        assert np.array_equal(tile(data, data["picture"][i]), small.images()[row])
    kept = manifest[manifest.keep].sort_values(["suspicion", "row"], ascending=[False, True])
    assert [data["row"][i] for i in data["suspects"]] == kept.row.tolist()[:60]


def test_a_group_is_drawn(images, tmp_path):
    """The means are those of its rows and of its class's kept rows; the box is the region."""
    folder, _ = images
    manifest = rewritten(
        shutil.copy(folder / "m.parquet", tmp_path / "m.parquet"),
        groups=[GROUP],
        members={"G1": [7, 30, 55]},
        preset="fast",
        seed=3,
        image_shape=[8, 8, 1],
    )
    page = page_of(folder / "in.parquet", manifest)
    data = page_data(page)
    assert "G1</bdi></span> 3 rows of <bdi>bee</bdi>, look like <bdi>ant</bdi>" in page
    assert GROUP["evidence"] in page and '<span class="badge strong">strong</span>' in page
    assert '<rect class="box" x="2" y="0" width="3" height="2"/>' in page
    assert "the box marks rows 0 to 1 and columns 2 to 4" in page
    assert [data["row"][i] for i, group in enumerate(data["group"]) if group == 0] == [
        row for row in data["row"] if row in (7, 30, 55)
    ]
    table = pq.read_table(manifest).to_pandas()
    bees = table[table.keep & (table.label == "bee")]
    best = bees.sort_values(["suspicion", "row"], ascending=[True, False]).row.tolist()[:6]
    assert [data["row"][i] for i in data["beside"][0]] == best
    drawn = [pixels(line.partition('src="')[2].partition('"')[0]) for line in page.splitlines() if 'alt="Mean' in line]
    everything = small.images().astype(float)
    assert np.array_equal(drawn[0], np.round(everything[[7, 30, 55]].mean(axis=0)))
    assert np.array_equal(drawn[1], np.round(everything[bees.row].mean(axis=0)))
    assert "--preset fast --seed 3" in page
    assert f"sanitize apply {folder / 'in.parquet'} clean.parquet --manifest m.parquet --overrides review.csv" in page


def test_facts_by_hand(tmp_path):
    source = small.vector_file(tmp_path / "in.parquet")
    label_N = np.arange(120) % 3
    manifest = made(source, tmp_path / "m", label_N, small.NAMES, [*range(0, 30, 3), 1])
    reasons = pq.read_table(manifest)["reason"].to_pylist()
    reasons[0], reasons[3], reasons[4] = "shares a trigger: like 9 rows", "dropped by hand: no", "kept by hand: yes"
    causes = [None if reason == "kept" else reason.partition(":")[0] for reason in reasons]
    rewritten(manifest, values={"reason": reasons, "cause": causes})
    facts = facts_of(read_manifest(manifest))
    assert (facts.rows, facts.dropped) == (120, 11)
    assert facts.causes == [("outvoted", 9), ("dropped by hand", 1), ("shares a trigger", 1)]
    assert facts.spared == [("kept by hand", 1)]
    assert [(line.name, line.rows, line.dropped) for line in facts.classes] == [
        ("ant", 40, 10),
        ("bee", 40, 1),
        ("cat", 40, 0),
    ]
    assert facts.pairs == [("ant", "bee", 8), ("bee", "cat", 1)]
    assert facts.headline == "11 of 120 rows dropped (9.2%)"
    assert facts.warnings == [
        "ant: 9 of 40 rows dropped (22%): the voters cannot tell ant from bee; probably hard rows, not poison"
    ]
    page = page_of(source, manifest)
    assert "109 of 120 rows are kept, 11 dropped: outvoted (9), dropped by hand (1), shares a trigger (1)." in page
    assert 'aria-label="8 rows of ant that look like bee: show them">8</button>' in page
    assert page_of(source, manifest, notes=["max_removed is 0.01"]).count("<bdi>max_removed is 0.01</bdi>") == 1


def test_texts_tables_and_vectors(tmp_path):
    label_N = np.arange(120) % 3
    names = pa.array([small.NAMES[label] for label in label_N])
    long = ["word " * 200 + str(row) for row in range(120)]
    sources = {
        "text": {"text": pa.array(long)},
        "table": {"depth": pa.array(np.arange(120) / 7), "cut": pa.array([["a", "b"][row % 2] for row in range(120)])},
        "vector": {"vector": pa.array(list(small.vectors()), pa.list_(pa.float32()))},
    }
    seen = {}
    for name, columns in sources.items():
        pq.write_table(pa.table({**columns, "label": names}), tmp_path / name)
        manifest = made(tmp_path / name, tmp_path / "m", label_N, small.NAMES, [5, 3])
        seen[name] = page_data(page_of(tmp_path / name, rewritten(manifest, columns=of_columns(*columns))))
    assert seen["text"]["value"][0][0] == ("word " * 200)[:399] + "…" and seen["text"]["texts"] == [0]
    assert seen["table"]["columns"] == ["depth", "cut"] and seen["table"]["value"][0] == ["0.714286", "b"]
    assert seen["vector"]["value"][1][0].startswith("5 values: ") and seen["vector"]["picture"][0] == -1


def of_columns(*inputs):
    """What a manifest says of its columns."""
    return {"label": "label", "inputs": inputs, "modality": "tabular", "found": "by hand"}


def test_an_evidence_names_its_columns_first(tmp_path):
    columns = {f"c{number}": pa.array(np.arange(120.0) + number) for number in range(20)}
    label_N = np.arange(120) % 3
    pq.write_table(pa.table({**columns, "label": pa.array([small.NAMES[label] for label in label_N])}), tmp_path / "in")
    manifest = made(tmp_path / "in", tmp_path / "m", label_N, small.NAMES, [5])
    group = {**GROUP, "evidence": "c17 = 22 in 3 of 3", "region": None}
    rewritten(manifest, columns=of_columns(*columns), groups=[group], members={"G1": [5]})
    data = page_data(page_of(tmp_path / "in", manifest))
    assert data["columns"] == ["c17", *(f"c{number}" for number in range(11))] and data["value"][0][0] == "22"


def test_several_files_and_hostile_names(tmp_path):
    """Labels, texts and file names come to the script as they are, and end no element of the page."""
    bad = "</script><img src=x onerror=alert(1)>\u2028'\""
    label_N = np.arange(120) % 3
    names = [f"{bad}{name}" for name in small.NAMES]
    whole = pa.table({"text": [f"{bad} words {row}" for row in range(120)], "label": [names[c] for c in label_N]})
    folder = tmp_path / "in"
    folder.mkdir()
    file = "<b>'a\" & b.parquet"
    pq.write_table(whole.slice(0, 70), folder / file)
    pq.write_table(whole.slice(70), folder / "z.parquet")
    pq.write_table(whole, tmp_path / "whole.parquet")
    manifest = made(tmp_path / "whole.parquet", tmp_path / "m", label_N, names, [100, 5])
    places = {"file": [file] * 70 + ["z.parquet"] * 50, "row": [*range(70), *range(50)]}
    group = {**GROUP, "label": names[2], "says": names[0], "evidence": bad, "cause": bad, "region": None}
    source = find_shards(folder)
    rewritten(manifest, groups=[group], members={"G1": [5]}, values=places, input_sha256=source.sha256(), preset=bad,
              columns=of_columns("text"))  # fmt: skip
    found = read_manifest(manifest)
    found.refuse_other_input(source, source.sha256())
    page = build_page(source, found)
    assert "<img src=x" not in page and "\u2028" not in page.partition('id="data"')[2]
    assert page.count("</script>") == 3
    data = page_data(page)
    assert [data["files"][place] for place in data["file"][:2]] == ["z.parquet", file] and data["row"][:2] == [30, 5]
    assert data["value"][1] == [f"{bad} words 5"] and data["classes"][data["label"][1]] == names[2]
    assert data["groups"] == ["G1"] and data["group"][:2] == [-1, 0]


def test_many_pictures_stay_below_5_mb(tmp_path):
    """Noise cannot be compressed: pictures shrink, and the last have none. All rows are there."""
    rows = 12_000
    noise = stream(0, "noise").integers(0, 256, (rows, 24, 24, 3), np.uint8)
    label_N = np.arange(rows) % 3
    pq.write_table(image_table(noise, label_N, small.NAMES), tmp_path / "in.parquet")
    manifest = made(tmp_path / "in.parquet", tmp_path / "m", label_N, small.NAMES, range(rows - 600))
    page = page_of(tmp_path / "in.parquet", manifest)
    assert len(page.encode()) < MOST_BYTES
    data = page_data(page)
    assert data["row"][: rows - 600] == list(range(rows - 600))
    without = sum(number < 0 for number in data["picture"])
    assert 0 < without < rows and max(data["sheets"]["height"], data["sheets"]["width"]) < 24
    assert f"{without:,} rows stand here without a picture" in page
    assert min(data["picture"][i] for i in data["suspects"]) >= 0 and data["picture"][0] >= 0


def test_many_long_texts_stay_below_5_mb(tmp_path):
    rows = 80_000
    texts = pa.array([f"{row} " + "é" * 300 for row in range(rows)])
    label_N = np.arange(rows) % 3
    names = pa.array(small.NAMES).take(pa.array(label_N))
    pq.write_table(pa.table({"text": texts, "label": names}), tmp_path / "in.parquet")
    manifest = made(tmp_path / "in.parquet", tmp_path / "m", label_N, small.NAMES, range(rows - 100))
    rewritten(manifest, columns=of_columns("text"))
    page = page_of(tmp_path / "in.parquet", manifest)
    assert len(page.encode()) < MOST_BYTES
    data = page_data(page)
    shown = sum(not keep for keep in data["keep"])
    assert 20_000 < shown < rows - 100 and data["row"][:shown] == list(range(shown))
    assert f"{rows - 100 - shown:,} dropped rows more, the least suspicious, are not on this page" in page
    assert data["value"][0][0].startswith("0 é") and len(data["value"][0][0]) >= 20


def test_images_that_cannot_be_read(images, tmp_path):
    folder, _ = images
    table = pq.read_table(folder / "in.parquet")
    blobs = encode_images(small.images()[..., np.newaxis]).to_pylist()
    blobs[7] = b"no picture"
    column = pa.array([{"bytes": blob, "path": None} for blob in blobs], table.schema.field("image").type)
    pq.write_table(table.set_column(table.schema.get_field_index("image"), "image", column), tmp_path / "in.parquet")
    manifest = made(tmp_path / "in.parquet", tmp_path / "m", small.labels(), small.NAMES, [7, 8])
    data = page_data(page_of(tmp_path / "in.parquet", manifest))
    assert list(data["wrong"]) == ["0"] and "begins with b'no pictu'" in data["wrong"]["0"]
    assert data["picture"][0] == -1 and np.array_equal(tile(data, data["picture"][1]), small.images()[8])


def test_photographs_are_shown_closer_than_they_were_looked_at(tmp_path):
    """Their mean is that of what the filter saw, 8 x 8 pixels; the pictures have up to 96 a side."""
    levels = stream(0, "photographs").integers(0, 256, (120, 10, 20), np.uint8)
    photographs = levels.repeat(10, axis=1).repeat(10, axis=2)[..., np.newaxis]
    pq.write_table(image_table(photographs, small.labels(), small.NAMES), tmp_path / "in.parquet")
    manifest = made(tmp_path / "in.parquet", tmp_path / "m", small.labels(), small.NAMES, [7, 8])
    rewritten(manifest, groups=[GROUP], members={"G1": [7, 8]}, image_shape=[8, 8, 1])
    page = page_of(tmp_path / "in.parquet", manifest)
    data = page_data(page)
    assert (data["sheets"]["height"], data["sheets"]["width"]) == (48, 96)
    coarse = tile(data, data["picture"][0]).astype(float)
    wanted = np.asarray(Image.fromarray(photographs[7, ..., 0]).resize((96, 48), Image.Resampling.BILINEAR), float)
    assert np.abs(coarse - wanted).max() <= 1
    first = next(line for line in page.splitlines() if 'alt="Mean' in line).partition('src="')[2].partition('"')[0]
    assert pixels(first).shape == (8, 8)


def test_beyond_a_limit_and_with_voters(tmp_path):
    """The page is there beyond a limit and says so; with voters fitted before it is what `sanitize report` makes."""
    source = small.image_file(tmp_path / "in.parquet")
    given = ("--voters", image_voters(tmp_path), "--manifest", tmp_path / "m.parquet", "--quiet", "--report")
    done = run("filter", source, tmp_path / "kept", *given, tmp_path / "beyond.html", "--max-removed", "0.01")
    assert done.exit_code == 1 and not (tmp_path / "kept").exists()
    said = "<strong>Beyond a limit:</strong> <bdi>max_removed is 0.01, but 0.03333 of the rows would go</bdi>"
    assert said in (tmp_path / "beyond.html").read_text()
    assert run("filter", source, tmp_path / "kept", *given, tmp_path / "page.html").exit_code == 0
    again = run("report", source, "--manifest", tmp_path / "m.parquet", "-o", tmp_path / "again.html")
    assert again.exit_code == 0
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "page.html").read_bytes()


def test_a_folder_by_the_command(tmp_path):
    """Files of several splits are filtered and shown with --split; rows of the second file are its own."""
    whole = pq.read_table(small.image_file(tmp_path / "whole.parquet"))
    folder = tmp_path / "in"
    folder.mkdir()
    for name, first, rows in (("train-0.parquet", 0, 60), ("train-1.parquet", 60, 60), ("test-0.parquet", 0, 30)):
        pq.write_table(whole.slice(first, rows), folder / name)
    quick = ("--params", small.quick_file(tmp_path / "quick.yaml", engine="inline"), "--quiet", "--split", "train")
    places = ("--manifest", tmp_path / "m.parquet", "--report", tmp_path / "page.html")
    assert run("filter", folder, tmp_path / "kept", *places, *quick).exit_code == 0
    given = ("report", folder, "--manifest", tmp_path / "m.parquet", "-o", tmp_path / "again.html")
    assert run(*given).exit_code == 3
    assert run(*given, "--split", "train").exit_code == 0
    page = (tmp_path / "again.html").read_text()
    assert page == (tmp_path / "page.html").read_text()
    data = page_data(page)
    for file, row, picture in zip(data["file"], data["row"], data["picture"], strict=True):
        position = row + 60 * (data["files"][file] == "train-1.parquet")
        assert np.array_equal(tile(data, picture), small.images()[position])
    assert {"train-0.parquet", "train-1.parquet"} == set(data["files"])


def test_a_manifest_that_does_not_tell_the_columns(tmp_path):
    """They are found anew; where they cannot be, the page has no values."""
    label_N = np.arange(120) % 3
    names = pa.array([small.NAMES[label] for label in label_N])
    for name, label in (("found", "label"), ("not", "what_it_is")):
        pq.write_table(pa.table({"depth": pa.array(np.arange(120.0) % 17), label: names}), tmp_path / name)
        manifest = made(tmp_path / name, tmp_path / "m", label_N, small.NAMES, [5])
        page = page_of(tmp_path / name, manifest)
        assert page_data(page)["columns"] == (["depth"] if name == "found" else [])
        assert page_data(page)["row"][0] == 5


def test_nothing_dropped_and_nothing_kept(tmp_path):
    source = small.vector_file(tmp_path / "in.parquet")
    manifest = made(source, tmp_path / "m", small.labels(), small.NAMES, [])
    page = page_of(source, manifest)
    assert "<h1>No row of 120 dropped</h1>" in page and "<p>No row was dropped.</p>" in page
    manifest = made(source, tmp_path / "m", small.labels(), small.NAMES, range(120))
    page = page_of(source, manifest)
    assert "<h1>120 of 120 rows dropped (100.0%)</h1>" in page and page_data(page)["suspects"] == []


def test_the_policy_names_the_script_and_the_server(images):
    folder, _ = images
    page = (folder / "page.html").read_text()
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" in page.replace(
        "&#39;", "'"
    )
    assert "connect-src" not in page and "http" not in page.replace("http-equiv", "")
    served = page_of(folder / "in.parquet", folder / "m.parquet", review_url="/token/decisions")
    assert "connect-src &#39;self&#39;" in served and page_data(served, "about")["url"] == "/token/decisions"


def test_refusals(images, tmp_path):
    folder, _ = images
    source, manifest, page = folder / "in.parquet", folder / "m.parquet", tmp_path / "page.html"
    other = small.vector_file(tmp_path / "other.parquet")
    stated = rewritten(
        shutil.copy(manifest, tmp_path / "wide"), groups=[{**GROUP, "region": [0, 0, 9, 9]}], image_shape=[8, 8, 1]
    )
    named = rewritten(shutil.copy(manifest, tmp_path / "named"), columns=of_columns("gone"))
    refused = [
        (3, "is about an input with the SHA-256", other, manifest, page),
        (3, "no such file", source, tmp_path / "none", page),
        (3, "has no column 'row'", source, source, page),
        (3, "must lie within 8 x 8 pixels", source, stated, page),
        (3, "names a column 'gone', of which", source, named, page),
        (2, "is the input", source, manifest, source.with_suffix(".html")),
        (2, "what is written there is HTML", source, manifest, tmp_path / "page.json"),
        (2, "must be a local file", source, manifest, "s3://bucket/page.html"),
        (2, "is the input", source, shutil.copy(manifest, tmp_path / "m.html"), tmp_path / "m.html"),
    ]
    source.with_suffix(".html").unlink(missing_ok=True)
    source.with_suffix(".html").hardlink_to(source)
    before = sorted(path.name for path in tmp_path.iterdir())
    for code, words, given, about, place in refused:
        done = run("report", given, "--manifest", about, "-o", place)
        assert done.exit_code == code and words in done.stderr, (words, done.stderr)
        assert sorted(path.name for path in tmp_path.iterdir()) == before
    source.with_suffix(".html").unlink()
    root = run("report", source, "--manifest", manifest, "-o", page, "--image-root", tmp_path / "none")
    assert root.exit_code == 3 and "no such folder" in root.stderr


def test_sheets_by_hand():
    pictures = [np.full((10, 20, 1), number % 256, np.uint8) for number in range(300)]
    sheets = in_sheets(pictures, 10**6)
    assert (sheets.height, sheets.width, sheets.tiles, len(sheets.sources)) == (10, 20, 300, 2)
    assert pixels(sheets.sources[1]).shape == (3 * 10, 16 * 20)
    assert pixels(sheets.sources[1])[10, 20] == (256 + 17) % 256
    assert tile_shape((28, 28, 1), 100, 10**6) == (28, 28)
    assert tile_shape((200, 100, 3), 100, 10**6) == (96, 48)
    assert tile_shape((64, 64, 3), 10_000, 100_000) is None
    noise = list(stream(0, "n").integers(0, 256, (300, 20, 20, 3), np.uint8))
    small_sheets = in_sheets(noise, 300 * 12 * 12 * 3 * 2)
    assert (small_sheets.height, small_sheets.tiles) == (12, 300)
    fewer = in_sheets(noise, 256 * 12 * 12 * 3 * 3 // 2)
    assert (fewer.height, fewer.tiles, len(fewer.sources)) == (12, 256, 1)
    assert in_sheets([], 10).tiles == 0
