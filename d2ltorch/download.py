"""The files of Fashion-MNIST: read where they are, fetched once where they are not; and the part that the package has.

A download is pooch's: a temporary file, the published checksum, then a move. So a file that is in place is whole.
"""

from __future__ import annotations

import functools
import gzip
import os
import time
import zlib
from pathlib import Path

import numpy as np
import pooch
import torch
from torch import Tensor

from .checks import require

MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
# The MD5 of each published gzip file, and the CRC-32 of what it holds.
PUBLISHED = {
    "train-images-idx3-ubyte": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 0xB4F29F28),
    "train-labels-idx1-ubyte": ("25c81989df183df01b3e8a0aad5dffbe", 0x741A4657),
    "t10k-images-idx3-ubyte": ("bef4ecab320f06d8554ea6380940ec79", 0x678FE0B1),
    "t10k-labels-idx1-ubyte": ("bb300cfdad3c16e7a12a480ee83cd310", 0x80142C1F),
}
SAMPLE = Path(__file__).with_name("sample.npz")  # the first 5,000 training and 1,000 test images
TIMEOUT_SECONDS = 6  # without an answer or a byte
ASK_AGAIN_SECONDS = 60  # until then a process remembers that no mirror delivered
_failure: tuple[float, str] | None = None

Splits = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]


class DataError(RuntimeError):
    """Fashion-MNIST cannot be used: a file is damaged or misplaced, or there is no room for the files."""


class Unreachable(Exception):
    """Files are missing and no mirror delivers them."""


def data_folder(root: str | os.PathLike[str] | None) -> Path:
    """The folder meant by ``root``, or by ``D2LTORCH_DATA`` if it is None, or the default."""
    if root is None:
        root = os.environ.get("D2LTORCH_DATA") or Path("~/.cache/d2ltorch")
    cure = "give the folder for FashionMNIST/raw"
    require(isinstance(root, (str, os.PathLike)), TypeError, f"root={root!r} is not a path: {cure}")
    folder = Path(root).expanduser()
    require(folder.is_dir() or not folder.exists(), ValueError, f"root={str(root)!r} is a file: {cure}")
    return folder


def read_files(root: Path) -> Splits:
    """Both splits of the published set as images (N, 1, 28, 28) and labels (N,), all uint8.

    Raises:
        Unreachable: files are missing and no mirror delivers them.
        DataError: a file is not the published one, or cannot be stored; what is there is left as it is.
    """
    raw = root / "FashionMNIST" / "raw"
    contents = {name: _content(name, raw) for name in PUBLISHED}
    splits = []
    for split in ("train", "t10k"):
        images = np.frombuffer(contents[f"{split}-images-idx3-ubyte"], np.uint8, offset=16)  # after the header
        labels = np.frombuffer(contents[f"{split}-labels-idx1-ubyte"], np.uint8, offset=8)
        splits.append((torch.from_numpy(images.reshape(-1, 1, 28, 28).copy()), torch.from_numpy(labels.copy())))
    return splits[0], splits[1]


@functools.cache
def read_sample() -> Splits:
    """The images that the package carries, as ``read_files`` gives the whole set."""
    with np.load(SAMPLE) as arrays:
        parts = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return (parts["train_images"], parts["train_labels"]), (parts["test_images"], parts["test_labels"])


def _content(name: str, raw: Path) -> bytes:
    """The published file: as it lies there, or from its gzip file, which is fetched first where it is missing."""
    md5, crc32 = PUBLISHED[name]
    path = raw / name
    if path.is_file():
        content = path.read_bytes()
        is_published = zlib.crc32(content) == crc32
    else:
        path = raw / f"{name}.gz"
        if not path.is_file():
            _fetch(name, raw)
        is_published = pooch.file_hash(str(path), alg="md5") == md5
        content = gzip.decompress(path.read_bytes()) if is_published else b""
    cure = "move it away, then load again, and it is fetched. For images of your own, make a DataIter"
    require(is_published, DataError, f"{path} is damaged, or not the published file: {cure}")
    return content


def _fetch(name: str, raw: Path) -> None:
    """Put ``name``.gz into ``raw``, whole and with the published checksum, or raise and leave nothing behind."""
    global _failure
    if _failure and time.monotonic() - _failure[0] < ASK_AGAIN_SECONDS:
        raise Unreachable(_failure[1])
    try:
        raw.mkdir(parents=True, exist_ok=True)
        if name == next(iter(PUBLISHED)):
            print(f"Fetching Fashion-MNIST (31 MB) into {raw}", flush=True)
        fetch([f"{mirror}{name}.gz" for mirror in MIRRORS], f"md5:{PUBLISHED[name][0]}", raw)
    except Unreachable as error:
        _failure = time.monotonic(), str(error)
        raise
    except OSError as error:
        problem = f"Fashion-MNIST cannot be stored in {raw} ({error.strerror or error}): it needs 31 MB there"
        raise DataError(f"{problem}. Make room, or set D2LTORCH_DATA, or root=, to another folder") from error


def fetch(urls: list[str], known_hash: str, folder: Path) -> Path:
    """The first of ``urls`` to deliver, in ``folder``, by pooch; OSError if it cannot be stored, else Unreachable."""
    from requests import RequestException  # pooch brings it, and imports it as late

    pooch.get_logger().setLevel("WARNING")  # below, it writes to stderr
    download, reasons = pooch.HTTPDownloader(timeout=TIMEOUT_SECONDS), []
    for url in urls:
        try:
            return Path(pooch.retrieve(url, known_hash, url.rsplit("/", 1)[1], folder, downloader=download))
        except RequestException as error:
            reasons.append(f"{url}: {type(error).__name__}")
        except ValueError:  # pooch's word for it
            reasons.append(f"{url} arrived with a wrong checksum")
    raise Unreachable("; ".join(reasons))
