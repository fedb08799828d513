"""Tests that the server gives this machine its files, and nobody anything else."""

import http.client
import socket
import threading

import pytest

from brain2music.core.checks import InputError
from brain2music.viewer.server import Server


@pytest.fixture
def root(tmp_path):
    (tmp_path / "secret.js").write_text("secret")
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    (root / "index.html").write_text("<p>page</p>")
    (root / "data/a b.bin").write_bytes(bytes(range(100)))
    (root / "link.js").symlink_to(tmp_path / "secret.js")
    (root / "about.json").write_text("{}")
    return root


@pytest.fixture
def server(root):
    with Server(root) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, path, method="GET", **headers):
    headers = {"Host": f"127.0.0.1:{server.server_port}", **headers}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=9)
    connection.putrequest(method, path, skip_host=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_files_are_served_by_their_names_with_their_types(server):
    answer, content = ask(server, "/")
    assert (answer.status, content) == (200, b"<p>page</p>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    answer, content = ask(server, "/data/a%20b.bin?x=1")
    assert (answer.status, content) == (200, bytes(range(100)))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_listens_on_this_machine_alone(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.js",
        "/%2e%2e/secret.js",
        "/data/../../secret.js",
        "//etc/passwd",
        "/..%2fsecret.js",
        "/link.js",
        "/about.json",
        "/data",
        "/data/",
        "/nothing.js",
    ],
)
def test_nothing_else_is_served(server, path):
    answer, content = ask(server, path)
    assert answer.status == 404
    assert b"secret" not in content


def test_what_comes_after_the_start_is_not_served(server, root):
    (root / "new.js").write_text("new")
    assert ask(server, "/new.js")[0].status == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example", ""]
)
def test_a_request_by_another_name_gets_nothing(server, host):
    answer, content = ask(server, "/", Host=host)
    assert answer.status == 403
    assert b"page" not in content


def test_a_request_without_a_host_or_with_two_gets_nothing(server):
    for lines in ("", f"Host: 127.0.0.1:{server.server_port}\r\nHost: evil\r\n"):
        with socket.create_connection(("127.0.0.1", server.server_port), 9) as plug:
            plug.sendall(f"GET / HTTP/1.0\r\n{lines}\r\n".encode())
            assert b" 403 " in plug.makefile("rb").readline()


def test_localhost_is_this_machine(server):
    assert ask(server, "/", Host=f"localhost:{server.server_port}")[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_written(server, root, method):
    before = sorted(root.rglob("*"))
    assert ask(server, "/index.html", method)[0].status == 501
    assert sorted(root.rglob("*")) == before


def test_head_has_no_body(server):
    answer, content = ask(server, "/", "HEAD")
    assert (answer.status, content) == (200, b"")
    assert answer.headers["Content-Length"] == "11"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=10-19", 10, 20), ("bytes=90-", 90, 100), ("bytes=95-900", 95, 100)],
)
def test_parts_are_served_as_players_ask(server, asked, start, stop):
    answer, content = ask(server, "/data/a%20b.bin", Range=asked)
    assert answer.status == 206
    assert content == bytes(range(start, stop))
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/100"


@pytest.mark.parametrize("asked", ["bytes=200-", "bytes=9-3", "bytes=-5", "x=1-2"])
def test_other_ranges_get_the_whole(server, asked):
    answer, content = ask(server, "/data/a%20b.bin", Range=asked)
    assert (answer.status, len(content)) == (200, 100)


def test_a_port_that_is_taken_is_named(server, root):
    with pytest.raises(InputError, match=f"port {server.server_port}.*free one"):
        Server(root, server.server_port)
    with pytest.raises(InputError, match="port 99999"):
        Server(root, 99999)
