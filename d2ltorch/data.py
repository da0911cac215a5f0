"""Fashion-MNIST (Xiao, Rasul and Vollgraf, https://arxiv.org/abs/1708.07747) as tensors on the device.

They are shuffled, batched and resized there, with no worker process in the loop: 47 MB of pixels fit anywhere.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .checks import require, whole_number
from .device import is_quick, usable_device
from .download import Unreachable, data_folder, read_files, read_sample

LABELS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
# The sixteen test images that every chapter looks at, by class. Some are plain; others sit between two classes: a
# sleeveless t-shirt, a dress cut like a coat, a coat that could be a pullover, a sneaker as high as a boot.
PROBE_INDICES = (19, 27, 2, 20, 13, 67, 10, 98, 11, 40, 26, 12, 43, 30, 0, 23)
NUM_IMAGES = (60_000, 10_000)  # of the published set
QUICK = (512, 256)


def load_data_fashion_mnist(
    batch_size: int,
    resize: int | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    num_train: int | None = None,
    num_test: int | None = None,
) -> tuple[DataIter, DataIter]:
    """Load Fashion-MNIST, fetching it first where it is missing.

    Without files and without a network, the 5,000 training and 1,000 test images that the package carries are the data,
    and a printed line says so. Quick mode (``D2LTORCH_QUICK=1``) uses the first 512 and 256 of them, without asking.

    Args:
        batch_size: examples a batch, at least 1.
        resize: height and width of the images in pixels, at least 8; None or 28 leaves them as they are.
        root: folder that holds ``FashionMNIST/raw``, or will; the environment variable ``D2LTORCH_DATA`` if None, and
            ``~/.cache/d2ltorch`` if that is not set either.
        device: where the images live; ``try_gpu()`` if None.
        num_train, num_test: keep only the first so many images of each; all of them if None.

    Returns:
        Iterators over the training images (shuffled anew in every pass) and the test images (in order). Their
        ``source`` is ``"Fashion-MNIST"`` for all of it only, and says which part they are.

    Raises:
        DataError: a file is damaged or not the published one, or the downloaded data cannot be stored.
        TypeError, ValueError: an argument that cannot be meant.
    """
    wanted = {"num_train": num_train, "num_test": num_test}
    counts = [None if number is None else whole_number(name, number, 1) for name, number in wanted.items()]
    folder, device = data_folder(root), usable_device(device)
    quick = is_quick()
    try:
        splits = read_sample() if quick else read_files(folder)
    except Unreachable as reason:
        print(f"Fashion-MNIST cannot be fetched ({reason}): the 6,000 of its images that d2ltorch has stand in.")
        splits = read_sample()
    if quick:
        counts = [min(count or most, most) for count, most in zip(counts, QUICK)]
    iterators = []
    for (images, labels), count, total, shuffle in zip(splits, counts, NUM_IMAGES, (True, False)):
        images, labels = images[:count].to(device), labels[:count]
        source = "Fashion-MNIST"
        if len(labels) < total:
            source += f"{', quick mode:' if quick else ','} first {len(labels):,} of {total:,}"
        iterators.append(DataIter(images, labels, batch_size, resize=resize, shuffle=shuffle, source=source))
    return iterators[0], iterators[1]


class DataIter:
    """Batches ``X, y`` of images that live on the device; every ``iter()`` is its own pass.

    Args:
        images: uint8 (N, C, H, W); a batch holds them divided by 255.
        labels: their classes, whole numbers from 0 up, (N,).
        batch_size: examples a batch, at least 1; the last batch may be smaller.
        resize: height and width of ``X``, at least 8; None for those of ``images``.
        shuffle: whether each pass has its own order, drawn from torch's CPU generator.
        source: what the images are, in words; "images of your own" and a check sum if None.

    Raises:
        TypeError, ValueError: images or labels of another type or shape, or an argument that cannot be meant.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        resize: int | None = None,
        shuffle: bool = False,
        source: str | None = None,
    ) -> None:
        _check(images, labels)
        require(isinstance(shuffle, bool), TypeError, f"shuffle={shuffle!r} is neither True nor False")
        self.images, self.labels = images, labels.to(images.device, torch.int64)
        self.batch_size = whole_number("batch_size", batch_size, 1)
        resize = None if resize is None else whole_number("resize", resize, 8)
        self.resize = None if images.shape[-2:] == (resize, resize) else resize
        if source is None:  # the check sum keeps a checkpoint from going on with other images
            crc32 = zlib.crc32(self.labels.cpu().numpy().tobytes(), zlib.crc32(images.cpu().numpy().tobytes()))
            source = f"images of your own ({crc32:08x})"
        self.shuffle, self.source = shuffle, source
        self.device, self.num_examples, self.num_classes = self.images.device, len(labels), int(labels.max()) + 1

    def __len__(self) -> int:
        """Batches in a pass, the last and smaller one included."""
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        # Drawn now, not at the first batch, so that the order depends on the seed at the moment of asking.
        order = torch.randperm(len(self.labels)).to(self.device) if self.shuffle else None
        return self._batches(order)

    def __repr__(self) -> str:
        height, width = (self.resize, self.resize) if self.resize else self.images.shape[-2:]
        images = f"{self.num_examples:,} images of {height}×{width}"
        return f"DataIter({self.source}: {images}, batches of {self.batch_size}, on {self.device})"

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass without shuffling, which leaves the random state alone: X (B, C, H, W) in [0, 1] and y (B,)."""
        return self._batches(None)

    def examples(self, indices: Sequence[int] | Tensor) -> tuple[Tensor, Tensor]:
        """Examples by index, scaled and resized as in a batch: X (B, C, H, W) and y (B,).

        Raises:
            TypeError, ValueError: an index that is no whole number, or outside the data.
        """
        values = indices.tolist() if hasattr(indices, "tolist") else indices
        is_sequence = isinstance(values, Iterable)
        require(is_sequence, TypeError, f"indices={indices!r} is not a sequence: give one such as [0, 1, 2]")
        numbers = [whole_number("indices", i, -len(self.labels)) for i in values]
        beyond = [i for i in numbers if i >= len(self.labels)]
        require(not beyond, ValueError, f"indices={beyond[:1]} are beyond the {len(self.labels):,} examples")
        return self._take(torch.tensor(numbers, dtype=torch.int64, device=self.device))

    def _batches(self, order: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self.labels), self.batch_size):
            batch = slice(start, start + self.batch_size)
            yield self._take(batch if order is None else order[batch])

    def _take(self, chosen: slice | Tensor) -> tuple[Tensor, Tensor]:
        X, y = self.images[chosen].to(torch.float32).div_(255), self.labels[chosen]  # (B, C, H, W), (B,)
        if self.resize is None:
            return X, y
        size = (self.resize, self.resize)
        if len(X) == 0:  # which interpolate refuses
            return X.new_empty(0, X.shape[1], *size), y
        return F.interpolate(X, size, mode="bilinear", antialias=self.resize < max(X.shape[2:])), y


def _check(images: Any, labels: Any) -> None:
    cure = "give uint8 pixels (N, C, H, W), 0 to 255; a batch divides them by 255"
    require(isinstance(images, Tensor), TypeError, f"images is a {type(images).__name__}: {cure} as a torch tensor")
    require(images.dtype == torch.uint8, TypeError, f"images has the type {images.dtype}: {cure}")
    fits = images.ndim == 4 and images.numel() > 0
    require(fits, ValueError, f"images has the shape {tuple(images.shape)}: {cure}")
    cure = "give whole numbers from 0 up, one an image, as a torch tensor (N,)"
    require(isinstance(labels, Tensor), TypeError, f"labels is a {type(labels).__name__}: {cure}")
    is_whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    require(is_whole, TypeError, f"labels has the type {labels.dtype}: {cure}")
    shape = tuple(labels.shape)
    require(shape == images.shape[:1], ValueError, f"labels has the shape {shape} for {len(images):,} images: {cure}")
    require(int(labels.min()) >= 0, ValueError, f"labels has a {int(labels.min())}: {cure}")


def check_data(name: str, data_iter: object) -> None:
    """A newcomer's DataLoader, list or array gets the line to write instead."""
    cure = "give d2lt.DataIter(images, labels, batch_size), of uint8 images, or what load_data_fashion_mnist returns"
    require(isinstance(data_iter, DataIter), TypeError, f"{name} is a {type(data_iter).__name__}: {cure}")


