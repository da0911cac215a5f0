"""The chapters' networks: constants against the papers, starts against theirs, and that they learn."""

from collections import Counter

import pytest
import torch
from chapter import NAMES, definitions, made, num_params
from torch import nn
from torch.nn import functional as F

import d2ltorch as d2lt
from book import networks
from book.notebooks import builders
from book.results.execute import VERDICT
from d2ltorch import torchvision

LENET = "5/1+2, avg 2/2+0, 5/1+0, avg 2/2+0"  # LeCun et al. (1998), figure 2, for 28×28 pixels
ALEXNET = "max 3/2+0, 5/1+2, max 3/2+0, 3/1+1, 3/1+1, 3/1+1, max 3/2+0"  # Krizhevsky et al. (2012), 3.5, after conv1
HALF = "2 Dropout 0.5"  # the same paper, 4.2: dropout leaves half
# The same paper, 3.3: n = 5, k = 2, alpha = 1e-4 a term, which torch divides by n, beta = 0.75
RESPONSES = "2 LocalResponseNorm(5, alpha=0.0005, beta=0.75, k=2)"
VGG11 = "3/1+1, max 2/2+0, 3/1+1, max 2/2+0" + ", 3/1+1, 3/1+1, max 2/2+0" * 3  # Simonyan and Zisserman (2015), table 1
NIN = "11/4+0, max 3/2+0, 5/1+2, max 3/2+0, 3/1+1, max 3/2+0, 3/1+1"  # AlexNet's windows
NIN_CIFAR = "5/1+2, max 3/2+0 up, 5/1+2, avg 3/2+0 up, 3/1+1"  # as its authors released it; Caffe rounds up
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
RESNET20 = ", ".join(["3/2+1", *["3/1+1"] * 6, *["3/2+1", *["3/1+1"] * 5] * 2])  # He et al. (2016), 4.2: 6n + 2 layers
DENSENET = f"{STEM}, {', avg 2/2+0, '.join(['3/1+1, 3/1+1, 3/1+1, 3/1+1'] * 4)}"  # Huang et al. (2017), table 1

# Whatever a chapter's cells do not pin down already. What makes a network or a block of the definitions ``c``, the
# shape of an image and of an answer, the number of parameters, kernel / stride + padding of each window in order, and
# what stands between the layers with weights.
MADE = [
    ("lenet", lambda c: c.lenet(), (1, 28, 28), (10,), 61_706, LENET, "4 Sigmoid"),
    ("lenet", lambda c: c.lenet(pool=nn.MaxPool2d), (1, 28, 28), (10,), 61_706, LENET.replace("avg", "max"),
     "4 Sigmoid"),
    ("alexnet", lambda c: c.alexnet(), (1, 224, 224), (10,), 46_764_746, f"11/4+1, {ALEXNET}", f"7 ReLU, {HALF}"),
    ("alexnet", lambda c: c.alexnet_paper(), (3, 224, 224), (1000,), 60_965_224, f"11/4+2, {ALEXNET}",
     f"7 ReLU, {RESPONSES}, {HALF}"),
    ("vgg", lambda c: c.vgg(c.conv_arch), (1, 224, 224), (10,), 128_806_154, VGG11, f"10 ReLU, {HALF}"),
    ("nin", lambda c: c.nin(), (1, 67, 67), (10,), 1_992_166, NIN,
     "11 ReLU, 1 Dropout 0.5"),  # Lin et al. (2014), 4.1: half
    ("nin", lambda c: c.nin_cifar(), (3, 32, 32), (10,), 966_986, NIN_CIFAR, f"8 ReLU, {HALF}"),
    ("googlenet", lambda c: c.googlenet(), (1, 1, 1), (10,), 5_977_530, GOOGLENET, "57 ReLU"),
    ("googlenet", lambda c: c.googlenet(3, 7, conv=c.conv_bn_relu, dropout=0.4), (3, 96, 96), (7,), 5_988_007,
     GOOGLENET, "57 ReLU, 1 Dropout 0.4"),
    ("googlenet", lambda c: c.FactorisedInception(*BLOCK_3A), (192, 28, 28), (256, 28, 28), 165_152, FACTORISED,
     "7 ReLU"),
    ("googlenet", lambda c: c.AsymmetricInception(*BLOCK_3A), (192, 28, 28), (256, 28, 28), 200_448, ASYMMETRIC,
     "10 ReLU"),
    ("googlenet", lambda c: c.five_blocks("average"), (1, 32, 32), (10,), 93_336, FIVE_BLOCKS, "31 ReLU"),
    ("googlenet", lambda c: c.five_blocks("dense"), (1, 32, 32), (10,), 107_736, FIVE_BLOCKS, "31 ReLU"),
    ("batch_norm", lambda c: c.lenet_bn(), (1, 28, 28), (10,), 62_158, LENET, "4 Sigmoid"),
    ("batch_norm", lambda c: c.without_norm(c.lenet_bn_torch()), (1, 28, 28), (10,), 61_706, LENET, "4 Sigmoid"),
    ("batch_norm", lambda c: c.with_group_norm(c.lenet_bn_torch()), (1, 28, 28), (10,), 62_158, LENET,
     "4 GroupNorm, 4 Sigmoid"),
    # The residual blocks call ``F.relu``; with option A 0.27 million, as in the paper's table 6.
    ("resnet", lambda c: c.resnet18(), (1, 96, 96), (10,), 11_175_370, RESNET18, "1 ReLU"),
    ("resnet", lambda c: c.small_resnet(20, c.ResidualA, 16, 3), (3, 28, 28), (10,), 269_722, RESNET20,
     "1 ReLU, 9 PadShortcut"),
    ("densenet", lambda c: c.densenet(), (1, 96, 96), (10,), 757_322, DENSENET, "21 ReLU"),
    ("densenet", lambda c: c.plain_chain(), (1, 96, 96), (10,), 608_586, DENSENET, "21 ReLU"),
]  # fmt: skip
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
        if kind == "Dropout":
            kind = f"Dropout {leaf.p}"
        elif kind == "LocalResponseNorm":
            kind = str(leaf)
        if kind not in WITH_WEIGHTS + OF_SHAPE:
            kinds[kind] += 1
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


@pytest.mark.parametrize("row", MADE, ids=[row[0] for row in MADE])
def test_constants_are_those_of_the_paper_or_of_the_text(row):
    chapter, make, image, answer, parameters, expected, others = row
    net = made(chapter, make).eval()
    assert windows(net) == expected
    assert between(net) == others
    assert num_params(net) == parameters
    assert net(torch.empty(2, *image, device="meta")).shape == (2, *answer)
    assert {module.output_size for module in net.modules() if isinstance(module, nn.AdaptiveAvgPool2d)} <= {1, 5}


@pytest.mark.parametrize("name", NAMES)
def test_a_network_takes_other_channels_and_classes(name):
    row = networks.find(name)
    with torch.device("meta"):
        net = builders(name)[row.builder](in_channels=3, num_classes=7).eval()
    assert net(torch.empty(2, 3, row.size, row.size, device="meta")).shape == (2, 7)


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
    for values in ([2.0, 3.0], [2.0, 0.0], [0.0, 1.0]):
        pair = [[1.0, 1.0], values] if name == "batch_norm" else [values, [1.0, 1.0]]
        verdict("a beats b", *pair)
    answers = VERDICT.findall(capsys.readouterr().out)
    assert answers == [("a beats b", "yes"), ("a beats b", "undecided"), ("a beats b", "no")]
