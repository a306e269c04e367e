"""`sanitize review`: decisions over real HTTP on loopback, in the file at once, and nobody else's."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sanitize import review, review_file
from sanitize.cli import app
from sanitize.data.shards import find_shards
from sanitize.errors import BadInput
from sanitize.overrides import read_overrides
from sanitize.review import prepare
from sanitize.review_file import Conflict, ReviewFile
from tests import small
from tests.browser import Browser, needs_browser

DROP = {"file": "in.parquet", "row": 3, "verdict": "drop", "note": "odd, really"}


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    source = small.vector_file(folder / "in.parquet")
    quick = ("--params", small.quick_file(folder / "quick.yaml", engine="inline"), "--quiet")
    places = ("--manifest", folder / "manifest")
    assert run("filter", source, folder / "kept", *places, *quick).exit_code == 0
    return folder


@pytest.fixture
def server(judged, tmp_path):
    found = prepare(judged / "in.parquet", judged / "manifest", tmp_path / "review.csv")
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def ask(server, method, path, body=None, **headers):
    """(status, body) of one request; headers with _ for -."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    sent = {"Content-Type": "application/json"} if body is not None else {}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers=sent)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text, dict(answer.getheaders())


def post(server, *changes, **headers):
    return ask(server, "POST", server.decisions_at, json.dumps({"decisions": changes}), **headers)


def test_decisions_are_in_the_file_and_the_filter_takes_them(server, judged, tmp_path):
    """The walk: look, decide, withdraw, apply."""
    status, page, headers = ask(server, "GET", f"/{server.token}/")
    assert status == 200 and server.decisions_at.encode() in page
    assert headers["Cache-Control"] == "no-store" and headers["X-Frame-Options"] == "DENY"
    assert "Access-Control-Allow-Origin" not in headers and "Python" not in headers["Server"]
    assert post(server, DROP, {**DROP, "row": 7, "verdict": "keep", "note": ""})[:2] == (200, b'{"decisions": 2}')
    assert post(server, {**DROP, "row": 9})[0] == 200
    assert post(server, {**DROP, "row": 9, "verdict": None})[:2] == (200, b'{"decisions": 2}')
    text = (tmp_path / "review.csv").read_text()
    assert text == 'file,row,verdict,note\nin.parquet,3,drop,"odd, really"\nin.parquet,7,keep,\n'
    said = json.loads(ask(server, "GET", server.decisions_at)[1])
    assert said["decisions"] == [DROP, {**DROP, "row": 7, "verdict": "keep", "note": ""}]
    given = (judged / "in.parquet", tmp_path / "out", "--manifest", judged / "manifest")
    assert run("apply", *given, "--overrides", tmp_path / "review.csv").exit_code == 0
    before, after = (set(pq.read_table(path)["id"].to_pylist()) for path in (judged / "kept", tmp_path / "out"))
    assert before - after == {"row 3"} and after - before <= {"row 7"} and "row 7" in after


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_other_sites_are_refused(server, tmp_path, headers, status):
    assert post(server, DROP, **headers)[0] == status
    assert not (tmp_path / "review.csv").exists()
    if status == 403:
        assert ask(server, "GET", f"/{server.token}/", **headers)[0] == 403


def test_the_page_itself_may_ask(server):
    own = {"Origin": f"http://localhost:{server.server_port}", "Sec_Fetch_Site": "same-origin"}
    assert post(server, DROP, Host=f"localhost:{server.server_port}", **own)[0] == 200


def test_without_the_token_there_is_nothing(server):
    for path in (
        "/",
        "/x/",
        "/x/decisions",
        f"/{server.token}",
        f"/{server.token[:-1]}/",
        f"/{server.token}/../",
        "//",
    ):
        for method, body in (("GET", None), ("POST", "{}")):
            status, text, _ = ask(server, method, path, body)
            assert (status, json.loads(text)) == (404, {"error": "not found"})
    assert len(server.token) >= 40
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD"):
        status, text, headers = ask(server, method, f"/{server.token}/")
        assert status == 501 and headers["Cache-Control"] == "no-store" and headers["X-Frame-Options"] == "DENY"
        assert text == b"" if method == "HEAD" else json.loads(text) == {"error": "not implemented"}


