"""The chapters' networks: constants against the papers, answers against torchvision's, and that they learn."""

import inspect
from collections import Counter

import pytest
import torch
from chapter import NAMES, PARAMETERS, cells, definitions, made, num_params, state_of
from torch import nn
from torch.nn import functional as F

import d2ltorch as d2lt
from book import networks
from d2ltorch import torchvision

# Exact facts that a chapter's cells assert. A deleted assertion is a promise less: lower a number only on purpose.
ASSERTIONS = {
    "lenet": 28, "alexnet": 18, "vgg": 24, "nin": 19, "googlenet": 25, "batch_norm": 20, "resnet": 18, "densenet": 18,
}  # fmt: skip

LENET = "5/1+2, avg 2/2+0, 5/1+0, avg 2/2+0"  # LeCun et al. (1998), figure 2, for 28×28 pixels
ALEXNET = "max 3/2+0, 5/1+2, max 3/2+0, 3/1+1, 3/1+1, 3/1+1, max 3/2+0"  # Krizhevsky et al. (2012), 3.5, after conv1
HALF = "7 ReLU, 2 Dropout 0.5"  # the same paper, 4.2: dropout leaves half
PAPER_HALF = "7 ReLU, 2 LocalResponseNorm, 2 Dropout 0.5"
VGG11 = "3/1+1, max 2/2+0, 3/1+1, max 2/2+0" + ", 3/1+1, 3/1+1, max 2/2+0" * 3  # Simonyan and Zisserman (2015), table 1
VGG16 = ", ".join(["3/1+1, 3/1+1, max 2/2+0"] * 2 + ["3/1+1, 3/1+1, 3/1+1, max 2/2+0"] * 3)
NIN = "11/4+0, max 3/2+0, 5/1+2, max 3/2+0, 3/1+1, max 3/2+0, 3/1+1"  # AlexNet's windows
NIN_CIFAR = "5/1+2, max 3/2+0 up, 5/1+2, avg 3/2+0 up, 3/1+1"  # as its authors released it; Caffe rounds up
SMALL_NIN = "5/2+2, max 2/2+0, 3/1+1, max 2/2+0"  # 28×28 pixels to 3×3
BLOCK_3A = (192, 64, (96, 128), (16, 32), 32)  # Szegedy et al. (2015), table 1
INCEPTION = "3/1+1, 5/1+2, max 3/1+1"  # Szegedy et al. (2015), figure 2b: the size stays
STEM = "7/2+3, max 3/2+1"  # the same paper's table 1, and He et al. (2016), table 1
GOOGLENET = ", ".join(
    [STEM, "3/1+1", "max 3/2+1", *[INCEPTION] * 2, "max 3/2+1", *[INCEPTION] * 5, "max 3/2+1", *[INCEPTION] * 2]
)
FIVE_BLOCKS = ", ".join(["3/2+1", "max 3/2+1", *[INCEPTION] * 2, "max 3/2+1", *[INCEPTION] * 3])  # 32×32 pixels to 4×4
FACTORISED = "3/1+1, 3/1+1, 3/1+1, max 3/1+1"  # Szegedy et al. (2016), figure 5
ASYMMETRIC = "1/1+0, 7/1+3, 1/1+0, 7/1+3, 1/1+0, 7/1+3, max 3/1+1"  # heights of 1×7 and 7×1
RESNET18 = ", ".join([STEM, *["3/1+1"] * 4, *["3/2+1", *["3/1+1"] * 3] * 3])
DENSENET = f"{STEM}, {', avg 2/2+0, '.join(['3/1+1, 3/1+1, 3/1+1, 3/1+1'] * 4)}"  # Huang et al. (2017), table 1
SMALL_DENSENET = f"3/2+1, {', avg 2/2+0, '.join(['3/1+1, 3/1+1, 3/1+1, 3/1+1'] * 3)}"


def small_resnet(depth: int) -> str:
    """He et al. (2016), 4.2: 6n + 2 layers in three stages."""
    n = (depth - 2) // 6
    return ", ".join(["3/2+1", *["3/1+1"] * 2 * n, *["3/2+1", *["3/1+1"] * (2 * n - 1)] * 2])


