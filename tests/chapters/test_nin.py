"""The NiN chapter's definitions: counts, shapes, 1×1 convolutions as dense layers, learning, the exercises' claims."""

import pytest
import torch
from chapter import definitions, num_params
from torch import nn
from torch.nn import functional as F

import d2ltorch


@pytest.fixture(scope="module")
def chapter():
    return definitions("nin")


def test_parameter_count_and_its_arithmetic(chapter):
    with torch.device("meta"):
        net = chapter["nin"]()
    blocks = [num_params(stage) for stage in net if isinstance(stage, nn.Sequential)]
    by_hand = [
        k * k * c_in * c + c + 2 * (c * c + c)
        for c_in, c, k in ((1, 96, 11), (96, 256, 5), (256, 384, 3), (384, 10, 3))
    ]
    assert blocks == by_hand == [30_336, 746_240, 1_180_800, 34_790]
    assert num_params(net) == 1_992_166


def test_cifar_network_of_the_paper(chapter):
    net = chapter["nin_cifar"]().eval()
    assert num_params(net) == 966_986
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_one_by_one_convolution_is_a_dense_layer_at_every_pixel():
    conv, X = nn.Conv2d(3, 5, kernel_size=1), torch.randn(2, 3, 4, 6)
    Y = F.linear(X.permute(0, 2, 3, 1), conv.weight.flatten(1), conv.bias).permute(0, 3, 1, 2)
    torch.testing.assert_close(conv(X), Y, rtol=0, atol=1e-6)


def test_same_logits_as_matrix_products(chapter):
    """All of the network again from `unfold` and matrix products."""
    torch.manual_seed(1)
    net = chapter["nin"]().eval()
    net.apply(chapter["init_kaiming"])
    X = torch.rand(2, 1, 120, 120)
    with torch.no_grad():
        expected, Y = net(X), X
        for stage in net[:-2]:
            for layer in stage if isinstance(stage, nn.Sequential) else [stage]:
                if isinstance(layer, nn.Conv2d):
                    k, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
                    side = (Y.shape[-1] + 2 * padding - k) // stride + 1
                    windows = F.unfold(Y, k, padding=padding, stride=stride)
                    Y = (layer.weight.flatten(1) @ windows + layer.bias[:, None]).view(len(Y), -1, side, side)
                else:
                    Y = layer(Y)
        torch.testing.assert_close(Y.flatten(2).mean(dim=2), expected, rtol=0, atol=1e-5)


def test_pooling_is_an_average_and_logits_may_be_negative(chapter):
    net = chapter["nin"]()
    spike = torch.zeros(1, 1, 5, 5)
    spike[..., 2, 2] = 25.0
    assert net[-2](spike).item() == pytest.approx(1)
    assert isinstance(net[7][-1], nn.Conv2d)
    assert isinstance(chapter["nin_block"](2, 3, 1)[-1], nn.ReLU)


def test_kaiming_keeps_the_signal_and_the_default_loses_it(chapter):
    spreads = {}
    torch.manual_seed(0)
    X = torch.rand(8, 1, 96, 96) * torch.linspace(0.2, 1, 8).view(-1, 1, 1, 1)
    for name, init in (("default", None), ("xavier", d2ltorch.init_xavier), ("kaiming", chapter["init_kaiming"])):
        torch.manual_seed(0)
        net = chapter["nin"]().eval()
        if init:
            net.apply(init)
        with torch.no_grad():
            spreads[name] = net(X).std(dim=0).mean().item()
    assert spreads["default"] < 0.1 * spreads["xavier"]
    assert spreads["xavier"] < 0.1 * spreads["kaiming"]


def test_a_dead_logit_has_no_gradient(chapter):
    for last_relu in (True, False):
        net = chapter["small_nin"](last_relu=last_relu)
        with torch.no_grad():
            final = [layer for layer in net[4] if isinstance(layer, nn.Conv2d)][-1]
            final.bias.fill_(-100.0)
        net(torch.rand(4, 1, 28, 28)).sum().backward()
        assert bool(final.weight.grad.any()) is not last_relu


