"""The report page in a real browser: it lists, filters, sorts, draws, and takes and keeps decisions."""

import csv
import http.server
import io
import json
import shutil
import threading
import time
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitize.data.parquet import image_table
from sanitize.data.seeds import stream
from sanitize.data.shards import find_shards
from sanitize.manifest_file import read_manifest
from sanitize.overrides import read_overrides
from sanitize.report.review_page import build_page
from sanitize.review import prepare
from tests import small
from tests.browser import Browser, needs_browser
from tests.manifests import made, rewritten

pytestmark = needs_browser
ROWS = 240
DROPPED = [*range(0, 150, 2)]  # of all classes; more than are shown at once
GROUP = {
    "id": "G1",
    "rows": 20,
    "label": "ant",
    "says": "bee",
    "cause": "shares a trigger",
    "strength": "strong",
    "evidence": "pixels rows 0-1, columns 2-4 equal in 20 of 20",
    "region": [0, 2, 1, 4],
}
MEMBERS = [row for row in DROPPED if row % 3 == 0][:20]


def written(folder, source, manifest):
    place = folder / "page.html"
    place.write_text(build_page(find_shards(source), read_manifest(manifest)), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def made_page(tmp_path_factory):
    """A page of images with a group; where it is, and its source."""
    folder = tmp_path_factory.mktemp("page")
    pictures = np.tile(small.images(), (2, 1, 1))
    label_N = np.arange(ROWS) % 3
    source = folder / "in.parquet"
    pq.write_table(image_table(pictures[..., np.newaxis], label_N, small.NAMES), source)
    manifest = made(source, folder / "m", label_N, small.NAMES, DROPPED)
    rewritten(manifest, groups=[GROUP], members={"G1": MEMBERS}, image_shape=[8, 8, 1])
    return written(folder, source, manifest), source


@pytest.fixture(scope="module")
def browser():
    with Browser() as found:
        yield found


@pytest.fixture
def opened(browser, made_page, tmp_path):
    """A page without decisions; what earlier ones kept is gone, since files share what the browser keeps."""
    place = shutil.copy(made_page[0], tmp_path / "page.html")
    page = browser.page(place.as_uri(), width=1440, height=900)
    page.wait("document.documentElement.dataset.ready === 'yes'")
    page.evaluate("localStorage.clear()")
    page.reload()
    page.wait("document.documentElement.dataset.ready === 'yes'")
    yield page
    assert page.errors == []
    assert set(page.requests) <= {place.as_uri()} | {one for one in page.requests if one.startswith("blob:")}
    page.close()


def rows(page, within="#gallery"):
    """The row numbers listed in a part of the page."""
    script = f"[...document.querySelectorAll('{within} .entry .row')].map(one => Number(one.textContent.slice(4)))"
    return page.evaluate(script)


def exported(page):
    page.click("#save")
    return page.download("review.csv").decode()


def said(page, what="#tally"):
    return page.evaluate(f"document.querySelector('{what}').textContent")


def test_cards_gallery_and_pictures_appear(opened):
    assert rows(opened, ".members") == MEMBERS[:12]
    assert len(rows(opened, ".beside")) == 6
    assert rows(opened) == DROPPED[:60] and said(opened, "#count") == "75 rows of 75; 60 shown"
    assert len(rows(opened, "#suspects")) == 60
    opened.click("#more")
    assert rows(opened) == DROPPED and opened.evaluate("document.querySelector('#more').hidden")
    opened.evaluate("document.querySelector('#gallery').scrollIntoView({behavior: 'instant'})")
    canvas = "document.querySelector('#gallery canvas')"
    opened.wait(f"{canvas}.dataset.drawn === 'yes'")
    drawn = opened.evaluate(f"[...{canvas}.getContext('2d').getImageData(0, 0, 8, 8).data]")
    assert np.array_equal(np.reshape(drawn, (8, 8, 4))[..., 0], small.images()[0])
    box = opened.evaluate(
        "(() => { const of = one => document.querySelector(one).getBoundingClientRect(), a = of('svg.picture'),"
        "b = of('.box'); return [(b.x - a.x) / a.width * 8, (b.y - a.y) / a.height * 8,"
        "b.width / a.width * 8, b.height / a.height * 8]; })()"
    )
    assert np.allclose(box, [2, 0, 3, 2], atol=0.3)  # its line has a width


def test_filters_sort_and_search(opened):
    def chosen(name, value):
        opened.evaluate(
            f"(() => {{ const one = document.querySelector('#{name}'); one.value = {value!r};"
            "one.dispatchEvent(new Event(one.type === 'search' ? 'input' : 'change')); }})()".replace("}}", "}")
        )

    labels = opened.evaluate("[...document.querySelector('#by-class').options].map(one => one.textContent)")
    assert labels == ["any", "ant (25)", "cat (25)", "bee (25)"]
    chosen("by-class", opened.evaluate("document.querySelector('#by-class').options[3].value"))
    assert rows(opened) == [row for row in DROPPED if row % 3 == 1]
    chosen("sort", "least")
    assert rows(opened) == [row for row in DROPPED if row % 3 == 1][::-1]
    opened.click("#reset")
    chosen("sort", "worst")
    chosen("by-group", "0")
    assert rows(opened) == MEMBERS and said(opened, "#count") == "20 rows of 75; 20 shown"
    opened.click("#reset")
    opened.click("[aria-label='25 rows of cat that look like ant: show them']")
    assert rows(opened) == [row for row in DROPPED if row % 3 == 2]
    opened.click("#reset")
    chosen("search", "row 14")
    opened.wait("document.querySelectorAll('#gallery .entry').length === 6")
    assert rows(opened) == [14, 140, 142, 144, 146, 148]
    assert opened.evaluate("[...document.querySelector('#by-cause').options].map(one => one.textContent)") == [
        "any",
        "outvoted (75)",
    ]


def test_keys_move_and_decide(opened):
    opened.evaluate("document.querySelector('#gallery').scrollIntoView({behavior: 'instant'})")
    opened.press("j", "j", "h", "k", "ArrowRight", "d", "j", "k", "u", "/")
    opened.press("k")  # into the search field: decides nothing
    assert opened.evaluate("document.activeElement.id") == "search"
    first = opened.evaluate("[...document.querySelectorAll('#gallery .entry')].slice(0, 3).map(one => one.className)")
    assert first[0] == "entry keep" and first[1] == "entry drop" and first[2] == "entry current"
    assert said(opened) == "2 decisions: 1 keep, 1 drop."


def test_keys_go_on_beyond_what_is_listed(opened):
    opened.evaluate("document.querySelector('#gallery li:last-child .entry').focus()")
    opened.press("ArrowRight")
    assert opened.evaluate("document.querySelector('.entry.current .row').textContent") == "row 120"
    assert rows(opened) == DROPPED


def test_tick_boxes_and_review_csv(opened, made_page, tmp_path):
    opened.click("[aria-label='keep row 2']")
    opened.evaluate("document.querySelector('#note').value = 'seen, \"fine\"'")
    opened.click("[aria-label='drop row 1']")  # a kept row
    opened.evaluate("document.querySelector('#note').value = ''")
    opened.click(".all-of-group input[data-verdict=keep]")
    assert said(opened) == "22 decisions: 21 keep, 1 drop."
    text = exported(opened)
    lines = list(csv.reader(io.StringIO(text)))
    assert lines[0] == ["file", "row", "verdict", "note"] and lines[2] == ["in.parquet", "1", "drop", 'seen, "fine"']
    assert sorted(int(line[1]) for line in lines[1:]) == sorted([2, 1, *MEMBERS])
    (tmp_path / "review.csv").write_text(text)
    found = read_overrides([tmp_path / "review.csv"], find_shards(made_page[1]))
    assert found.position_D.tolist() == sorted([2, 1, *MEMBERS]) and found.keep_D.sum() == 21
    opened.press("Escape")
    member = f"[aria-label='drop row {MEMBERS[0]}']"
    opened.click(member)
    both = opened.evaluate(
        "[...document.querySelectorAll('.all-of-group input')].map(o => [o.checked, o.indeterminate])"
    )
    assert both == [[False, True], [False, True]]
    opened.click(member)
    opened.click("[aria-label='keep row 2']")
    assert said(opened) == "20 decisions: 19 keep, 1 drop."


def test_a_decision_survives_a_reload(opened):
    opened.click("[aria-label='keep row 4']")
    opened.reload()
    opened.wait("document.documentElement.dataset.ready === 'yes'")
    assert said(opened) == "1 decision: 1 keep, 0 drop."
    assert opened.evaluate("document.querySelector(\"#gallery [aria-label='keep row 4']\").checked")
    assert exported(opened) == "file,row,verdict,note\nin.parquet,4,keep,\n"


def test_decisions_go_to_the_server_it_came_from(browser, made_page):
    """As `sanitize review` serves it: decisions are loaded, sent and, where they are refused, taken back."""
    folder, source = made_page[0].parent, made_page[1]
    page_text = build_page(find_shards(source), read_manifest(folder / "m"), review_url="/token/decisions")
    kept = {("in.parquet", 6): {"file": "in.parquet", "row": 6, "verdict": "keep", "note": ""}}
    posts = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/token/decisions":
                self.answer(200, json.dumps({"decisions": [*kept.values()], "path": "review.csv"}), "application/json")
            else:
                self.answer(200, page_text, "text/html; charset=utf-8")

        def do_POST(self):
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["decisions"]
            posts.append((self.path, self.headers["Content-Type"], said))
            if any(one["row"] == 8 for one in said):
                self.answer(400, json.dumps({"error": "row 8 is refused"}), "application/json")
                return
            for one in said:
                kept[one["file"], one["row"]] = one
            self.answer(200, json.dumps({"decisions": len(said)}), "application/json")

        def answer(self, code, text, kind):
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.page(f"http://127.0.0.1:{server.server_port}/")
    page.wait("document.documentElement.dataset.ready === 'yes'")
    assert said(page) == "1 decision: 1 keep, 0 drop." and "written to review.csv" in said(page, ".decisions")
    page.click("#gallery [aria-label='keep row 6']")
    page.click(".all-of-group input[data-verdict=drop]")
    page.click("#gallery [aria-label='drop row 8']")
    page.wait("document.querySelector('#problem').textContent")
    assert said(page, "#problem") == "Not saved: row 8 is refused"
    assert not page.evaluate("document.querySelector(\"#gallery [aria-label='drop row 8']\").checked")
    assert {post[:2] for post in posts} == {("/token/decisions", "application/json")}
    assert [one["verdict"] for one in posts[0][2]] == [None] and posts[0][2][0]["row"] == 6
    assert sorted(one["row"] for one in posts[1][2]) == MEMBERS
    assert said(page) == f"{len(MEMBERS)} decisions: 0 keep, {len(MEMBERS)} drop."
    assert page.evaluate("localStorage.length") == 0
    assert [error for error in page.errors if "400" not in error and "favicon" not in error] == []
    server.shutdown()


def test_rows_and_groups_are_decided_at_the_real_server(browser, made_page, tmp_path):
    """By keys and by mouse; a reload and a second tab show what review.csv has."""
    path = tmp_path / "review.csv"
    server = prepare(made_page[1], made_page[0].parent / "m", path)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.page(server.address)
    page.wait("document.documentElement.dataset.ready === 'yes'")

    def decided():
        with path.open(newline="") as file:
            return {int(line["row"]): line["verdict"] for line in csv.DictReader(file)}

    def until(wanted):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and (not path.exists() or decided() != wanted):
            time.sleep(0.05)
        assert decided() == wanted

    def at(row):
        return f"document.querySelector(\"#gallery [aria-label='keep row {row}']\").closest('.entry').focus()"

    page.click(".all-of-group input[data-verdict=keep]")
    wanted = dict.fromkeys(MEMBERS, "keep")
    until(wanted)
    outside = [row for row in rows(page) if row not in MEMBERS][:2]
    page.click(f"#gallery [aria-label='drop row {outside[0]}']")
    wanted[outside[0]] = "drop"
    until(wanted)
    page.evaluate(at(outside[1]))
    page.press("k")
    wanted[outside[1]] = "keep"
    until(wanted)
    other = browser.page(server.address)
    for tab in (page, other):
        tab.reload()
        tab.wait("document.documentElement.dataset.ready === 'yes'")
        assert said(tab) == "22 decisions: 21 keep, 1 drop."
        assert tab.evaluate("document.querySelector('.all-of-group input[data-verdict=keep]').checked")
    other.evaluate(at(outside[0]))
    other.press("u")
    del wanted[outside[0]]
    until(wanted)
    assert page.errors == other.errors == []
    server.shutdown()
    server.server_close()


def test_names_levels_and_widths(opened):
    """Every control has a name, headings go down by one, nothing is wider than the view."""
    levels = opened.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(one => Number(one.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    nodes = opened.send("Accessibility.getFullAXTree")["nodes"]
    named = {"button", "checkbox", "combobox", "searchbox", "textbox", "image", "img", "region", "link"}
    found = [node for node in nodes if not node["ignored"] and node["role"]["value"] in named]
    assert len(found) > 100
    assert [node["role"]["value"] for node in found if not node.get("name", {}).get("value")] == []
    for width in (360, 390, 768, 1440):
        opened.resize(width, 800)
        assert opened.evaluate("document.documentElement.scrollWidth") == width


def test_dark_and_light_differ(browser, made_page):
    seen = []
    for dark in (False, True):
        page = browser.page(made_page[0].as_uri(), dark=dark)
        style = "getComputedStyle(document.body)"
        seen.append(page.evaluate(f"[{style}.backgroundColor, {style}.color]"))
        page.close()
    assert seen == [["rgb(251, 250, 248)", "rgb(29, 31, 36)"], ["rgb(21, 23, 27)", "rgb(233, 232, 228)"]]


def test_hostile_values_do_nothing(browser, tmp_path):
    bad = "</script><img src=http://127.0.0.1:9/x onerror=alert(1)><script>alert(2)</script>'\""
    label_N = np.arange(60) % 3
    names = [f"{bad}{name}" for name in small.NAMES]
    table = pa.table({"text": [f"{bad} words {row}" for row in range(60)], "label": [names[c] for c in label_N]})
    folder = tmp_path / "in"
    folder.mkdir()
    source = folder / "<img src=x onerror=alert(3)>.parquet"
    pq.write_table(table, source)
    manifest = made(source, tmp_path / "m", label_N, names, range(40))
    group = {**GROUP, "label": names[0], "says": names[1], "evidence": bad, "cause": bad, "region": None}
    columns = {"label": "label", "inputs": ["text"], "modality": "text", "found": bad}
    rewritten(manifest, groups=[group], members={"G1": [0, 3]}, columns=columns, preset=bad, seed=bad)
    page = browser.page(written(tmp_path, source, manifest).as_uri())
    page.wait("document.documentElement.dataset.ready === 'yes'")
    assert page.evaluate("document.querySelectorAll('img, script').length") == 3
    assert said(page, "#gallery blockquote") == f"{bad} words 0"
    assert page.dialogs == [] and page.errors == [] and len(page.requests) == 1


def test_many_rows_open_soon(browser, tmp_path):
    """12,000 pictures of noise: the page that holds them is listed and drawn within seconds."""
    noise = stream(0, "noise").integers(0, 256, (12_000, 12, 12, 3), np.uint8)
    label_N = np.arange(12_000) % 3
    source = tmp_path / "in.parquet"
    pq.write_table(image_table(noise, label_N, small.NAMES), source)
    manifest = made(source, tmp_path / "m", label_N, small.NAMES, range(11_000))
    page = browser.page(written(tmp_path, source, manifest).as_uri())
    page.wait("document.documentElement.dataset.ready === 'yes'", 10)
    assert said(page, "#count") == "11,000 rows of 11,000; 60 shown"
    page.evaluate("document.querySelector('#gallery').scrollIntoView({behavior: 'instant'})")
    page.wait("document.querySelector('#gallery canvas').dataset.drawn === 'yes'", 10)