def text_labels(y: int | Iterable[int] | Tensor) -> list[str]:
    """The names of classes: ``text_labels([0, 9])`` is ``['t-shirt', 'ankle boot']``.

    Args:
        y: a class from 0 to 9, or several as a sequence or an integer tensor (N,).

    Raises:
        TypeError, ValueError: something that is not a whole number from 0 to 9.
    """
    values: Any = y.tolist() if hasattr(y, "tolist") else y
    classes = [whole_number("y", value, 0) for value in (values if isinstance(values, Iterable) else [values])]
    for value in classes:
        require(value < len(LABELS), ValueError, f"y={value} is not a class: give 0 to {len(LABELS) - 1}")
    return [LABELS[value] for value in classes]


def probe_images(data_iter: DataIter) -> tuple[Tensor, Tensor]:
    """The sixteen test images that run through all eight networks, the same in every chapter.

    Takes the test iterator, with its first 99 images at least (else a ValueError); returns X (16, 1, H, W) and y (16,),
    all ten classes among them.
    """
    check_data("data_iter", data_iter)
    require(not data_iter.shuffle, ValueError, "data_iter is the training iterator: pass test_iter")
    needed, count = max(PROBE_INDICES) + 1, data_iter.num_examples
    cure = f"the probe images are among the first {needed}: load with num_test={needed} or more"
    require(count >= needed, ValueError, f"data_iter has {count} images, {cure}")
    return data_iter.examples(PROBE_INDICES)
