"""The networks of the book, one row each: the only table of facts about them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import torch

import d2ltorch as d2lt
from book.notebooks import definitions


@dataclass(frozen=True)
class Network:
    """One chapter's network and its recipes.

    Attributes:
        title, year, idea: what the front pages say.
        builder: the chapter's function that builds it, and ``arguments``: names in the chapter to call it with.
        size: height and width of the input in pixels.
        batch_size, lr, init: the classic recipe of the chapter's training cell; ``init`` is a function of the chapter
            or of d2ltorch.
        modern: what its modern recipe changes in ``d2ltorch.modern_recipe``, as held-out images chose it.
        published: lowest, median and highest test accuracy after ten epochs of the classic recipe in the stored
            notebooks of Dive into Deep Learning (Zhang, Lipton, Li and Smola, https://d2l.ai) over two years.
        aim: test accuracy of the modern recipe that was set before the runs.
        colour, marker: in every figure that shows several networks.
    """

    title: str
    year: int
    idea: str
    builder: str
    size: int
    batch_size: int
    lr: float
    colour: str
    marker: str
    arguments: tuple[str, ...] = ()
    init: str = "init_xavier"
    modern: dict[str, Any] = field(default_factory=dict)
    published: tuple[float, float, float] | None = None
    aim: float | None = None


NETWORKS = {  # in the book's order, by the name of the chapter
    "lenet": Network(
        title="LeNet", year=1998, idea="convolve, pool, classify",
        builder="lenet", size=28, batch_size=256, lr=0.9, modern={"lr": 0.08, "augment": False},
        published=(0.761, 0.802, 0.826), aim=0.90, colour="#0072B2", marker="o",
    ),
    "alexnet": Network(
        title="AlexNet", year=2012, idea="the same, deeper and wider, on GPUs",
        builder="alexnet", size=224, batch_size=128, lr=0.01, modern={"lr": 0.001},
        published=(0.847, 0.880, 0.885), aim=0.93, colour="#D55E00", marker="s",
    ),
    "vgg": Network(
        title="VGG-11, channels ÷ 4", year=2014, idea="repeat one block of 3×3 convolutions",
        builder="vgg", arguments=("quarter_arch",), size=224, batch_size=128, lr=0.05,
        published=(0.906, 0.918, 0.924), aim=0.94, colour="#009E73", marker="D",
    ),
    "nin": Network(
        title="NiN", year=2013, idea="a small network at every pixel, no dense head",
        builder="nin", size=224, batch_size=128, lr=0.02, init="init_kaiming",
        published=(0.100, 0.843, 0.875), aim=0.93, colour="#CC79A7", marker="^",
    ),
    "googlenet": Network(
        title="GoogLeNet", year=2014, idea="four window sizes side by side",
        builder="googlenet", size=96, batch_size=128, lr=0.1, init="init_scaled_he", modern={"lr": 0.0005},
        published=(0.854, 0.889, 0.902), aim=0.935, colour="#E69F00", marker="v",
    ),
    "batch_norm": Network(
        title="LeNet with batch norm", year=2015, idea="standardise every layer's input",
        builder="lenet_bn", size=28, batch_size=256, lr=1.0, modern={"lr": 0.04, "augment": False},
        published=(0.518, 0.853, 0.892), aim=0.91, colour="#56B4E9", marker="P",
    ),
    "resnet": Network(
        title="ResNet-18", year=2015, idea="learn what to add to the input",
        builder="resnet18", size=96, batch_size=256, lr=0.05,
        published=(0.669, 0.910, 0.924), aim=0.945, colour="#000000", marker="*",
    ),
    "densenet": Network(
        title="DenseNet", year=2016, idea="keep everything, concatenate",
        builder="densenet", size=96, batch_size=256, lr=0.1,
        published=(0.755, 0.890, 0.919), aim=0.94, colour="#7A5C00", marker="X",
    ),
}  # fmt: skip


def find(name: str) -> Network:
    """The row of ``name``, or an error that lists the names there are."""
    if name not in NETWORKS:
        raise ValueError(f"network={name!r} is unknown: choose among {', '.join(NETWORKS)}")
    return NETWORKS[name]


def build(name: str, *, initialise: bool = False) -> torch.nn.Module:
    """The chapter's network, with PyTorch's default weights or with those that its classic recipe starts from."""
    row, namespace = find(name), definitions(name)
    net = namespace[row.builder](*(namespace[argument] for argument in row.arguments))
    return net.apply(namespace.get(row.init) or getattr(d2lt, row.init)) if initialise else net


def modern_settings(name: str) -> dict[str, Any]:
    """All arguments of ``d2ltorch.modern_recipe`` for this network, the defaults that it keeps included."""
    settings = inspect.signature(d2lt.modern_recipe).bind(**find(name).modern)
    settings.apply_defaults()
    return settings.arguments
