"""Whatever a server does, a download ends in working data or in garments and a warning, never in a damaged cache."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import idx_files

import d2ltorch as d2lt
from d2ltorch import _fetch
from d2ltorch._torchvision import torchvision

FILES = idx_files()
ARCHIVES = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in FILES.items()}
WRONG = gzip.compress(FILES["train-images-idx3-ubyte"][::-1], mtime=0)
LARGEST = "train-images-idx3-ubyte.gz"  # also the first that is asked for
resource = pytest.importorskip("resource", reason="forks processes, limits their files: not on Windows")


class Server(ThreadingHTTPServer):
    """Serves the four archives; ``behave(handler, number)`` may answer a file's n-th request instead."""

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
        name = self.path.strip("/")
        number, self.server.requests[name] = self.server.requests[name], self.server.requests[name] + 1
        if self.server.behave is None or not self.server.behave(self, number):
            self.send(ARCHIVES[name])

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


# Misbehaviours. Each says whether it has answered.


def truncates(handler, number):
    handler.send(handler.body[: len(handler.body) // 2], length=len(handler.body))
    return True


def truncates_unsaid(handler, number):
    handler.send(handler.body[: len(handler.body) // 2], length="unknown")
    return True


def sends_other_bytes(handler, number):
    handler.send(WRONG)
    return True


def sends_a_login_page(handler, number):
    handler.send(b"<html>Please log in to this network</html>")
    return True


def fails(handler, number):
    handler.send_error(500)
    return True


def refuses(handler, number):
    handler.send_error(403)
    return True


def stalls(handler, number):
    handler.send(handler.body[:40], length=len(handler.body))
    handler.wfile.flush()
    handler.server.closing.wait(20)
    return True


def never_answers(handler, number):
    handler.server.closing.wait(20)
    return True


def hangs_up(handler, number):
    handler.connection.shutdown(socket.SHUT_RDWR)
    return True


def never_ends(handler, number):
    handler.send(b"", length="unknown")
    compressor = gzip.compress(bytes(1 << 16), mtime=0)
    while not handler.server.closing.is_set():
        handler.wfile.write(compressor)
    return True


def trickles(handler, number):
    handler.send(b"", length=len(handler.body))
    for position in range(0, len(handler.body), 100):
        handler.wfile.write(handler.body[position : position + 100])
        if handler.server.closing.wait(0.05):
            break
    return True


def takes_its_time(handler, number):
    handler.server.closing.wait(0.2)
    return False


def only_in_the_middle(behave):
    """Answer the first request, which only asks whether anybody is there, and the ones after the next."""
    return lambda handler, number: number == 1 and behave(handler, number)


@pytest.fixture
def serve(monkeypatch):
    """Start servers and make them the mirrors."""
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    dataset = torchvision.datasets.FashionMNIST
    resources = [(name, hashlib.md5(body).hexdigest()) for name, body in ARCHIVES.items()]
    monkeypatch.setattr(dataset, "resources", resources)
    for name, value in {
        "CONNECT_SECONDS": 2,
        "STALL_SECONDS": 2,
        "LARGEST_DOWNLOAD": 1 << 20,
        "_failure": None,
    }.items():
        monkeypatch.setattr(_fetch, name, value)
    servers = []

    def start(*behaviours):
        for behave in behaviours:
            servers.append(Server(behave))
        monkeypatch.setattr(_fetch, "_mirrors", lambda root: [s.address for s in servers])
        return servers[0]

    yield start
    for server in servers:
        server.closing.set()
        server.shutdown()
        server.server_close()


def load(root):
    return d2lt.load_data_fashion_mnist(16, root=root, device="cpu", num_train=40)


def in_place(root):
    """The files below a root, and whether they are what the server should have sent."""
    found = {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert all(FILES[name] == content for name, content in found.items()), "a damaged cache"
    return set(found)


def leftovers(root):
    return [path for path in root.rglob("*") if path.name.startswith(".")]


def test_a_good_server_fills_the_cache_once(serve, tmp_path, capsys):
    server = serve(None)
    train_iter, test_iter = load(tmp_path / "new" / "folder")
    assert train_iter.source == "Fashion-MNIST, first 40 of 50"
    assert test_iter.num_examples == 120
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    assert "Downloading Fashion-MNIST" in captured.out
    assert captured.err == ""
    assert in_place(tmp_path) == set(FILES)
    assert not leftovers(tmp_path)
    asked = sum(server.requests.values())
    load(tmp_path / "new" / "folder")
    assert sum(server.requests.values()) == asked


def test_only_missing_files_are_fetched(serve, small_root):
    server = serve(None)
    raw = small_root / "FashionMNIST" / "raw"
    (raw / "t10k-labels-idx1-ubyte").unlink()
    load(small_root)
    assert set(server.requests) == {"t10k-labels-idx1-ubyte.gz"}


@pytest.mark.parametrize(
    "behave",
    [
        truncates,
        truncates_unsaid,
        sends_other_bytes,
        sends_a_login_page,
        fails,
        refuses,
        stalls,
        never_answers,
        hangs_up,
        never_ends,
    ],
)
def test_a_bad_server_ends_in_garments_and_a_clean_cache(serve, tmp_path, capsys, behave):
    server = serve(behave)
    started = time.monotonic()
    train_iter, _ = load(tmp_path)
    assert train_iter.source.startswith("drawn garments")
    output = capsys.readouterr().out
    assert "Warning: drawn garments stand in for Fashion-MNIST (" in output
    assert in_place(tmp_path) == set()
    assert not leftovers(tmp_path)
    asked = sum(server.requests.values())
    load(tmp_path)  # the failure is remembered …
    assert sum(server.requests.values()) == asked
    assert "Warning" in capsys.readouterr().out  # … and said again
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("behave", [truncates, sends_other_bytes, sends_a_login_page, fails, stalls, hangs_up])
def test_trouble_that_passes_ends_in_working_data(serve, tmp_path, behave):
    serve(only_in_the_middle(behave))
    assert load(tmp_path)[0].source.startswith("Fashion-MNIST")
    assert in_place(tmp_path) == set(FILES)
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("behave", [truncates, refuses, never_answers])
def test_the_second_mirror_stands_in(serve, tmp_path, behave):
    serve(behave, None)
    assert load(tmp_path)[0].source.startswith("Fashion-MNIST")
    assert in_place(tmp_path) == set(FILES)


def test_nobody_listens(serve, tmp_path, monkeypatch, capsys):
    serve(None)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        monkeypatch.setattr(_fetch, "_mirrors", lambda root: [address, "http://no.such.invalid/"])
        assert load(tmp_path)[0].source.startswith("drawn garments")
    assert "no network" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_archives_that_lie_in_the_folder_are_used(serve, tmp_path, monkeypatch):
    serve(None)
    monkeypatch.undo()  # the real list of mirrors, and so no network in this test
    dataset = torchvision.datasets.FashionMNIST
    resources = [(name, hashlib.md5(body).hexdigest()) for name, body in ARCHIVES.items()]
    monkeypatch.setattr(dataset, "resources", resources)
    monkeypatch.setattr(dataset, "mirrors", [])
    monkeypatch.setattr(_fetch, "SECOND_MIRROR", "http://127.0.0.1:9/")
    monkeypatch.setattr(_fetch, "_failure", None)
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, body in ARCHIVES.items():
        (raw / name).write_bytes(body)
    assert load(tmp_path)[0].source.startswith("Fashion-MNIST")


def test_an_interrupted_download_leaves_nothing(serve, tmp_path, monkeypatch):
    serve(None)

    def interrupted(url):
        yield ARCHIVES[LARGEST][:100]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_fetch, "_chunks", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(tmp_path)
    assert in_place(tmp_path) == set()
    assert not leftovers(tmp_path)
    assert load(tmp_path)[0].source.startswith("Fashion-MNIST")


# In other processes


def in_child(function, *arguments):
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def test_two_processes_at_once_fetch_each_file_once(serve, tmp_path):
    server = serve(takes_its_time)
    processes = [in_child(_fetch.ensure_files, tmp_path) for _ in range(2)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert in_place(tmp_path) == set(FILES)
    assert not leftovers(tmp_path)
    # The first file is also asked for by each process to see whether the mirror answers.
    assert server.requests.pop(LARGEST) <= 3
    assert set(server.requests.values()) == {1}


def test_a_killed_process_leaves_nothing_that_counts(serve, tmp_path):
    server = serve(lambda handler, number: number > 0 and trickles(handler, number))
    process = in_child(_fetch.ensure_files, tmp_path)
    deadline = time.monotonic() + 30
    while not [path for path in tmp_path.rglob("*") if path.name + ".gz" == LARGEST]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert leftovers(tmp_path)
    server.behave = None
    assert load(tmp_path)[0].source.startswith("Fashion-MNIST")
    assert in_place(tmp_path) == set(FILES)
    assert not leftovers(tmp_path)


def _fetch_on_a_full_disk(root, result):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    try:
        _fetch.ensure_files(root)
    except d2lt.DataError as error:
        message = str(error)
    else:
        message = "no error"
    result.send(message)


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(serve, tmp_path):
    serve(None)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = in_child(_fetch_on_a_full_disk, tmp_path, sender)
    assert receiver.poll(60)
    message = receiver.recv()
    process.join(30)
    assert f"cannot be stored in {tmp_path}" in message
    assert "D2LTORCH_DATA" in message
    assert in_place(tmp_path) <= {"train-labels-idx1-ubyte"}
    assert not leftovers(tmp_path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_folder_that_cannot_be_written_to(serve, tmp_path, monkeypatch, capsys):
    serve(None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert load("/proc/d2ltorch")[0].source.startswith("Fashion-MNIST")
    output = capsys.readouterr().out
    assert "/proc/d2ltorch cannot be written to" in output
    assert f"Fashion-MNIST is in {tmp_path}" in output
    assert in_place(tmp_path) == set(FILES)
    monkeypatch.setattr(tempfile, "tempdir", "/proc/temporary")
    with pytest.raises(d2lt.DataError, match=r"/proc/d2ltorch.*cannot be written to.*root="):
        load("/proc/d2ltorch")


def test_a_folder_without_write_permission_but_with_files_works(small_root):
    raw = small_root / "FashionMNIST" / "raw"
    with contextlib.ExitStack() as restored:
        restored.callback(os.chmod, raw, 0o700)
        os.chmod(raw, 0o500)
        assert load(small_root)[0].source.startswith("Fashion-MNIST")