@pytest.mark.parametrize(
    "body, message",
    [
        ("[", "no decisions"),
        ("[]", "no decisions"),
        ('{"decisions": {}}', "must be a list"),
        ("[" * 100_000, "no decisions"),
        (json.dumps({"decisions": [{**DROP, "row": 120}]}), "row is '120'; must be a whole number from 0 to 119"),
        (json.dumps({"decisions": [{**DROP, "row": True}]}), "row is 'True'"),
        (json.dumps({"decisions": [{**DROP, "file": "../x"}]}), "file is '../x'"),
        (json.dumps({"decisions": [{**DROP, "verdict": "maybe"}]}), "verdict is 'maybe'"),
        (json.dumps({"decisions": [{**DROP, "verdict": []}]}), "verdict is"),
        (json.dumps({"decisions": [DROP, {**DROP, "note": "x" * 501}]}), "at most 500 characters"),
        (json.dumps({"decisions": [{**DROP, "note": "\ud800"}]}), "half of a character"),
        (json.dumps({"decisions": [3]}), "must be an object"),
    ],
)
def test_what_is_no_decision_changes_nothing(server, tmp_path, body, message):
    status, text, _ = ask(server, "POST", server.decisions_at, body)
    assert status == 400 and message in json.loads(text)["error"]
    assert not (tmp_path / "review.csv").exists() and server.review.plain() == []


def test_too_much_is_not_read(server):
    assert ask(server, "POST", server.decisions_at, "{}", Content_Length=str(1 << 40))[0] == 413
    assert ask(server, "POST", server.decisions_at, "{}", Content_Length="-1")[0] == 411
    assert post(server, DROP)[0] == 200


def test_a_client_that_says_nothing_keeps_no_other_waiting(server):
    silent = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(20)]
    silent[0].sendall(b"POST / HTTP/1.1\r\nContent-Le")
    began = time.monotonic()
    assert post(server, DROP)[0] == 200
    assert time.monotonic() - began < 8
    for one in silent:
        one.close()


