"""Fashion-MNIST as tensors: uint8 on the device, shuffled, batched and resized there.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
algorithms", https://arxiv.org/abs/1708.07747. torchvision's dataset class says where the files are
and reads them; there is no worker process and no image library in the loop, because 47 MB of pixels
fit anywhere.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ._fetch import DataError, Unreachable, check_files, data_folder, ensure_files
from ._garments import draw_garments
from ._torchvision import torchvision

__all__ = [
    "DataError",
    "DataIter",
    "is_quick",
    "load_data_fashion_mnist",
    "probe_images",
    "show_images",
    "text_labels",
    "try_gpu",
]

LABELS = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
# The sixteen test images that every chapter looks at, by class. Some are plain; others sit
# between two classes: a sleeveless t-shirt, a dress cut like a coat, a coat that could be a
# pullover, a sneaker as high as a boot.
PROBE_INDICES = (19, 27, 2, 20, 13, 67, 10, 98, 11, 40, 26, 12, 43, 30, 0, 23)
PROBE_LABELS = (
    0,
    0,
    1,
    2,
    3,
    3,
    4,
    4,
    5,
    6,
    6,
    7,
    7,
    8,
    9,
    9,
)  # the drawn garments have them there, too
QUICK_TRAIN, QUICK_TEST = 512, 256
DRAWN_TRAIN, DRAWN_TEST = 12_000, 2_000
_SIZE = 28


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

    Without files and without a network, garments drawn by code stand in for it and a printed line
    says so. In quick mode (``D2LTORCH_QUICK=1``) only the first 512 training and 256 test images
    are kept.

    Args:
        batch_size: examples a batch, at least 1.
        resize: height and width of the images in pixels, at least 8; None or 28 leaves them as they
            are.
        root: folder that holds ``FashionMNIST/raw``, or will; the environment variable
            ``D2LTORCH_DATA`` if None, and ``~/.cache/d2ltorch`` if that is not set either.
        device: where the images live; ``try_gpu()`` if None.
        num_train: keep only the first so many training images.
        num_test: keep only the first so many test images.

    Returns:
        Iterators over the training images (shuffled anew in every pass) and the test images (in
        order).

    Raises:
        DataError: a file is damaged, or the downloaded data cannot be stored.
        TypeError, ValueError: an argument that cannot be meant.
    """
    batch_size = _at_least(1, "batch_size", batch_size)
    resize = None if resize is None else _at_least(8, "resize", resize)
    folder, device = data_folder(root), usable_device(device)
    num_train = None if num_train is None else _at_least(1, "num_train", num_train)
    num_test = None if num_test is None else _at_least(1, "num_test", num_test)
    if is_quick():
        num_train = min(num_train or QUICK_TRAIN, QUICK_TRAIN)
        num_test = min(num_test or QUICK_TEST, QUICK_TEST)

    try:
        splits = _read_files(ensure_files(folder))
        source = "Fashion-MNIST"
    except Unreachable as reason:
        splits = _drawn_splits(is_quick())
        source = "drawn garments"
        if os.environ.get("RANK", "0") == "0":  # of several processes, one warns
            print(f"Warning: drawn garments stand in for Fashion-MNIST ({reason}).")

    iterators = []
    for (images, labels), n, is_train in zip(splits, (num_train, num_test), (True, False)):
        part = ", quick mode" if is_quick() else ""
        if n is not None and n < len(labels):
            part += f"{':' if part else ','} first {n:,} of {len(labels):,}"
        iterators.append(
            DataIter(
                images[:n].to(device),
                labels[:n].to(device),
                batch_size,
                resize=resize,
                shuffle=is_train,
                source=source + part,
            )
        )
    return iterators[0], iterators[1]


