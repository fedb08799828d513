"""Serves a folder to browsers on this machine, and to nobody else.

Only files that were there at the start are served, by their exact names; nothing is
written. A request must name this machine as its host, so that a page elsewhere whose
name is made to point here (DNS rebinding) gets nothing.
"""

import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..core.checks import InputError

ADDRESS = "127.0.0.1"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".bin": "application/octet-stream",
    ".mp3": "audio/mpeg",
}
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Server(ThreadingHTTPServer):
    """Serves the files of one folder on 127.0.0.1.

    Parameters
    ----------
    root : Path
        Files are listed once, now: what comes later is not served, nor are links.
    port : int
        0 takes a free one.

    Raises
    ------
    InputError
        If the port is taken.
    """

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0) -> None:
        self.files = {
            f"/{path.relative_to(root).as_posix()}": path
            for path in root.rglob("*")
            if path.is_file() and not path.is_symlink() and path.suffix in TYPES
        }
        if "/index.html" in self.files:
            self.files["/"] = self.files["/index.html"]
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"port {port} of {ADDRESS} cannot be used: {error}. Leave --port out "
                "to take a free one."
            ) from error

    @property
    def url(self) -> str:
        """Where to look."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def hosts(self) -> set[str]:
        """What a request may call this machine."""
        return {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "brain2music", ""
    server: Server

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: object) -> None:  # the screen shows the address alone
        return

    def _answer(self, *, body: bool) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0] not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN)
            return
        path = self.server.files.get(unquote(urlsplit(self.path).path))
        if path is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        content = path.read_bytes()
        start, stop = _wanted(self.headers.get("Range", ""), len(content))
        part = (start, stop) != (0, len(content))
        self.send_response(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK)
        self.send_header("Content-Type", TYPES[path.suffix])
        self.send_header("Accept-Ranges", "bytes")
        if part:
            shown = f"bytes {start}-{stop - 1}/{len(content)}"
            self.send_header("Content-Range", shown)
        self._finish(content[start:stop], body=body)

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self._finish(f"{status.phrase}\n".encode(), body=self.command != "HEAD")

    def _finish(self, content: bytes, *, body: bool) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


def _wanted(header: str, n_bytes: int) -> tuple[int, int]:
    """Return which bytes a Range header asks for: all, unless it is one plain range."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", header)
    if found is None:
        return 0, n_bytes
    start = int(found[1])
    stop = min(int(found[2]) + 1 if found[2] else n_bytes, n_bytes)
    return (start, stop) if start < stop else (0, n_bytes)