def test_many_at_once_lose_nothing(server, tmp_path):
    def decide(first):
        for row in range(first, first + 15):
            assert post(server, {**DROP, "row": row})[0] == 200

    threads = [threading.Thread(target=decide, args=(first,)) for first in range(0, 120, 15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len((tmp_path / "review.csv").read_text().splitlines()) == 121


def test_what_somebody_else_wrote_is_not_written_over(server, tmp_path):
    assert post(server, DROP)[0] == 200
    theirs = "row,verdict\n5,keep\n"
    (tmp_path / "review.csv").write_text(theirs)
    status, text, _ = post(server, {**DROP, "row": 9})
    assert status == 409 and "somebody else has changed it" in json.loads(text)["error"]
    assert (tmp_path / "review.csv").read_text() == theirs
    assert [one["row"] for one in server.review.plain()] == [3]


def test_of_two_servers_that_write_at_once_one_is_refused(judged, tmp_path, monkeypatch):
    """The other one writes after this one has looked, and before its turn to write has come."""
    path, source = tmp_path / "review.csv", find_shards(judged / "in.parquet")
    one, other = ReviewFile(path, source), ReviewFile(path, source)
    atomic_write, turns = review_file.atomic_write, []

    def late(*paths):
        if not turns:
            turns.append("the other's")
            assert other.change([{**DROP, "row": 9}]) == 1
        return atomic_write(*paths)

    monkeypatch.setattr(review_file, "atomic_write", late)
    with pytest.raises(Conflict):
        one.change([DROP])
    assert turns and one.plain() == [] and [line["row"] for line in other.plain()] == [9]
    assert path.read_text().splitlines()[1:] == ['in.parquet,9,drop,"odd, really"']


def test_notes_of_several_people_are_kept_whole(judged, tmp_path):
    path, source = tmp_path / "review.csv", find_shards(judged / "in.parquet")
    path.write_text("row,verdict,note\n5,keep," + "a" * 400 + "\n5,keep," + "b" * 400 + "\n")
    ReviewFile(path, source).change([DROP])
    lines = path.read_text().splitlines()[1:]
    assert lines[1:] == [f"in.parquet,5,keep,{sign * 400}" for sign in "ab"] and len(lines) == 3
    assert read_overrides([path], source).reason_D[1] == f"kept by hand: {'a' * 400}; {'b' * 400}"


def test_what_cannot_be_written_is_told_and_not_taken(server, tmp_path):
    assert post(server, DROP)[0] == 200
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))  # as on a full disk
    try:
        status, text, _ = post(server, *({**DROP, "row": row} for row in range(100)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == 507 and "File too large" in json.loads(text)["error"]
    assert len(server.review.plain()) == 1 and len((tmp_path / "review.csv").read_text().splitlines()) == 2
    assert post(server, {**DROP, "row": 9})[:2] == (200, b'{"decisions": 2}')


def test_an_input_that_changes_meanwhile_is_refused(judged, tmp_path, monkeypatch):
    source = Path(shutil.copy(judged / "in.parquet", tmp_path / "in.parquet"))
    build_page = review.build_page

    def slow(*given, **named):
        page = build_page(*given, **named)
        os.utime(source, ns=(1, 1))
        return page

    monkeypatch.setattr(review, "build_page", slow)
    with pytest.raises(BadInput, match="has changed while it was being read"):
        prepare(source, judged / "manifest", tmp_path / "review.csv")


def test_a_review_of_before_goes_on(judged, tmp_path):
    path = tmp_path / "review.csv"
    path.write_text("row,verdict,note\n5,keep,seen\n5,keep,twice\n")
    review = ReviewFile(path, find_shards(judged / "in.parquet"))
    assert review.plain() == [{"file": "in.parquet", "row": 5, "verdict": "keep", "note": "seen; twice"}]
    assert review.change([DROP]) == 2
    with pytest.raises(Conflict):
        other = ReviewFile(path, find_shards(judged / "in.parquet"))
        review.change([{**DROP, "row": 4}])
        other.change([DROP])
    path.write_text("row,verdict,who\n5,keep,me\n")
    with pytest.raises(BadInput, match="has a column 'who', which would be lost"):
        ReviewFile(path, find_shards(judged / "in.parquet"))


def test_several_files_and_empty_ones_have_their_own_rows(tmp_path):
    table = pq.read_table(small.vector_file(tmp_path / "all.parquet"))
    (tmp_path / "in").mkdir()
    for name, part in (("a", table.slice(0, 2)), ("b", table.slice(0, 0)), ("c", table.slice(2, 3))):
        pq.write_table(part, tmp_path / "in" / f"{name}.parquet")
    review = ReviewFile(tmp_path / "review.csv", find_shards(tmp_path / "in"))
    review.change([{**DROP, "file": f"{name}.parquet", "row": row} for name, row in (("c", 0), ("a", 1), ("c", 2))])
    assert [(one["file"], one["row"]) for one in review.plain()] == [
        ("a.parquet", 1), ("c.parquet", 0), ("c.parquet", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words, code, message",
    [
        (("--decisions", "{0}/in.parquet"), 2, "name it *.csv"),
        (("--decisions", "s3://bucket/review.csv"), 2, "must be a local file"),
        (("--port", "70000"), 2, "--port is 70000; must be from 0 to 65535"),
        (("--image-root", "{0}/nothing"), 3, "no such folder"),
        (("--manifest", "{0}/in.parquet"), 3, "in.parquet: has no column"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_served(judged, words, code, message):
    given = ["review", judged / "in.parquet", "--manifest", judged / "manifest", "--no-browser"]
    done = run(*given, *(word.format(judged) for word in words))
    assert done.exit_code == code and message in done.output


def test_a_port_that_is_taken(judged, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadInput, match="cannot be had"):
        prepare(judged / "in.parquet", judged / "manifest", tmp_path / "r.csv", port=taken.getsockname()[1])


def started(judged, tmp_path, *options, **environment):
    words = ["review", judged / "in.parquet", "--manifest", judged / "manifest", "--decisions", tmp_path / "r.csv"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sanitize", *map(str, words), *(options or ["--no-browser"])],
        stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])} | environment,
    )  # fmt: skip
    for line in process.stderr:
        if found := re.search(r"http://127.0.0.1:(\d+)/([^/]+)/", line):
            return process, int(found[1]), found[2]
    raise AssertionError(process.wait())


class At:
    def __init__(self, port, token):
        self.server_port, self.decisions_at = port, f"/{token}/decisions"


def test_a_browser_that_is_waited_for_gets_the_page(judged, tmp_path):
    """Browsers in a terminal run in the foreground: the server answers them all the same."""
    look = tmp_path / "look.py"
    look.write_text(
        "import sys, urllib.request\n"
        "page = urllib.request.urlopen(sys.argv[1], timeout=20).read()\n"
        f"open({str(tmp_path / 'seen')!r}, 'wb').write(page)\n"
    )
    process, _, token = started(judged, tmp_path, "--port=0", BROWSER=f"{sys.executable} {look} %s")
    deadline = time.monotonic() + 60
    while not (tmp_path / "seen").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert token.encode() in (tmp_path / "seen").read_bytes()


def test_killed_at_any_moment_every_answered_decision_is_in_the_file(judged, tmp_path):
    process, port, token = started(judged, tmp_path)
    answered = 0
    for row in range(12):
        assert post(At(port, token), {**DROP, "row": row})[0] == 200
        answered += 1
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len((tmp_path / "r.csv").read_text().splitlines()) == answered + 1
    process, port, token = started(judged, tmp_path)
    assert len(json.loads(ask(At(port, token), "GET", f"/{token}/decisions")[1])["decisions"]) == answered
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert f"{answered} decisions in" in process.stderr.read()


@needs_browser
def test_in_a_real_browser_a_decision_survives_a_reload(server, tmp_path):
    with Browser() as browser:
        page = browser.page(server.address)
        page.wait("document.documentElement.dataset.ready === 'yes'")
        page.press("j", "k")
        page.wait("document.getElementById('tally').textContent.startsWith('1 decision')")
        deadline = time.monotonic() + 20
        while not (tmp_path / "review.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len((tmp_path / "review.csv").read_text().splitlines()) == 2
        page.reload()
        page.wait("document.getElementById('tally').textContent.startsWith('1 decision')")
        assert not page.errors