class DataIter:
    """Batches ``X, y`` of images that live on the device; every ``iter()`` is its own pass.

    Attributes:
        images: all images as they are stored, uint8 (N, 1, 28, 28).
        labels: their classes, int64 (N,).
        batch_size: examples a batch; the last batch of a pass may be smaller.
        resize: height and width of ``X``, or None for 28.
        shuffle: whether each pass has its own order, drawn from torch's CPU generator (so
            ``torch.manual_seed`` fixes it).
        source: what the images are, in words.
    """

    num_classes = len(LABELS)

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        resize: int | None = None,
        shuffle: bool = False,
        source: str = "",
    ) -> None:
        self.images, self.labels = images, labels
        self.batch_size = _at_least(1, "batch_size", batch_size)
        self.resize = None if resize == images.shape[-1] else resize
        self.shuffle, self.source = shuffle, source
        self._rank, self._world_size = 0, 1

    @property
    def device(self) -> torch.device:
        """Where the images live and where batches come out."""
        return self.images.device

    @property
    def num_examples(self) -> int:
        """Examples in a pass; for a share, those of its rank."""
        full, rest = divmod(len(self.labels), self.batch_size)
        return full * self._share_of(self.batch_size) + self._share_of(rest)

    def __len__(self) -> int:
        """Batches in a pass, the last and smaller one included."""
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.batches()

    def __repr__(self) -> str:
        size = self.resize or self.images.shape[-1]
        return (
            f"DataIter({self.source}: {self.num_examples:,} images of {size}×{size}, "
            f"batches of {self.batch_size}, on {self.device})"
        )

    def batches(
        self,
        dtype: torch.dtype = torch.float32,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass.

        Args:
            dtype: floating type of ``X``; the resizing is done in float32 whatever it is.
            memory_format: of ``X``.

        Yields:
            X: images in [0, 1], (B, 1, H, W).
            y: classes, int64 (B,).
        """
        # Drawn now, not at the first batch, so that the order depends on the seed at the moment of
        # asking.
        order = torch.randperm(len(self.labels)).to(self.device) if self.shuffle else None
        return self._batches(order, dtype, memory_format)

    def _batches(
        self, order: Tensor | None, dtype: torch.dtype, memory_format: torch.memory_format
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self.labels), self.batch_size):
            end = min(start + self.batch_size, len(self.labels))
            chosen: slice | Tensor = slice(start + self._rank, end, self._world_size)
            if order is not None:
                chosen = order[chosen]
            X = self._as_network_input(self.images[chosen])
            yield X.to(dtype=dtype, memory_format=memory_format), self.labels[chosen]

    def examples(self, indices: Sequence[int] | Tensor) -> tuple[Tensor, Tensor]:
        """Examples by index, scaled and resized as in a batch: X (B, 1, H, W) and y (B,)."""
        dtype = indices.dtype if isinstance(indices, Tensor) else torch.int64
        chosen = torch.as_tensor(indices, dtype=dtype, device=self.device)
        return self._as_network_input(self.images[chosen]), self.labels[chosen]

    def shard(self, rank: int, world_size: int) -> DataIter:
        """The part of one process among several that train together.

        Given the same generator state, all ranks draw the same order; of every batch of
        ``batch_size`` examples, this one takes those at the positions ``rank, rank + world_size,
        …``. A batch smaller than ``world_size`` leaves the last ranks an empty one, so that all of
        them do the same number of steps.

        Raises:
            ValueError: a rank outside 0 … world_size - 1.
        """
        world_size = _at_least(1, "world_size", world_size)
        if _at_least(0, "rank", rank) >= world_size:
            raise ValueError(f"rank={rank} is not below world_size={world_size}")
        share = DataIter(
            self.images,
            self.labels,
            self.batch_size,
            resize=self.resize,
            shuffle=self.shuffle,
            source=self.source,
        )
        share._rank, share._world_size = rank, world_size
        return share

    def _share_of(self, batch: int) -> int:
        return len(range(self._rank, batch, self._world_size))

    def _as_network_input(self, images: Tensor) -> Tensor:
        X = images.to(torch.float32, copy=True).div_(255)  # (B, 1, 28, 28)
        if self.resize is None or len(X) == 0:
            return X if self.resize is None else X.new_empty(0, 1, self.resize, self.resize)
        size, shrinks = (self.resize, self.resize), self.resize < X.shape[-1]
        return F.interpolate(X, size, mode="bilinear", antialias=shrinks)  # (B, 1, resize, resize)


def text_labels(y: int | Iterable[int] | Tensor) -> list[str]:
    """The names of classes: ``text_labels([0, 9])`` is ``['t-shirt', 'ankle boot']``.

    Args:
        y: a class from 0 to 9, or several as a sequence or an integer tensor (N,).

    Raises:
        ValueError: a number outside 0 to 9.
        TypeError: something that is not a whole number.
    """
    if hasattr(y, "tolist"):  # a tensor or an array, of one number too
        y = y.reshape(-1).tolist()
    names = []
    for value in y if isinstance(y, Iterable) else [y]:
        if _at_least(0, "y", value) >= len(LABELS):
            raise ValueError(f"y={value} is not a class: give 0 to {len(LABELS) - 1}")
        names.append(LABELS[value])
    return names


def show_images(
    images: Tensor | Sequence[Any],
    titles: Sequence[str] | None = None,
    *,
    num_cols: int = 8,
    scale: float = 1.0,
) -> None:
    """Draw images side by side, in rows of ``num_cols``.

    Args:
        images: (N, H, W) or (N, 1, H, W) in grey, or (N, 3, H, W) in colour, on any device: uint8,
            or floating point in [0, 1]. An image with other values is drawn from its own lowest
            value (black) to its highest (white).
        titles: one caption an image.
        num_cols: images a row, at least 1. Four or five stay large on a phone's screen.
        scale: 1 makes an image 0.87 inch wide; the figure never grows wider than 7 inches.

    Raises:
        ValueError: images of another shape, or titles of another number.
    """
    import matplotlib.pyplot as plt

    if not isinstance(images, Tensor):
        images = torch.stack([torch.as_tensor(image) for image in images])
    images = images.detach().cpu()
    pixels = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    if pixels.ndim == 3:
        pixels = pixels.unsqueeze(1)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or len(pixels) == 0:
        raise ValueError(f"images has the shape {tuple(images.shape)}: give (N, H, W), (N, 1, H, W) or (N, 3, H, W)")
    if titles is not None and len(titles) != len(pixels):
        raise ValueError(f"titles has {len(titles)} entries for {len(pixels)} images: give one an image")
    num_cols = min(_at_least(1, "num_cols", num_cols), len(pixels))
    if not scale > 0:
        raise ValueError(f"scale={scale} draws nothing: give a positive number")

    num_rows = -(-len(pixels) // num_cols)
    width = min(0.87 * scale, 7 / num_cols)  # inches an image
    points = min(12.0, 10 * width / 0.87)
    if titles is not None:  # a letter is about 0.58 of the font size wide; neighbouring captions must not meet
        longest = max(len(line) for title in titles for line in str(title).split("\n"))
        points = max(6.0, min(points, 72 * width / (0.58 * max(1, longest))))
    height = width * pixels.shape[2] / pixels.shape[3] + (points * 1.7 / 72 if titles is not None else 0)
    figure, axes = plt.subplots(
        num_rows,
        num_cols,
        figsize=(num_cols * width, num_rows * height),
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for position, ax in enumerate(axes.flat):
        ax.axis("off")
        if position < len(pixels):
            image = pixels[position].permute(1, 2, 0)  # (H, W, C)
            if image.min() < 0 or image.max() > 1:
                image = (image - image.min()) / (image.max() - image.min()).clamp(min=1e-12)
            ax.imshow(image.squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
            if titles is not None:
                ax.set_title(str(titles[position]), fontsize=points, pad=2)


def probe_images(data_iter: DataIter) -> tuple[Tensor, Tensor]:
    """The sixteen test images that run through all eight networks, the same in every chapter.

    Args:
        data_iter: the test iterator, with its first 256 images at least.

    Returns:
        X (16, 1, H, W) and y (16,), all ten classes among them.

    Raises:
        ValueError: the training iterator, or a test iterator cut too short.
    """
    if data_iter.shuffle:
        raise ValueError("data_iter is the training iterator: pass test_iter")
    if len(data_iter.labels) <= max(PROBE_INDICES):
        raise ValueError(
            f"data_iter has {len(data_iter.labels)} images, the probe images are among the first "
            "256: load with num_test=256 or more"
        )
    return data_iter.examples(PROBE_INDICES)


def try_gpu(i: int | None = None) -> torch.device:
    """The device to run on: ``cuda:i`` if there, else Apple's ``mps`` (for i = 0), else ``cpu``.

    Without ``i`` the first GPU, or under ``torchrun`` the one of this process.
    """
    i = int(os.environ.get("LOCAL_RANK", "0")) if i is None else _at_least(0, "i", i)
    if torch.cuda.device_count() > i:
        return torch.device("cuda", i)
    if i == 0 and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def is_quick() -> bool:
    """Whether the environment variable ``D2LTORCH_QUICK`` asks for the tests' short runs."""
    return os.environ.get("D2LTORCH_QUICK", "").strip().lower() not in ("", "0", "false", "no")


def _read_files(root: Path) -> list[tuple[Tensor, Tensor]]:
    """Both splits as images uint8 (N, 1, 28, 28) and labels int64 (N,)."""
    check_files(root)
    splits = []
    for train in (True, False):
        dataset = torchvision.datasets.FashionMNIST(str(root), train=train, download=False)
        splits.append((dataset.data.unsqueeze(1), dataset.targets))
    return splits


@functools.cache
def _drawn_splits(quick: bool) -> list[tuple[Tensor, Tensor]]:
    num_train, num_test = (QUICK_TRAIN, QUICK_TEST) if quick else (DRAWN_TRAIN, DRAWN_TEST)
    splits = []
    for num_images, seed in ((num_train, 1), (num_test, 2)):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randperm(num_images, generator=generator) % len(LABELS)
        if num_images == num_test:
            labels[list(PROBE_INDICES)] = torch.tensor(PROBE_LABELS)
        splits.append((draw_garments(labels, seed), labels))
    return splits


def usable_device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return try_gpu()
    if not isinstance(device, (str, torch.device)):
        raise TypeError(f"device={device!r} is not a device: give 'cpu', 'cuda', 'mps' or try_gpu()")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={str(device)!r} cannot be used ({reason}): give 'cpu' or try_gpu()") from None
    return torch.device(device)


def _at_least(lowest: int, name: str, value: Any) -> int:
    """``value`` as an int, or an error that names the argument."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = int(value.__index__())
    except (AttributeError, TypeError):
        raise TypeError(f"{name}={value!r} is not a whole number: give an int of {lowest} or more") from None
    if number < lowest:
        raise ValueError(f"{name}={value!r} is too small: give {lowest} or more")
    return number
