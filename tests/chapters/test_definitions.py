"""Constants of the definitions, against the papers: those that no shape and no count of parameters gives away."""

from __future__ import annotations

import inspect

import pytest
import torch
from chapter import NAMES, definitions
from torch import nn

from book import networks
from book.notebooks import cells

# Exact facts that a chapter's cells assert. A deleted assertion is a promise less: lower a number only on purpose.
ASSERTIONS = {
    "lenet": 28, "alexnet": 18, "vgg": 24, "nin": 19, "googlenet": 25, "batch_norm": 20, "resnet": 18, "densenet": 18,
}  # fmt: skip


def dropouts(net: nn.Module) -> list[float]:
    return [module.p for module in net.modules() if isinstance(module, nn.Dropout)]


def on_meta(builder, *args, **kwargs) -> nn.Module:
    with torch.device("meta"):
        return builder(*args, **kwargs)


def windows(net: nn.Module) -> list[tuple[int, int, int]]:
    """Kernel size, stride and padding of every convolution that is larger than 1×1."""
    found = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
    return [(m.kernel_size[0], m.stride[0], m.padding[0]) for m in found]


@pytest.mark.parametrize("name", NAMES)
def test_assertions_are_counted(name):
    found = sum(cell["source"].count("assert ") for cell in cells(name) if cell["cell_type"] == "code")
    assert found == ASSERTIONS[name]


def test_alexnets_response_normalisation_is_the_papers():
    """Krizhevsky et al. (2012), 3.3: n = 5, k = 2, alpha = 1e-4 a term, which torch divides by n; beta = 0.75."""
    net = on_meta(definitions("alexnet")["alexnet_paper"])
    found = [(m.size, m.k, m.alpha / m.size, m.beta) for m in net.modules() if isinstance(m, nn.LocalResponseNorm)]
    assert found == [(5, 2, pytest.approx(1e-4), 0.75)] * 2


@pytest.mark.parametrize(("name", "count"), [("alexnet", 2), ("vgg", 2), ("nin", 1)])
def test_dropout_leaves_half(name, count):
    """Krizhevsky et al. 4.2; Simonyan and Zisserman 3.1; Lin et al. 4.1."""
    with torch.device("meta"):
        assert dropouts(networks.build(name)) == [0.5] * count


def test_every_head_and_builder_leaves_half():
    alexnet, vgg, nin = (definitions(name) for name in ("alexnet", "vgg", "nin"))
    for builder in (alexnet["alexnet_paper"], alexnet["alexnet_torchvision"], nin["nin_cifar"]):
        assert dropouts(on_meta(builder)) == [0.5, 0.5]
    assert dropouts(on_meta(vgg["vgg"], vgg["conv_arch"])) == [0.5, 0.5]


def test_nins_windows_are_alexnets():
    nin = definitions("nin")
    assert windows(on_meta(nin["nin"])) == [(11, 4, 0), (5, 1, 2), (3, 1, 1), (3, 1, 1)]
    assert windows(on_meta(nin["nin_cifar"])) == [(5, 1, 2), (5, 1, 2), (3, 1, 1)]
    pools = [(m.kernel_size, m.stride, m.padding) for m in nin["nin_cifar"]().modules() if isinstance(m, nn.MaxPool2d)]
    assert pools == [(3, 2, 1)]  # the second pools by the average, as its authors released it
    assert [type(m) for m in list(nin["nin"]().children())[5:7]] == [nn.MaxPool2d, nn.Dropout]


def test_resnets_stages_halve_but_the_first():
    """He et al. (2016), table 1: conv3_1, conv4_1 and conv5_1 have stride 2."""
    resnet = definitions("resnet")
    net = on_meta(resnet["resnet18"])
    assert [stage[0].conv1.stride[0] for stage in net[1:5]] == [1, 2, 2, 2]
    assert [stage[1].conv1.stride[0] for stage in net[1:5]] == [1, 1, 1, 1]
    small = windows(on_meta(resnet["small_resnet"], 20))
    assert [stride for _, stride, _ in small] == [2] + [1] * 6 + [2] + [1] * 5 + [2] + [1] * 5


@pytest.mark.parametrize(
    ("chapter", "block"), [("resnet", "Residual"), ("resnet", "PlainBlock"), ("resnet", "Bottleneck")]
)
def test_a_block_keeps_the_size_unless_asked(chapter, block):
    made = definitions(chapter)[block]
    assert inspect.signature(made).parameters["stride"].default == 1
    assert made(16, 4 if block == "Bottleneck" else 16)(torch.zeros(1, 16, 8, 8)).shape == (1, 16, 8, 8)
