"""Constants of the definitions, against the papers: those that no shape and no count of parameters gives away."""

from __future__ import annotations

import inspect

import pytest
import torch
from chapter import NAMES, PARAMETERS, definitions, num_params
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


def windows(net: nn.Module) -> str:
    """Kernel/stride+padding of every convolution larger than 1×1, and of every pooling by its kind, in order."""
    found = []
    for module in net.modules():
        kind = {nn.Conv2d: "", nn.MaxPool2d: "max ", nn.AvgPool2d: "avg "}.get(type(module))
        if kind is not None and module.kernel_size not in (1, (1, 1)):
            sizes = (module.kernel_size, module.stride, module.padding)
            kernel, stride, padding = (size[0] if isinstance(size, tuple) else size for size in sizes)
            found.append(f"{kind}{kernel}/{stride}+{padding}")
    return ", ".join(found)


LENET = "5/1+2, avg 2/2+0, 5/1+0, avg 2/2+0"  # LeCun et al. (1998), figure 2, for 28×28 pixels
ALEXNET = "max 3/2+0, 5/1+2, max 3/2+0, 3/1+1, 3/1+1, 3/1+1, max 3/2+0"  # Krizhevsky et al. (2012), 3.5, after conv1
SMALL_NIN = "5/2+2, max 2/2+0, 3/1+1, max 2/2+0"  # 28×28 pixels to 3×3
INCEPTION = "3/1+1, 5/1+2, max 3/1+1"  # Szegedy et al. (2015), figure 2b: the size stays
STEM = "7/2+3, max 3/2+1"  # the same paper's table 1, and He et al. (2016), table 1
WINDOWS = {
    ("lenet", "lenet"): LENET,
    ("lenet", "lenet_for", 28): LENET,
    ("batch_norm", "lenet_bn"): LENET,
    ("batch_norm", "lenet_bn_torch"): LENET,
    ("alexnet", "alexnet"): f"11/4+1, {ALEXNET}",
    ("alexnet", "small_alexnet"): f"11/4+1, {ALEXNET}",
    ("alexnet", "alexnet_torchvision"): f"11/4+2, {ALEXNET}",
    ("alexnet", "alexnet_paper"): f"11/4+2, {ALEXNET}",
    ("vgg", "window_net", (5,)): "3/1+1, max 2/2+0, 5/1+2, max 2/2+0",
    ("vgg", "window_net", (3, 3)): "3/1+1, max 2/2+0, 3/1+1, 3/1+1, max 2/2+0",
    ("nin", "nin"): "11/4+0, max 3/2+0, 5/1+2, max 3/2+0, 3/1+1, max 3/2+0, 3/1+1",  # AlexNet's windows
    ("nin", "nin_cifar"): "5/1+2, max 3/2+1, 5/1+2, avg 3/2+1, 3/1+1",  # as its authors released it
    ("nin", "three_blocks", 8, 16, 2): f"{SMALL_NIN}, 3/1+1",
    ("nin", "small_nin"): f"{SMALL_NIN}, 3/1+1",
    ("nin", "small_average"): f"{SMALL_NIN}, 3/1+1",
    ("nin", "small_dense"): SMALL_NIN,
    ("googlenet", "googlenet"): ", ".join(
        [STEM, "3/1+1", "max 3/2+1", *[INCEPTION] * 2, "max 3/2+1", *[INCEPTION] * 5, "max 3/2+1", *[INCEPTION] * 2]
    ),
    ("googlenet", "five_blocks", "dense"): ", ".join(
        ["3/2+1", "max 3/2+1", *[INCEPTION] * 2, "max 3/2+1", *[INCEPTION] * 3]  # 32×32 pixels to 4×4
    ),
    ("resnet", "resnet18"): ", ".join([STEM, *["3/1+1"] * 4, *["3/2+1", *["3/1+1"] * 3] * 3]),
    ("resnet", "small_resnet", 8): "3/2+1, 3/1+1, 3/1+1, 3/2+1, 3/1+1, 3/2+1, 3/1+1",
    ("densenet", "densenet", (1, 1, 1, 1)): f"{STEM}, 3/1+1" + ", avg 2/2+0, 3/1+1" * 3,  # Huang et al., table 1
    ("densenet", "plain_chain"): ", ".join([STEM, *["3/1+1"] * 4, *["avg 2/2+0", *["3/1+1"] * 4] * 3]),
    ("densenet", "small_densenet", 8, 1): "3/2+1, 3/1+1" + ", avg 2/2+0, 3/1+1" * 2,
    ("densenet", "small_addnet", 8, 1): "3/2+1, 3/1+1" + ", avg 2/2+0, 3/1+1" * 2,
}
DEFAULTS = {  # of arguments by name, in every chapter: what a builder promises, and what the papers and torch have
    "in_channels": {1, 3}, "num_classes": {10, 1000}, "stride": {1}, "padding": {0}, "image_size": {28, 224},
    "hidden": {4096}, "num_hidden": {4096}, "dropout": {0.0, 0.5}, "growth_rate": {32}, "large_kernel": {5}, "n": {7},
    "groups": {1, 32}, "group_width": {4}, "scale": {0.2}, "eps": {1e-5}, "momentum": {0.1},
}  # fmt: skip


@pytest.mark.parametrize("case", WINDOWS, ids=str)
def test_windows_and_pools_are_those_of_the_paper_or_of_the_text(case):
    chapter, builder, *arguments = case
    net = on_meta(definitions(chapter)[builder], *arguments)
    assert windows(net) == WINDOWS[case]
    assert {module.output_size for module in net.modules() if isinstance(module, nn.AdaptiveAvgPool2d)} <= {1}


def test_windows_of_the_contestants_that_are_one_branch_or_all():
    googlenet = definitions("googlenet")
    net = on_meta(
        googlenet["two_blocks"], googlenet["Inception"], 8, lambda row: row[0] + row[1][1] + row[2][1] + row[3]
    )
    assert windows(net) == f"3/2+1, {INCEPTION}, max 3/2+1, {INCEPTION}"


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_as_large_as_stated_and_takes_other_channels_and_classes(name):
    row, chapter = networks.find(name), definitions(name)
    arguments = [chapter[argument] for argument in row.arguments]
    assert num_params(on_meta(networks.build, name)) == PARAMETERS[name]
    net = on_meta(chapter[row.builder], *arguments, in_channels=3, num_classes=7).eval()
    assert net(torch.empty(2, 3, row.size, row.size, device="meta")).shape == (2, 7)


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_those_of_the_paper_or_of_every_builder(name):
    for key, made in definitions(name).items():
        if getattr(made, "__module__", "") == f"chapters.{name}" and callable(made):
            for argument in inspect.signature(made).parameters.values():
                if argument.default is not argument.empty:
                    assert argument.default in DEFAULTS.get(argument.name, {argument.default}), f"{key}({argument})"


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


def test_nin_drops_out_before_the_last_block():
    assert [type(m) for m in list(definitions("nin")["nin"]().children())[5:7]] == [nn.MaxPool2d, nn.Dropout]


@pytest.mark.parametrize(
    ("chapter", "block"), [("resnet", "Residual"), ("resnet", "PlainBlock"), ("resnet", "Bottleneck")]
)
def test_a_block_keeps_the_size_unless_asked(chapter, block):
    made = definitions(chapter)[block]
    assert inspect.signature(made).parameters["stride"].default == 1
    assert made(16, 4 if block == "Bottleneck" else 16)(torch.zeros(1, 16, 8, 8)).shape == (1, 16, 8, 8)
