"""The browser that tests of pages use: what it says of a page is so."""

import http.server
import threading

import pytest

from tests.browser import Browser, BrowserError, needs_browser

pytestmark = needs_browser
PAGE = """<!doctype html><title>A page</title>
<meta name=viewport content="width=device-width"><p id=said>nothing</p><button id=more>more</button>
<a id=file download="rows.csv" href="data:text/csv,a,b">rows</a>
<script>
addEventListener("keydown", event => said.textContent += " " + event.key);
more.onclick = event => said.textContent += " clicked " + event.isTrusted;
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
if (location.hash === "#broken") { console.error("one"); console.log("two"); nothing_of_this_name(); }
</script>"""


@pytest.fixture(scope="module")
def browser():
    with Browser() as found:
        yield found


@pytest.fixture
def address(tmp_path):
    place = tmp_path / "page.html"
    place.write_text(PAGE)
    return place.as_uri()


def test_keys_clicks_and_values(browser, address, tmp_path):
    page = browser.page(address, width=390, height=700, dark=True)
    assert page.evaluate("[document.title, innerWidth, dark]") == ["A page", 390, True]
    page.press("j", "Enter", "ArrowDown")
    page.click("#more")
    assert page.wait("said.textContent.endsWith('true') && said.textContent") == (
        "nothing j Enter ArrowDown clicked true"
    )
    page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes()[:4] == b"\x89PNG"
    assert page.errors == [] and page.requests == [address]
    page.reload()
    assert page.evaluate("said.textContent") == "nothing"
    page.click("#file")
    assert page.download("rows.csv") == b"a,b"


def test_errors_are_seen(browser, address):
    page = browser.page(address + "#broken")
    assert page.errors[0] == "one" and "nothing_of_this_name" in page.errors[1]
    assert page.console == [("error", "one"), ("log", "two")]
    with pytest.raises(BrowserError, match="TypeError"):
        page.evaluate("null.x")
    with pytest.raises(BrowserError, match="not true after"):
        page.wait("false", 0.1)
    with pytest.raises(BrowserError, match="nothing to click"):
        page.click("#none")


def test_requests_are_seen(browser):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/" else 404)
            self.end_headers()
            self.wfile.write(b"<title>served</title><img src=/missing.png>" if self.path == "/" else b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    page = browser.page(f"{base}/")
    assert page.evaluate("document.title") == "served"
    assert f"{base}/missing.png" in page.requests
    assert any("404" in error for error in page.errors)
    server.shutdown()