# What makes a network or a block of a chapter's definitions ``c``, the shape of an image and of an answer, the number
# of parameters, kernel / stride + padding of each window in order, and what stands between the layers with weights.
MADE = {
    "lenet": [
        (lambda c: c.lenet(), (1, 28, 28), (10,), 61_706, LENET, "4 Sigmoid"),
        (lambda c: c.lenet(3, 100, nn.ReLU, nn.MaxPool2d), (3, 28, 28), (100,), 69_656,
         LENET.replace("avg", "max"), "4 ReLU"),
        (lambda c: c.dense_network(28), (1, 28, 28), (10,), 105_214, "", "2 ReLU"),
        (lambda c: c.lenet_for(56), (1, 56, 56), (10,), 290_186, LENET, "4 ReLU"),
        (lambda c: c.lenet_for(112, averaged=True), (1, 112, 112), (10,), 61_706, "5/1+2, avg 2/2+0, 5/1+0", "4 ReLU"),
        (lambda c: c.same_maps(28), (1, 28, 28), (4704,), 3_692_640, "", ""),
    ],
    "alexnet": [
        (lambda c: c.alexnet(), (1, 224, 224), (10,), 46_764_746, f"11/4+1, {ALEXNET}", HALF),
        (lambda c: c.alexnet(3, 1000), (3, 193, 193), (1000,), 50_844_008, f"11/4+1, {ALEXNET}", HALF),
        (lambda c: c.small_alexnet(), (1, 65, 65), (10,), 536_250, f"11/4+1, {ALEXNET}", HALF),
        (lambda c: c.alexnet_torchvision(), (3, 224, 224), (1000,), 61_100_840, f"11/4+2, {ALEXNET}", HALF),
        (lambda c: c.alexnet_paper(), (3, 224, 224), (1000,), 60_965_224, f"11/4+2, {ALEXNET}", PAPER_HALF),
    ],
    "vgg": [
        (lambda c: c.vgg(c.conv_arch), (1, 224, 224), (10,), 128_806_154, VGG11, "10 ReLU, 2 Dropout 0.5"),
        (lambda c: c.vgg(c.quarter_arch), (1, 224, 224), (10,), 43_093_322, VGG11, "10 ReLU, 2 Dropout 0.5"),
        (lambda c: c.vgg(c.eighth_arch, 3, 7, 96, 512), (3, 96, 96), (7,), 706_231, VGG11, "10 ReLU, 2 Dropout 0.5"),
        (lambda c: c.vgg(c.vgg_configurations["vgg16"], 3, 1000), (3, 224, 224), (1000,), 138_357_544, VGG16,
         "15 ReLU, 2 Dropout 0.5"),
        (lambda c: c.vgg_block(3, 4, 8), (4, 10, 10), (8, 5, 5), 1_464, "3/1+1, 3/1+1, 3/1+1, max 2/2+0", "3 ReLU"),
        (lambda c: c.window_net((5,)), (1, 28, 28), (10,), 26_434, "3/1+1, max 2/2+0, 5/1+2, max 2/2+0", "2 ReLU"),
        (lambda c: c.window_net((3, 3)), (1, 28, 28), (10,), 22_426, "3/1+1, max 2/2+0, 3/1+1, 3/1+1, max 2/2+0",
         "3 ReLU"),
    ],
    "nin": [
        (lambda c: c.nin(), (1, 67, 67), (10,), 1_992_166, NIN,
         "11 ReLU, 1 Dropout 0.5"),  # Lin et al. (2014), 4.1: half
        (lambda c: c.nin_block(2, 3, 1), (2, 4, 4), (3, 4, 4), 33, "", "3 ReLU"),
        (lambda c: c.nin_cifar(), (3, 32, 32), (10,), 966_986, NIN_CIFAR, "8 ReLU, 2 Dropout 0.5"),
        (lambda c: c.three_blocks(16, 32, 2), (1, 28, 28), (10,), 18_346, f"{SMALL_NIN}, 3/1+1", "8 ReLU"),
        (lambda c: c.three_blocks(16, 32, 0), (1, 28, 28), (10,), 7_946, f"{SMALL_NIN}, 3/1+1", "2 ReLU"),
        (lambda c: c.three_blocks(28, 52, 0), (1, 28, 28), (10,), 18_574, f"{SMALL_NIN}, 3/1+1", "2 ReLU"),
        (lambda c: c.three_blocks(16, 32, 2, last_width=10), (1, 28, 28), (10,), 10_822, f"{SMALL_NIN}, 3/1+1",
         "8 ReLU"),
        (lambda c: c.small_nin(), (1, 28, 28), (10,), 10_822, f"{SMALL_NIN}, 3/1+1", "8 ReLU"),
        (lambda c: c.small_average(0.5), (1, 28, 28), (10,), 18_346, f"{SMALL_NIN}, 3/1+1", "8 ReLU, 1 Dropout 0.5"),
        (lambda c: c.small_dense(0.5), (1, 28, 28), (10,), 160_810, SMALL_NIN, "7 ReLU, 1 Dropout 0.5"),
    ],
    "googlenet": [
        (lambda c: c.googlenet(), (1, 1, 1), (10,), 5_977_530, GOOGLENET, "57 ReLU"),
        (lambda c: c.googlenet(3, 7, conv=c.conv_bn_relu, dropout=0.4), (3, 96, 96), (7,), 5_988_007, GOOGLENET,
         "57 ReLU, 1 Dropout 0.4"),
        (lambda c: c.Inception(*BLOCK_3A), (192, 28, 28), (256, 28, 28), 163_696, INCEPTION, "6 ReLU"),
        (lambda c: c.FactorisedInception(*BLOCK_3A), (192, 28, 28), (256, 28, 28), 165_152, FACTORISED, "7 ReLU"),
        (lambda c: c.AsymmetricInception(*BLOCK_3A), (192, 28, 28), (256, 28, 28), 200_448, ASYMMETRIC, "10 ReLU"),
        (lambda c: c.ResidualInception(*BLOCK_3A), (192, 28, 28), (192, 28, 28), 213_408, INCEPTION, "6 ReLU"),
        (lambda c: c.two_blocks(c.Inception, 8, lambda row: row[0] + row[1][1] + row[2][1] + row[3]), (1, 32, 32),
         (10,), 48_066,
         f"3/2+1, {INCEPTION}, max 3/2+1, {INCEPTION}", "13 ReLU, 1 Dropout 0.0"),
        (lambda c: c.five_blocks("average"), (1, 32, 32), (10,), 93_336, FIVE_BLOCKS, "31 ReLU"),
        (lambda c: c.five_blocks("dense"), (1, 32, 32), (10,), 107_736, FIVE_BLOCKS, "31 ReLU"),
    ],
    "batch_norm": [
        (lambda c: c.lenet_bn(3, 7), (3, 28, 28), (7,), 62_203, LENET, "4 Sigmoid"),
        (lambda c: c.lenet_bn_torch(), (1, 28, 28), (10,), 62_158, LENET, "4 Sigmoid"),
        (lambda c: c.without_norm(c.lenet_bn()), (1, 28, 28), (10,), 61_706, LENET, "4 Sigmoid"),
        (lambda c: c.without_norm(c.lenet_bn_torch()), (1, 28, 28), (10,), 61_706, LENET, "4 Sigmoid"),
        (lambda c: c.with_group_norm(c.lenet_bn_torch()), (1, 28, 28), (10,), 62_158, LENET, "4 GroupNorm, 4 Sigmoid"),
    ],
    "resnet": [  # whose blocks call ``F.relu``; with option A 0.27 and 0.85 million, as in the paper's table 6
        (lambda c: c.resnet18(), (1, 96, 96), (10,), 11_175_370, RESNET18, "1 ReLU"),
        (lambda c: c.small_resnet(20), (1, 28, 28), (10,), 68_642, small_resnet(20), "1 ReLU"),
        (lambda c: c.small_resnet(56, c.PlainBlock), (1, 28, 28), (10,), 214_402, small_resnet(56), "1 ReLU"),
        (lambda c: c.small_resnet(20, c.ResidualA, 16, 3), (3, 28, 28), (10,), 269_722, small_resnet(20),
         "1 ReLU, 9 PadShortcut"),
        (lambda c: c.small_resnet(56, c.ResidualA, 16, 3), (3, 28, 28), (10,), 853_018, small_resnet(56),
         "1 ReLU, 27 PadShortcut"),
    ],
    "densenet": [
        (lambda c: c.densenet(), (1, 96, 96), (10,), 757_322, DENSENET, "21 ReLU"),
        (lambda c: c.plain_chain(), (1, 96, 96), (10,), 608_586, DENSENET, "21 ReLU"),
        (lambda c: c.transition_block(23, 10), (23, 8, 8), (10, 4, 4), 276, "avg 2/2+0", "1 ReLU"),
        (lambda c: c.small_densenet(8), (1, 28, 28), (10,), 34_586, SMALL_DENSENET, "15 ReLU"),
        (lambda c: c.small_addnet(16), (1, 28, 28), (10,), 28_954, SMALL_DENSENET, "15 ReLU"),
    ],
}  # fmt: skip
WITH_WEIGHTS = ("Conv2d", "Linear", "BatchNorm", "BatchNorm1d", "BatchNorm2d")
OF_SHAPE = ("Identity", "Flatten", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d")


def windows(net: nn.Module) -> str:
    """Kernel/stride+padding of every convolution larger than 1×1, and of every pooling by its kind, in order."""
    found = []
    for module in net.modules():
        kind = {nn.Conv2d: "", nn.MaxPool2d: "max ", nn.AvgPool2d: "avg "}.get(type(module))
        if kind is not None and module.kernel_size not in (1, (1, 1)):
            sizes = (module.kernel_size, module.stride, module.padding)
            kernel, stride, padding = (size[0] if isinstance(size, tuple) else size for size in sizes)
            up = " up" if getattr(module, "ceil_mode", False) else ""
            found.append(f"{kind}{kernel}/{stride}+{padding}{up}")
    return ", ".join(found)


def between(net: nn.Module) -> str:
    """How many activations, dropouts and the like a network has, by kind."""
    kinds = Counter()
    for leaf in (module for module in net.modules() if not list(module.children())):
        kind = type(leaf).__name__
        if kind not in WITH_WEIGHTS + OF_SHAPE:
            kinds[f"{kind} {leaf.p}" if kind == "Dropout" else kind] += 1
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


@pytest.mark.parametrize(("chapter", "i"), [(name, i) for name in MADE for i in range(len(MADE[name]))])
def test_constants_are_those_of_the_paper_or_of_the_text(chapter, i):
    make, image, answer, parameters, expected, others = MADE[chapter][i]
    net = made(chapter, make).eval()
    assert windows(net) == expected
    assert between(net) == others
    assert num_params(net) == parameters
    assert net(torch.empty(2, *image, device="meta")).shape == (2, *answer)
    assert {module.output_size for module in net.modules() if isinstance(module, nn.AdaptiveAvgPool2d)} <= {1, 5}


@pytest.mark.parametrize(("name", "smallest"), [("nin", 67), ("alexnet", 193)])
def test_smaller_images_than_the_smallest_are_refused(name, smallest):
    with torch.device("meta"):
        net, image = networks.build(name), torch.empty(1, 1, smallest - 1, smallest - 1)
    with pytest.raises(RuntimeError):
        net(image)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_as_large_as_stated_and_takes_other_channels_and_classes(name):
    row, chapter = networks.find(name), definitions(name)
    arguments = [chapter[argument] for argument in row.arguments]
    with torch.device("meta"):
        assert num_params(networks.build(name)) == PARAMETERS[name]
        net = chapter[row.builder](*arguments, in_channels=3, num_classes=7).eval()
    assert net(torch.empty(2, 3, row.size, row.size, device="meta")).shape == (2, 7)


DEFAULTS = {  # of arguments by name, in every chapter: what a builder promises, and what the papers and torch have
    "in_channels": {1, 3}, "num_classes": {10, 1000}, "stride": {1}, "padding": {0}, "image_size": {28, 224},
    "hidden": {4096}, "num_hidden": {4096}, "dropout": {0.0, 0.5}, "growth_rate": {32}, "large_kernel": {5}, "n": {7},
    "groups": {1, 32}, "group_width": {4}, "scale": {0.2}, "eps": {1e-5}, "momentum": {0.1},
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_those_of_the_paper_or_of_every_builder(name):
    for key, value in definitions(name).items():
        if getattr(value, "__module__", "") == f"chapters.{name}" and callable(value):
            for argument in inspect.signature(value).parameters.values():
                if argument.default is not argument.empty:
                    assert argument.default in DEFAULTS.get(argument.name, {argument.default}), f"{key}({argument})"


@pytest.mark.parametrize("name", NAMES)
def test_assertions_are_counted(name):
    found = sum(cell["source"].count("assert ") for cell in cells(name) if cell["cell_type"] == "code")
    assert found == ASSERTIONS[name]


def test_alexnet_of_the_paper_has_its_groups_and_its_response_normalisation():
    """Krizhevsky et al. (2012), 3.3: n = 5, k = 2, alpha = 1e-4 a term, which torch divides by n; beta = 0.75."""
    modules = list(made("alexnet", lambda c: c.alexnet_paper()).modules())
    assert [module.groups for module in modules if isinstance(module, nn.Conv2d)] == [1, 2, 1, 2, 2]
    found = [(m.size, m.k, m.alpha / m.size, m.beta) for m in modules if isinstance(m, nn.LocalResponseNorm)]
    assert found == [(5, 2, pytest.approx(1e-4), 0.75)] * 2


def test_nin_drops_out_before_the_last_block_and_its_logits_are_bare():
    net, average, dense = (made("nin", lambda c: c.nin()), *made("nin", lambda c: (c.small_average(), c.small_dense())))
    assert isinstance(net[5], nn.MaxPool2d) and isinstance(net[6], nn.Dropout) and isinstance(net[7][-1], nn.Conv2d)
    assert isinstance(average[4], nn.Dropout) and isinstance(dense[4], nn.Dropout)


models = torchvision.models
TORCHVISION = {  # of AlexNet and VGG the convolutions: the heads are in the table of constants
    "alexnet": ("alexnet", lambda c: c.alexnet_torchvision()[:-1], lambda: models.alexnet().features),
    "vgg11": ("vgg", lambda c: c.vgg(c.vgg_configurations["vgg11"], 3)[:5], lambda: models.vgg11().features),
    "vgg13": ("vgg", lambda c: c.vgg(c.vgg_configurations["vgg13"], 3)[:5], lambda: models.vgg13().features),
    "vgg16": ("vgg", lambda c: c.vgg(c.vgg_configurations["vgg16"], 3)[:5], lambda: models.vgg16().features),
    "vgg19": ("vgg", lambda c: c.vgg(c.vgg_configurations["vgg19"], 3)[:5], lambda: models.vgg19().features),
    "googlenet": (
        "googlenet",
        lambda c: c.googlenet_torchvision(),
        lambda: models.googlenet(aux_logits=False, init_weights=False),
    ),
    "resnet18": ("resnet", lambda c: c.resnet18(3, 1000), models.resnet18),
    "resnet34": ("resnet", lambda c: c.resnet34(3, 1000), models.resnet34),
    "resnet50": ("resnet", lambda c: c.resnet50(3, 1000), models.resnet50),
    "resnext50": ("resnet", lambda c: c.resnet50(3, 1000, c.ResNeXtBlock), models.resnext50_32x4d),
    "densenet121": ("densenet", lambda c: c.densenet121(3, 1000), models.densenet121),
    "densenet169": (
        "densenet",
        lambda c: c.densenet((6, 12, 32, 32), 32, 3, 1000, c.bottleneck_block),
        models.densenet169,
    ),
}


@pytest.mark.parametrize(("chapter", "ours", "theirs"), TORCHVISION.values(), ids=TORCHVISION)
def test_same_answers_as_torchvision_with_the_same_weights(chapter, ours, theirs):
    ours, theirs = (net.to_empty(device="cpu").eval() for net in made(chapter, lambda c: (ours(c), theirs())))
    with torch.no_grad():
        for value in theirs.state_dict().values():
            if value.dim() > 1:
                nn.init.kaiming_normal_(value)
            elif value.is_floating_point():
                value.uniform_(0.5, 1.5)  # as if the network had seen data
        ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
        X = torch.randn(2, 3, 95, 95)  # an odd size tells rounding up from padding
        expected = theirs(X)
        assert expected.std(dim=0).max() > 1e-3  # a network that answers the same to everything would prove nothing
        torch.testing.assert_close(ours(X), expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize("name", ["alexnet", "vgg", "resnet", "densenet"])
def test_copying_weights_refuses_another_network(name):
    copy_weights = definitions(name)["copy_weights"]
    for other in (nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))):
        with pytest.raises((ValueError, AssertionError)):
            copy_weights(nn.Linear(3, 2), other)


@pytest.mark.parametrize(("chapter", "name"), [("resnet", "resnet18"), ("densenet", "densenet121")])
def test_the_switch_for_pretrained_weights_goes_on_without_a_network(chapter, name, monkeypatch, capsys):
    def refuse(weights=None):
        if weights is not None:
            raise OSError("no route to host")
        return nn.BatchNorm2d(3)

    monkeypatch.setattr(torchvision.models, name, refuse)
    net, weights = definitions(chapter)["torchvision_reference"](name, pretrained=True)
    assert weights == "random" and not net.training
    assert "could not fetch" in capsys.readouterr().out


STARTS = {  # a chapter's initialiser, and the spread of its weights with 144 inputs and 288 outputs
    "four times Xavier": ("lenet", lambda c: c.xavier_times(4), 4 * (2 / (144 + 288)) ** 0.5),
    # LeCun et al. (1998), appendix A: uniform up to 2.4 over the inputs
    "1998": ("lenet", lambda c: c.init_1998, 2.4 / 144 / 3**0.5),
    "a gain of four": ("alexnet", lambda c: c.init_gain(4), 4 * (2 / (144 + 288)) ** 0.5),
    "He, VGG": ("vgg", lambda c: c.init_he, (2 / 144) ** 0.5),  # He et al. (2015)
    "He, NiN": ("nin", lambda c: c.init_kaiming, (2 / 144) ** 0.5),
    "He, GoogLeNet": ("googlenet", lambda c: c.init_scaled_he, 0.85 * (2 / 144) ** 0.5),
    "He, ResNet": ("resnet", lambda c: c.init_he, (2 / 144) ** 0.5),
}


@pytest.mark.parametrize(("chapter", "start", "spread"), STARTS.values(), ids=STARTS)
def test_a_start_has_its_spread_and_zero_biases(chapter, start, spread):
    layer = nn.Conv2d(16, 32, 3).apply(made(chapter, start))
    assert layer.weight.std().item() == pytest.approx(spread, rel=0.05)
    assert not layer.bias.any()


LEARNERS = {
    "lenet5_1998": ("lenet", lambda c: c.lenet5_1998().apply(c.init_1998), 28),
    "lenet": ("lenet", lambda c: c.lenet(activation=nn.ReLU).apply(c.xavier_times(1)), 28),
    "alexnet": ("alexnet", lambda c: c.small_alexnet().apply(c.init_gain(1)), 65),
    "vgg": ("vgg", lambda c: c.vgg(((1, 8), (1, 16), (2, 32)), image_size=24, num_hidden=64).apply(c.init_he), 24),
    "nin": ("nin", lambda c: c.small_nin().apply(c.init_kaiming), 28),
    "googlenet": ("googlenet", lambda c: c.five_blocks("average").apply(c.init_scaled_he), 32),
    "batch_norm": ("batch_norm", lambda c: c.lenet_bn().apply(d2lt.init_xavier), 28),
    "resnet": ("resnet", lambda c: c.small_resnet(8).apply(c.init_he), 28),
    "densenet": ("densenet", lambda c: c.small_densenet(8, 1).apply(d2lt.init_xavier), 28),
}


@pytest.mark.parametrize(("chapter", "make", "size"), LEARNERS.values(), ids=LEARNERS)
def test_one_batch_is_learnt_by_heart(chapter, make, size):
    net = made(chapter, make, "cpu")
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    X, y = torch.zeros(20, 1, size, size), torch.arange(20) % 10
    for image, label in zip(X, y.tolist()):  # a bar whose width depends on the class
        image[0, 4:-4, 2 : 4 + (size - 6) * label // 9] = 1
    X += 0.1 * torch.rand_like(X)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.005)
    for _ in range(300):
        logits = net(X)
        if (logits.argmax(dim=1) == y).all():
            return
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"20 images are not learnt in 300 steps: loss {loss.item():.3f}")


