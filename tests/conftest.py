"""What the tests share: real images where this machine has them, and small files in the same format."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

# All of Fashion-MNIST if the environment names a folder or one lies beside the checkout, else the package's sample.
# Absolute, because notebooks run in the folder that they lie in.
_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
if os.environ.get("D2LTORCH_DATA"):
    os.environ["D2LTORCH_DATA"] = os.path.abspath(os.environ["D2LTORCH_DATA"])
elif (_BESIDE / "FashionMNIST" / "raw").is_dir():
    os.environ["D2LTORCH_DATA"] = str(_BESIDE)


@pytest.fixture(scope="session")
def real_data() -> str:
    """The folder of the real images; the test is skipped where there are none."""
    root = os.environ.get("D2LTORCH_DATA", "")
    if not (Path(root) / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        pytest.skip("no real Fashion-MNIST: set D2LTORCH_DATA")
    return root


@pytest.fixture(scope="session")
def sample():
    """The images that the package carries, as iterators over batches of 64 on the CPU."""
    import d2ltorch as d2lt
    from d2ltorch.download import read_sample

    (images, labels), (test_images, test_labels) = read_sample()
    return d2lt.DataIter(images, labels, 64, shuffle=True), d2lt.DataIter(test_images, test_labels, 64)


def idx_files() -> dict[str, bytes]:
    """Four files in Fashion-MNIST's format with random pixels, by name: 50 training and 120 test images."""
    import torch

    generator = torch.Generator().manual_seed(0)
    files = {}
    for split, count in (("train", 50), ("t10k", 120)):
        pixels = torch.randint(0, 256, (count * 784,), generator=generator, dtype=torch.uint8)
        labels = torch.randint(0, 10, (count,), generator=generator, dtype=torch.uint8)
        files[f"{split}-images-idx3-ubyte"] = struct.pack(">4I", 2051, count, 28, 28) + pixels.numpy().tobytes()
        files[f"{split}-labels-idx1-ubyte"] = struct.pack(">2I", 2049, count) + labels.numpy().tobytes()
    return files


def archive(content: bytes) -> bytes:
    """A gzip file of ``content``, always the same."""
    return gzip.compress(content, mtime=0)


@pytest.fixture
def small_set(monkeypatch) -> None:
    """The four small files are the published ones."""
    from d2ltorch import download

    files = idx_files().items()
    sums = {name: (hashlib.md5(archive(content)).hexdigest(), zlib.crc32(content)) for name, content in files}
    monkeypatch.setattr(download, "PUBLISHED", sums)


@pytest.fixture
def small_root(tmp_path, small_set) -> Path:
    """A data folder of 50 training and 120 test images."""
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in idx_files().items():
        (raw / name).write_bytes(content)
    return tmp_path / "data"
