"""Whatever a server does, a download ends in working data, or in the sample and a line that says so."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import d2ltorch as d2lt
from d2ltorch import download
from tests.conftest import archive, idx_files

ARCHIVES = {f"{name}.gz": archive(content) for name, content in idx_files().items()}
resource = pytest.importorskip("resource", reason="forks a process, limits files: not on Windows")


class Server(ThreadingHTTPServer):
    """Serves the four archives; ``behave(handler)`` may answer instead."""

    daemon_threads = True

    def __init__(self, behave):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave, self.requests = behave, Counter()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # clients hang up on purpose


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.strip("/")
        self.server.requests[name] += 1
        self.body = ARCHIVES[name]
        (self.server.behave or Handler.send)(self)

    def send(self, body=None):
        """Send what was asked for, or ``body`` under its length."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body if body is None else body)

    def log_message(self, *args):
        pass


def stalls(handler):
    handler.send(handler.body[:40])
    time.sleep(3)


def trickles(handler):
    handler.send(b"")
    for position in range(0, len(handler.body), 100):
        handler.wfile.write(handler.body[position : position + 100])
        time.sleep(0.05)


def takes_its_time(handler):
    time.sleep(0.2)
    handler.send()


@pytest.fixture
def serve(monkeypatch, small_set):
    """Start servers and make them the mirrors."""
    for name, value in {"TIMEOUT_SECONDS": 1, "_failure": None}.items():
        monkeypatch.setattr(download, name, value)
    servers = []

    def start(behave=None):
        servers.append(Server(behave))
        monkeypatch.setattr(download, "MIRRORS", [f"http://127.0.0.1:{server.server_port}/" for server in servers])
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def load(root):
    return d2lt.load_data_fashion_mnist(16, root=root, device="cpu", num_train=40)


def in_place(root):
    """The names of the files below a root, all of which hold what the server should have sent."""
    found = {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert all(ARCHIVES[name] == content for name, content in found.items()), "a damaged file"
    return set(found)


def test_a_good_server_fills_the_folder_once_and_a_file_that_changes_is_named_and_kept(serve, tmp_path, capsys):
    server, root = serve(), tmp_path / "new" / "folder"
    train_iter, _ = load(root)
    assert train_iter.source == "Fashion-MNIST, first 40 of 60,000" and train_iter.num_examples == 40
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1 and "Fetching Fashion-MNIST (31 MB)" in captured.out
    assert captured.err == ""
    assert in_place(tmp_path) == set(ARCHIVES)
    load(root)
    changed = root / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
    changed.write_bytes(b"changed")
    with pytest.raises(d2lt.DataError, match=r"t10k-labels-idx1-ubyte\.gz is damaged, .*: move it away"):
        load(root)
    assert changed.read_bytes() == b"changed"
    assert set(server.requests.values()) == {1}


def test_only_missing_files_are_fetched(serve, small_root):
    server = serve()
    (small_root / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    load(small_root)
    assert set(server.requests) == {"t10k-labels-idx1-ubyte.gz"}


BAD = {
    "truncates": lambda handler: handler.send(handler.body[:50]),
    "sends other bytes": lambda handler: handler.send(handler.body[::-1]),
    "fails": lambda handler: handler.send_error(500),
    "stalls": stalls,
}


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
    serve()
    load(tmp_path)
    assert in_place(tmp_path) == set(ARCHIVES)


def test_without_a_network_the_sample_stands_in_and_says_so(serve, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download, "MIRRORS", ["http://127.0.0.1:9/", "http://no.such.invalid/"])
    train_iter, test_iter = load(tmp_path)
    captured = capsys.readouterr()
    assert "cannot be fetched (http://127.0.0.1:9/" in captured.out and "stand in" in captured.out
    assert captured.err == ""
    assert train_iter.source == "Fashion-MNIST, first 40 of 60,000"
    assert test_iter.source == "Fashion-MNIST, first 1,000 of 10,000"


def in_child(root):
    process = multiprocessing.get_context("fork").Process(target=download.read_files, args=(root,))
    process.start()
    return process


def test_two_processes_at_once_end_with_good_data(serve, tmp_path):
    serve(takes_its_time)
    for process in [in_child(tmp_path) for _ in range(2)]:
        process.join(60)
        assert process.exitcode == 0
    assert in_place(tmp_path) == set(ARCHIVES)


def test_a_killed_process_leaves_nothing_that_counts(serve, tmp_path):
    server = serve(trickles)
    process = in_child(tmp_path)
    deadline = time.monotonic() + 30
    while not any(path.is_file() and path.stat().st_size for path in tmp_path.rglob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join(30)
    assert not any(path.name in ARCHIVES for path in tmp_path.rglob("*"))
    server.behave = None
    load(tmp_path)
    for name, body in ARCHIVES.items():
        assert next(tmp_path.rglob(name)).read_bytes() == body


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(serve, tmp_path):
    serve()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(d2lt.DataError, match=f"cannot be stored in {tmp_path}.*D2LTORCH_DATA, or root="):
            load(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert in_place(tmp_path) == set()


def test_a_folder_that_cannot_be_made_is_a_clear_error(serve, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(d2lt.DataError, match=f"cannot be stored in {tmp_path}/file/data.*Not a directory"):
        load(tmp_path / "file" / "data")
