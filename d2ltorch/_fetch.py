"""Fetch the files of Fashion-MNIST so that nothing on the way can damage what is in place.

A download lands in a temporary folder beside its destination, is checked there against
torchvision's checksums, and is then renamed into place, under a lock that the operating system
releases when its owner dies. So a file that is in place is whole, whatever happened to the process,
the network or another process that wanted the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from ._torchvision import torchvision

SECOND_MIRROR = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
CONNECT_SECONDS = 6  # all mirrors are asked at once; offline, this is what a reader waits at most
STALL_SECONDS = 15  # without a single byte
SLOW_BYTES_PER_SECOND, SLOW_SECONDS = 10_000, 60  # slower than this for so long is given up
LARGEST_DOWNLOAD = 64 << 20  # bytes; the largest of the four files has 26 MB
ATTEMPTS = 2  # a mirror
ASK_AGAIN_SECONDS = 300  # until then, a process remembers that no mirror delivered

# How many examples the published files hold, and the CRC-32 of each (unpacked) file.
_PUBLISHED = {
    "train-images-idx3-ubyte": (60_000, 0xB4F29F28),
    "train-labels-idx1-ubyte": (60_000, 0x741A4657),
    "t10k-images-idx3-ubyte": (10_000, 0x678FE0B1),
    "t10k-labels-idx1-ubyte": (10_000, 0x80142C1F),
}
_failure: tuple[float, list[str], str] | None = None  # when, which mirrors, why


class DataError(RuntimeError):
    """Fashion-MNIST cannot be used: a file is damaged, or there is no room for the files."""


class Unreachable(Exception):
    """Files are missing and no mirror delivers them."""


def data_folder(root: str | os.PathLike[str] | None) -> Path:
    """The folder meant by ``root``, or by ``D2LTORCH_DATA`` if it is None, or the default."""
    if root is None:
        root = os.environ.get("D2LTORCH_DATA") or Path("~/.cache/d2ltorch")
    if not isinstance(root, (str, os.PathLike)):
        raise TypeError(f"root={root!r} is not a path: give the folder for FashionMNIST/raw")
    folder = Path(root).expanduser()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"root={str(root)!r} is a file: give the folder for FashionMNIST/raw")
    return folder


def ensure_files(root: Path) -> Path:
    """Fetch what is missing from ``root / "FashionMNIST" / "raw"``.

    Returns:
        ``root``, or where that cannot be written to, a folder for temporary files that holds the
        data instead.

    Raises:
        Unreachable: files are missing and no mirror delivers them. Nothing has been written.
        DataError: there is no room for them.
    """
    global _failure
    if not _missing(root):
        return root
    mirrors = _mirrors(root)
    if _failure and time.monotonic() - _failure[0] < ASK_AGAIN_SECONDS and _failure[1] == mirrors:
        raise Unreachable(_failure[2])
    try:
        answering = _answering(mirrors, _missing(root)[0])
        user = getattr(os, "getuid", int)()
        for folder in (root, Path(tempfile.gettempdir()) / f"d2ltorch-{user}"):
            try:
                _raw(folder).mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=_raw(folder)).close()
            except OSError as error:
                print(f"{folder} cannot be written to ({error.strerror}).")
                continue
            _fetch_missing(folder, answering)
            if folder != root:
                print(f"Fashion-MNIST is in {folder} instead; set D2LTORCH_DATA to choose a folder.")
            return folder
    except Unreachable as error:
        _failure = time.monotonic(), mirrors, str(error)
        raise
    raise DataError(
        f"root={str(root)!r} cannot be written to, nor can {tempfile.gettempdir()}: "
        "set D2LTORCH_DATA, or root=, to a folder for Fashion-MNIST"
    )


def check_files(root: Path) -> None:
    """Compare each file with its header and, at the published size, with its published checksum.

    Raises:
        DataError: naming the file, what is wrong with it and the cure. The file is left as it is.
    """
    for name, (published, crc32) in _PUBLISHED.items():
        path, is_images = _raw(root) / name, "images" in name
        content = path.read_bytes()
        start, per_example = (16, 28 * 28) if is_images else (8, 1)
        count = int.from_bytes(content[4:8], "big")
        header = b"\0\0\x08\x03%b\0\0\0\x1c\0\0\0\x1c" if is_images else b"\0\0\x08\x01%b"
        if content[:start] != header % content[4:8]:
            count, problem = published, "it does not begin like a file of Fashion-MNIST"
        elif len(content) != start + count * per_example:
            problem = "it is too short" if len(content) < start + count * per_example else "it is too long"
        elif not is_images and max(content[start:], default=0) > 9:
            problem = f"it holds the label {max(content[start:])} where 0 to 9 are possible"
        elif count == published and zlib.crc32(content) != crc32:
            problem = "some bytes in it have changed"
        else:
            continue
        raise DataError(
            f"{path} is damaged: {problem} "
            f"({len(content):,} bytes, expected {start + count * per_example:,}). "
            "Delete it or move it away, then load again: it is fetched anew"
        )


def _fetch_missing(root: Path, mirrors: list[str]) -> None:
    """Put the missing files into place, one process at a time."""
    raw = _raw(root)
    try:
        with _locked(raw) as is_alone:
            for leftover in raw.glob(".download-*") if is_alone else ():  # of a process that was killed
                shutil.rmtree(leftover, ignore_errors=True)
            names = _missing(root)
            if names:
                print(f"Downloading Fashion-MNIST (31 MB) into {raw}", flush=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=raw) as scratch:
                for name in names:
                    _fetch_file(name, mirrors, Path(scratch) / name)
                    os.replace(Path(scratch) / name, raw / name)
    except OSError as error:
        raise DataError(
            f"Fashion-MNIST cannot be stored in {raw} ({error.strerror or error}): "
            "it needs 60 MB there. Make room, or set D2LTORCH_DATA, or root=, to another folder"
        ) from error


def _fetch_file(name: str, mirrors: list[str], path: Path) -> None:
    reasons = []
    for mirror in mirrors:
        for _ in range(ATTEMPTS):
            try:
                return _download(mirror + name + ".gz", _resources()[name], path)
            except Unreachable as reason:
                reasons.append(str(reason))
    raise Unreachable("; ".join(dict.fromkeys(reasons)))


def _download(url: str, md5: str, path: Path) -> None:
    """Write what the gzip file at ``url`` holds to ``path``, if all of it arrives unchanged."""
    digest, gunzip = hashlib.md5(usedforsecurity=False), zlib.decompressobj(wbits=31)
    with path.open("wb") as file:
        for chunk in _chunks(url):
            digest.update(chunk)
            try:
                content = gunzip.decompress(chunk)
            except zlib.error:
                raise Unreachable(f"{url} is not the gzip file it should be") from None
            file.write(content)
        if digest.hexdigest() != md5:
            raise Unreachable(f"{url} arrived with a wrong checksum")
        file.flush()
        os.fsync(file.fileno())


def _chunks(url: str) -> Iterator[bytes]:
    """The bytes at ``url``; every way in which a network fails becomes ``Unreachable``."""
    started, received = time.monotonic(), 0
    try:
        with urllib.request.urlopen(url, timeout=STALL_SECONDS) as response:
            expected = getattr(response, "length", None)
            while chunk := response.read1(1 << 16):
                received += len(chunk)
                seconds = time.monotonic() - started
                if seconds > SLOW_SECONDS and received < seconds * SLOW_BYTES_PER_SECOND:
                    raise Unreachable(f"{url} comes too slowly")
                if received > LARGEST_DOWNLOAD:
                    raise Unreachable(f"{url} does not end")
                yield chunk
    except (OSError, HTTPException) as error:
        raise Unreachable(f"{url}: {error}") from None
    if expected is not None and received < expected:
        raise Unreachable(f"{url} broke off after {received:,} of {expected:,} bytes")


def _answering(mirrors: list[str], name: str) -> list[str]:
    """The mirrors that answer at all, in their order, asked at the same time."""
    answers: dict[str, str] = {}

    def ask(mirror: str) -> None:
        try:
            urllib.request.urlopen(mirror + name + ".gz", timeout=CONNECT_SECONDS).close()
            answers[mirror] = ""
        except urllib.error.HTTPError as error:
            # A server in trouble is worth another try.
            answers[mirror] = "" if error.code >= 500 else str(error)
        except (OSError, HTTPException, ValueError) as error:
            answers[mirror] = str(getattr(error, "reason", error))

    # Threads, because looking up a host name has no timeout of its own.
    threads = [threading.Thread(target=ask, args=(mirror,), daemon=True) for mirror in mirrors]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + CONNECT_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    answers = {mirror: answers.get(mirror, f"no answer in {CONNECT_SECONDS} s") for mirror in mirrors}
    reached = [mirror for mirror in mirrors if not answers[mirror]]
    if not reached:
        raise Unreachable("no network: " + "; ".join(dict.fromkeys(answers.values())))
    return reached


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Keep other processes out and say whether that holds: Windows and some file systems have no such locks."""
    try:
        import fcntl
    except ImportError:
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        is_alone = False
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            is_alone = True
        yield is_alone
    finally:
        os.close(descriptor)


def _resources() -> dict[str, str]:
    """The four file names, and the MD5 of each one's gzip file."""
    dataset = torchvision.datasets.FashionMNIST
    return {name.removesuffix(".gz"): md5 for name, md5 in dataset.resources}


def _mirrors(root: Path) -> list[str]:
    """Where the gzip files may be; first the folder itself, if somebody has put them there."""
    mirrors = [*torchvision.datasets.FashionMNIST.mirrors, SECOND_MIRROR]
    is_first = any((_raw(root) / f"{name}.gz").is_file() for name in _missing(root))
    return [_raw(root).resolve().as_uri() + "/"] * is_first + mirrors


def _raw(root: Path) -> Path:
    return root / "FashionMNIST" / "raw"


def _missing(root: Path) -> list[str]:
    return [name for name in _resources() if not (_raw(root) / name).is_file()]
