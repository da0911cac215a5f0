"""Whatever a server does, a download ends in working data, or in the sample and a line that says so."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import d2ltorch as d2lt
from d2ltorch import download
from tests.conftest import archive, idx_files

FILES = idx_files()
ARCHIVES = {f"{name}.gz": archive(content) for name, content in FILES.items()}
WRONG = archive(FILES["train-images-idx3-ubyte"][::-1])
resource = pytest.importorskip("resource", reason="forks processes, limits their files: not on Windows")


class Server(ThreadingHTTPServer):
    """Serves the four archives; ``behave(handler)`` may answer instead."""

    daemon_threads = True

    def __init__(self, behave=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave, self.requests, self.closing = behave, Counter(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request, client_address):
        pass  # clients hang up on purpose


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests[self.path.strip("/")] += 1
        behave = self.server.behave or (lambda handler: handler.send(handler.body))
        behave(self)

    def send(self, body, length=None):
        self.send_response(200)
        if length != "unknown":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

    @property
    def body(self):
        return ARCHIVES[self.path.strip("/")]


def waits(handler, seconds=20):
    handler.server.closing.wait(seconds)


def stalls(handler):
    handler.send(handler.body[:40], length=len(handler.body))
    handler.wfile.flush()
    waits(handler)


BAD = {
    "truncates": lambda handler: handler.send(handler.body[:50], length=len(handler.body)),
    "truncates unsaid": lambda handler: handler.send(handler.body[:50], length="unknown"),
    "sends other bytes": lambda handler: handler.send(WRONG),
    "sends a login page": lambda handler: handler.send(b"<html>Please log in to this network</html>"),
    "fails": lambda handler: handler.send_error(500),
    "refuses": lambda handler: handler.send_error(403),
    "stalls": stalls,
    "never answers": waits,
    "hangs up": lambda handler: handler.connection.shutdown(socket.SHUT_RDWR),
}


def trickles(handler):
    handler.send(b"", length=len(handler.body))
    for position in range(0, len(handler.body), 100):
        handler.wfile.write(handler.body[position : position + 100])
        if handler.server.closing.wait(0.05):
            break


def takes_its_time(handler):
    waits(handler, 0.2)
    handler.send(handler.body)


@pytest.fixture
def serve(monkeypatch, small_set):
    """Start servers and make them the mirrors."""
    for name, value in {"TIMEOUT_SECONDS": 1, "_failure": None}.items():
        monkeypatch.setattr(download, name, value)
    servers = []

    def start(*behaviours):
        servers.extend(Server(behave) for behave in behaviours)
        monkeypatch.setattr(download, "MIRRORS", [server.address for server in servers])
        return servers[0]

    yield start
    for server in servers:
        server.closing.set()
        server.shutdown()
        server.server_close()


def load(root):
    return d2lt.load_data_fashion_mnist(16, root=root, device="cpu", num_train=40)


def in_place(root):
    """The files below a root, which are what the server should have sent."""
    found = {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert all(ARCHIVES[name] == content for name, content in found.items()), "a damaged file"
    return set(found)


def test_a_good_server_fills_the_folder_once(serve, tmp_path, capsys):
    server = serve(None)
    train_iter, _ = load(tmp_path / "new" / "folder")
    assert train_iter.source == "Fashion-MNIST, first 40 of 60,000" and train_iter.num_examples == 40
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1 and "Fetching Fashion-MNIST (31 MB)" in captured.out
    assert captured.err == ""
    assert in_place(tmp_path) == set(ARCHIVES)
    load(tmp_path / "new" / "folder")
    assert set(server.requests.values()) == {1}


def test_only_missing_files_are_fetched(serve, small_root):
    server = serve(None)
    (small_root / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    load(small_root)
    assert set(server.requests) == {"t10k-labels-idx1-ubyte.gz"}


@pytest.mark.parametrize("behave", BAD.values(), ids=BAD)
def test_a_bad_server_ends_in_the_sample_and_a_clean_folder_or_the_second_stands_in(
    serve, tmp_path, monkeypatch, capsys, behave
):
    server = serve(behave)
    assert load(tmp_path)[0].num_examples == 40
    assert "Fashion-MNIST cannot be fetched (http" in capsys.readouterr().out
    assert in_place(tmp_path) == set()
    asked = server.requests.total()
    load(tmp_path)  # the failure is remembered …
    assert server.requests.total() == asked
    assert "cannot be fetched" in capsys.readouterr().out  # … and said again
    monkeypatch.setattr(download, "_failure", None)
    serve(None)
    load(tmp_path)
    assert in_place(tmp_path) == set(ARCHIVES)


def test_nobody_listens(serve, tmp_path, monkeypatch, capsys):
    serve(None)
    monkeypatch.setattr(download, "MIRRORS", ["http://127.0.0.1:9/", "http://no.such.invalid/"])
    assert load(tmp_path)[0].num_examples == 40
    assert "cannot be fetched (http://127.0.0.1:9/" in capsys.readouterr().out


def test_archives_that_lie_in_the_folder_are_used_and_damaged_ones_named_and_kept(serve, tmp_path):
    server = serve(None)
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, body in ARCHIVES.items():
        (raw / name).write_bytes(body)
    load(tmp_path)
    (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(b"changed")
    with pytest.raises(d2lt.DataError, match=r"t10k-labels-idx1-ubyte\.gz is damaged, .*: move it away"):
        load(tmp_path)
    assert (raw / "t10k-labels-idx1-ubyte.gz").read_bytes() == b"changed"
    assert not server.requests


# In other processes


def in_child(function, *arguments):
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def test_two_processes_at_once_end_with_good_data(serve, tmp_path):
    serve(takes_its_time)
    processes = [in_child(download.read_files, tmp_path) for _ in range(2)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert in_place(tmp_path) == set(ARCHIVES)


def test_a_killed_process_leaves_nothing_that_counts(serve, tmp_path):
    server = serve(trickles)
    process = in_child(download.read_files, tmp_path)
    deadline = time.monotonic() + 30
    while not any(path.is_file() and path.stat().st_size for path in tmp_path.rglob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert not any(path.name in ARCHIVES for path in tmp_path.rglob("*"))
    server.behave = None
    load(tmp_path)
    for name, body in ARCHIVES.items():
        assert next(tmp_path.rglob(name)).read_bytes() == body


def read_on_a_full_disk(root):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    with pytest.raises(d2lt.DataError, match=f"cannot be stored in {root}.*D2LTORCH_DATA"):
        download.read_files(root)


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(serve, tmp_path):
    serve(None)
    process = in_child(read_on_a_full_disk, tmp_path)
    process.join(60)
    assert process.exitcode == 0
    assert in_place(tmp_path) == set()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_folder_that_cannot_be_written_to_is_a_clear_error(serve):
    serve(None)
    with pytest.raises(d2lt.DataError, match=r"cannot be stored in /proc/d2ltorch.*root="):
        load("/proc/d2ltorch")


def test_a_folder_without_write_permission_but_with_files_works(small_root):
    raw = small_root / "FashionMNIST" / "raw"
    raw.chmod(0o500)
    try:
        assert load(small_root)[0].num_examples == 40
    finally:
        raw.chmod(0o700)
