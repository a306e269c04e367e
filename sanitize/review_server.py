"""The review page on loopback: one address that nobody can guess, for one browser on this machine.

Whoever has the address may decide; other origins and names of this host are refused, so that no web page elsewhere can
use a browser that has it open, nor find it behind a name that leads here (DNS rebinding).
"""

from __future__ import annotations

import hmac
import json
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sanitize.errors import BadInput
from sanitize.review_file import Conflict, ReviewFile

HOST = "127.0.0.1"
PATIENCE = 10.0  # seconds that a client may take over a request
MOST_BYTES = 64 << 20  # of a request: a group's decision is one, with all of its rows
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page has a policy of its own besides
}


class ReviewServer(ThreadingHTTPServer):
    """Serves one page and the decisions on its rows.

    review  where decisions go
    port    0 = any that is free
    Raises  OSError: the port is taken
    `page` is set once the address is known, which it names.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, review: ReviewFile, port: int = 0) -> None:
        self.review = review
        self.token = secrets.token_urlsafe(32)
        self.page = b""
        super().__init__((HOST, port), _Handler)

    @property
    def decisions_at(self) -> str:
        """The path of the decisions."""
        return f"/{self.token}/decisions"

    @property
    def address(self) -> str:
        """The page's."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "sanitize", ""
    timeout = PATIENCE

    def do_GET(self) -> None:
        """The page, or the decisions."""
        self._answered(self._get)

    def do_POST(self) -> None:
        """Decisions."""
        self._answered(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address is in every line."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request, or has another method: refused as all else is, without a word of it."""
        self.close_connection = True
        self._send(HTTPStatus(code), _document({"error": HTTPStatus(code).phrase.lower()}))

    def _answered(self, work: Any) -> None:
        try:
            self._refuse_others()
            work()
        except _Refused as refused:
            self.close_connection = True  # what the client still sends is not read
            self._send(refused.status, _document({"error": str(refused)}))

    def _refuse_others(self) -> None:
        port = self.server.server_port
        hosts = [f"{name}:{port}" for name in (HOST, "localhost")]
        if self.headers.get_all("Host", []) not in [[host] for host in hosts]:
            raise _Refused(HTTPStatus.FORBIDDEN, "another host")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in [f"http://{host}" for host in hosts]:
            raise _Refused(HTTPStatus.FORBIDDEN, "another origin")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise _Refused(HTTPStatus.FORBIDDEN, "another site")

    def _is(self, path: str) -> bool:
        return hmac.compare_digest(self.path.encode("utf-8", "replace"), path.encode())

    def _get(self) -> None:
        if self._is(f"/{self.server.token}/"):
            self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
        elif self._is(self.server.decisions_at):
            review = self.server.review
            self._send(HTTPStatus.OK, _document({"decisions": review.plain(), "path": str(review.path)}))
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, "not found")

    def _post(self) -> None:
        if not self._is(self.server.decisions_at):
            raise _Refused(HTTPStatus.NOT_FOUND, "not found")
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "must be application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or self.headers.get("Transfer-Encoding"):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "must tell its length")
        if len(length) > 12 or int(length) > MOST_BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_BYTES} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise _Refused(HTTPStatus.BAD_REQUEST, "ended too soon")
        try:
            changes = json.loads(body)["decisions"]
            if not isinstance(changes, list):
                raise ValueError("decisions must be a list")
            decisions = self.server.review.change(changes)
        except Conflict as error:
            raise _Refused(HTTPStatus.CONFLICT, str(error)) from error
        except (BadInput, OSError) as error:
            raise _Refused(HTTPStatus.INSUFFICIENT_STORAGE, str(error)) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"no decisions: {error}") from error
        self._send(HTTPStatus.OK, _document({"decisions": decisions}))

    def _send(self, status: HTTPStatus, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _document(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode()
