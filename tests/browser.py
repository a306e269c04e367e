"""A headless Chromium, driven over a pipe with the DevTools protocol: for tests of pages.

    with Browser() as browser:
        page = browser.page("file:///tmp/page.html", width=390, height=844)
        assert page.evaluate("document.title") == "..."
        page.press("j")
        page.wait("document.querySelectorAll('.row').length === 3")
        assert not page.errors
        page.screenshot(Path("page.png"))

It needs the standard library alone. `needs_browser` marks tests that are left out where Chromium is not to be had.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE = 60.0  # seconds for an answer, or for what a test waits for
KEYS = {  # name -> (code, Windows' number, text)
    "Enter": ("Enter", 13, "\r"),
    " ": ("Space", 32, " "),
    "Escape": ("Escape", 27, ""),
    "Tab": ("Tab", 9, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
}


def chromium() -> str | None:
    """The path of a Chromium, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


needs_browser = pytest.mark.skipif(
    chromium() is None, reason="no Chromium on this machine; apt-get install chromium (`make` does, as root)"
)


class BrowserError(AssertionError):
    """The browser does not answer, or says that a command or a script failed."""


class Browser:
    """A browser with a fresh profile, which is removed at the end."""

    def __init__(self, *flags: str) -> None:
        path = chromium()
        assert path is not None, "no Chromium on this machine"
        self.profile = tempfile.TemporaryDirectory(prefix="sanitize-chromium-", ignore_cleanup_errors=True)
        self.downloads = Path(self.profile.name) / "downloads"
        self.downloads.mkdir()
        read, self._out = os.pipe()
        self._in, write = os.pipe()
        command = [path, *FLAGS, *flags, f"--user-data-dir={self.profile.name}/profile", "about:blank"]
        # The browser reads commands from descriptor 3 and answers on 4, messages that end in a null byte.
        script = 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"'
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", script, str(read), str(write), *command],
            pass_fds=(read, write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read)
        os.close(write)
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._pages: dict[str, Page] = {}
        self._changed = threading.Condition()
        self._ended = False
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and remove its profile."""
        with contextlib.suppress(BrowserError, OSError):
            self.send("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._out)
        self.profile.cleanup()

    def send(self, method: str, session: str | None = None, /, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its result."""
        with self._changed:
            self._number += 1
            number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._out, content) :]
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers or self._ended, PATIENCE)
            answer = self._answers.pop(number, None)
        if answer is None:
            raise BrowserError(f"no answer to {method}")
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def page(self, address: str = "about:blank", *, width: int = 1440, height: int = 900, dark: bool = False) -> Page:
        """A new tab with that address, loaded."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        with self._changed:
            self._pages[session] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        page.resize(width, height)
        page.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        if address != "about:blank":
            page.navigate(address)
        return page

    def _listen(self) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while piece := os.read(self._in, 1 << 20):
                *messages, rest = (rest + piece).split(b"\0")
                for content in messages:
                    self._take(json.loads(content))
        os.close(self._in)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        with self._changed:
            if "id" in message:
                self._answers[message["id"]] = message
            elif (page := self._pages.get(message.get("sessionId", ""))) is not None:
                page._event(message["method"], message["params"])
            self._changed.notify_all()


class Page:
    """One tab.

    errors    what went wrong in it: exceptions nobody caught, console.error, warnings and errors of the browser
    console   all console messages: (kind, text)
    requests  the addresses that it asked for, itself and data: addresses left out
    """

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self.browser, self.target, self.session = browser, target, session
        self.errors: list[str] = []
        self.console: list[tuple[str, str]] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self._loads = 0

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol to this tab."""
        return self.browser.send(method, self.session, **params)

    def navigate(self, address: str) -> None:
        """Open an address and wait until it has loaded."""
        before = self._loads
        found = self.send("Page.navigate", url=address)
        if found.get("errorText"):
            raise BrowserError(f"{address}: {found['errorText']}")
        if "loaderId" in found:
            self._loaded(before, address)

    def reload(self) -> None:
        """Load it again."""
        before = self._loads
        self.send("Page.reload")
        self._loaded(before, "reload")

    def _loaded(self, before: int, what: str) -> None:
        with self.browser._changed:
            if not self.browser._changed.wait_for(lambda: self._loads > before, PATIENCE):
                raise BrowserError(f"{what}: has not loaded in {PATIENCE:g} s")

    def evaluate(self, script: str) -> Any:
        """The value of an expression, as JSON has it; a promise's is waited for."""
        found = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise BrowserError(f"{script}: {details.get('exception', {}).get('description', details['text'])}")
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = PATIENCE) -> Any:
        """Wait until an expression is true, and give its value."""
        end = time.monotonic() + seconds
        while True:
            found = self.evaluate(script)
            if found:
                return found
            if time.monotonic() > end:
                raise BrowserError(f"not true after {seconds:g} s: {script}")
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press keys one after the other: letters, or names as in KEYS."""
        for key in keys:
            code, number, text = KEYS.get(key, (f"Key{key.upper()}", ord(key.upper()[0]), key))
            about = {"key": key, "code": code, "windowsVirtualKeyCode": number}
            self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **about)
            self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def click(self, selector: str) -> None:
        """Click with the mouse into the middle of the first element that the selector finds."""
        spot = self.evaluate(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)}); if (!found) return null;"
            "found.scrollIntoView({block: 'center', behavior: 'instant'}); const r = found.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        if spot is None:
            raise BrowserError(f"nothing to click: {selector}")
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1)

    def resize(self, width: int, height: int) -> None:
        """Give the view this size in pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of what is seen, or of the whole page."""
        found = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def download(self, name: str, seconds: float = PATIENCE) -> bytes:
        """The content of a file that the page has given for download."""
        place, end = self.browser.downloads / name, time.monotonic() + seconds
        while not place.exists():
            if time.monotonic() > end:
                raise BrowserError(f"no download {name} after {seconds:g} s")
            time.sleep(0.05)
        content = place.read_bytes()
        place.unlink()
        return content

    def close(self) -> None:
        """Close the tab."""
        self.browser.send("Target.closeTarget", targetId=self.target)

    def _event(self, method: str, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loads += 1
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(params["message"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled":
            text = " ".join(str(one.get("value", one.get("description", ""))) for one in params["args"])
            self.console.append((params["type"], text))
            if params["type"] in ("error", "assert"):
                self.errors.append(text)
        elif method == "Log.entryAdded":
            entry = params["entry"]
            self.console.append((entry["level"], entry["text"]))
            if entry["level"] in ("warning", "error"):
                self.errors.append(f"{entry['text']} {entry.get('url', '')}")
        elif method == "Network.requestWillBeSent":
            address = params["request"]["url"]
            if not address.startswith("data:"):
                self.requests.append(address)