@pytest.mark.parametrize("name", ["alexnet", "vgg", "nin", "batch_norm"])
def test_a_verdict_needs_all_seeds(name, capsys):
    verdict = definitions(name)["verdict"]
    for pairs in (([2.0, 3.0], [1.0, 1.0]), ([2.0, 0.0], [1.0, 1.0]), ([0.0, 1.0], [1.0, 1.0])):
        verdict("a beats b", *(reversed(pairs) if name == "batch_norm" else pairs))
    answers = ("2 of 2 seeds", "yes"), ("1 of 2 seeds", "undecided"), ("0 of 2 seeds", "no")
    form = "a beats b: {1} ({0})" if name == "batch_norm" else "a beats b: {0}, {1}"
    assert capsys.readouterr().out.splitlines() == [form.format(*answer) for answer in answers]


@pytest.mark.parametrize("name", ["resnet", "densenet"])
def test_measuring_gradients_leaves_the_network_as_it_was(name):
    net = made(name, lambda c: c.small_resnet(20) if name == "resnet" else c.small_densenet(4), "cpu").eval()
    before = state_of(net)
    values = definitions(name)["gradient_by_layer"](net, torch.rand(4, 1, 28, 28), torch.arange(4))
    assert len(values) == {"resnet": 19, "densenet": 15}[name] and min(values) > 0
    assert not net.training and all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