def test_one_batch_is_learnt_by_heart(chapter):
    torch.manual_seed(0)
    net = chapter["small_nin"]()
    net.apply(chapter["init_kaiming"])
    X, y = torch.zeros(20, 1, 28, 28), torch.arange(20) % 10
    for i, label in enumerate(y.tolist()):  # a bar whose width and brightness depend on the class
        X[i, 0, 4:24, 4 : 6 + 2 * label] = 1 - 0.05 * (label % 3) - 0.01 * (i // 10)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(400):
        logits = net(X)
        if (logits.argmax(dim=1) == y).all():
            return
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"20 images are not learnt in 400 steps: loss {loss.item():.3f}")


def test_exercise_1_multiply_adds(chapter):
    rows = d2ltorch.layer_summary(nn.Sequential(*chapter["nin_block"](96, 256, 5, padding=2)), (1, 96, 26, 26)).rows
    weights_only = sum(row.mult_adds for row in rows) - 3 * 256 * 26 * 26  # a bias counts as one for each output
    assert weights_only == 503_939_072


def test_exercise_4_dense_head(chapter):
    with torch.device("meta"):
        heavy = nn.Sequential(
            *chapter["nin"]()[:7], nn.Flatten(), nn.Linear(9600, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 10)
        )
    assert num_params(heavy) == 58_105_354


def test_exercise_5_average_and_dense_layer_change_places():
    features, dense = torch.randn(2, 32, 7, 7), nn.Linear(32, 10)
    maps = F.conv2d(features, dense.weight[:, :, None, None], dense.bias)
    torch.testing.assert_close(maps.mean(dim=(2, 3)), dense(features.mean(dim=(2, 3))), rtol=0, atol=1e-5)


def test_smallest_image(chapter):
    with torch.device("meta"):
        net = chapter["nin"]()
        assert net(torch.empty(1, 1, 67, 67)).shape == (1, 10)
        with pytest.raises(RuntimeError):
            net(torch.empty(1, 1, 66, 66))


def test_receptive_field_of_a_class_map(chapter):
    """The chapter's 195 of 224 pixels: change one pixel inside and one outside of what a corner of the map sees."""
    torch.manual_seed(0)
    net = chapter["nin"]()[:-2].eval()
    net.apply(chapter["init_kaiming"])
    X = torch.rand(1, 1, 224, 224, requires_grad=True)
    net(X)[0, :, 2, 2].sum().backward()  # away from the padding on either side
    seen = X.grad[0, 0].abs().sum(dim=0).nonzero()
    assert int(seen.max() - seen.min()) < 195
    corner = torch.rand(1, 1, 500, 500, requires_grad=True)
    maps = net(corner)
    maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2].sum().backward()
    seen = corner.grad[0, 0].abs().sum(dim=0).nonzero()
    assert 150 < int(seen.max() - seen.min()) < 195


def test_exercise_3_for_28_pixels(chapter):
    net = nn.Sequential(chapter["nin_block"](1, 96, kernel_size=3, padding=1), *chapter["nin"]()[1:])
    assert num_params(net) == 1_981_414
    assert net[:-2](torch.zeros(2, 1, 28, 28)).shape == (2, 10, 2, 2)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"c1": 16, "c2": 32, "num_pointwise": 2}, 18_346),
        ({"c1": 16, "c2": 32, "num_pointwise": 0}, 7_946),
        ({"c1": 28, "c2": 52, "num_pointwise": 0}, 18_574),
        ({"c1": 16, "c2": 32, "num_pointwise": 2, "last_width": 10}, 10_822),
    ],
)
def test_networks_with_and_without_pointwise_convolutions(chapter, arguments, expected):
    net = chapter["three_blocks"](**arguments)
    assert num_params(net) == expected
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    kernels = {layer.kernel_size for layer in net.modules() if isinstance(layer, nn.Conv2d)}
    assert ((1, 1) in kernels) is bool(arguments["num_pointwise"])


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_both_heads_have_the_same_dropout_in_the_same_place(chapter, p):
    for head in ("small_average", "small_dense"):
        net = chapter[head](dropout=p)
        assert [i for i, stage in enumerate(net) if isinstance(stage, nn.Dropout)] == [4] and net[4].p == p
        assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
