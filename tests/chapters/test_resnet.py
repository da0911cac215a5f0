"""The ResNet chapter: counts and shapes, torchvision's answers, nested functions, gradients, learning."""

import copy

import pytest
import torch
from chapter import (
    assert_random_weights_without_a_network,
    assert_same_logits,
    definitions,
    fit,
    num_params,
)
from torch import nn
from torch.nn import functional as F

RESNET = definitions("resnet")
Residual = RESNET["Residual"]


@pytest.mark.parametrize(
    ("name", "expected"), [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032)]
)
def test_imagenet_networks_are_torchvisions(name, expected):
    assert_same_logits(RESNET, name, expected)


def test_pretrained_switch_goes_on_with_random_weights_without_a_network(monkeypatch, capsys):
    assert_random_weights_without_a_network(RESNET, "resnet18", monkeypatch, capsys)


def test_copy_weights_refuses_another_network():
    with pytest.raises(AssertionError):
        RESNET["copy_weights"](RESNET["resnet18"](), RESNET["resnet34"]())


@pytest.mark.parametrize(
    ("channels", "stride", "projects"), [((8, 8), 1, False), ((8, 16), 1, True), ((8, 8), 2, True), ((8, 16), 2, True)]
)
def test_the_shortcut_has_a_convolution_only_where_shapes_change(channels, stride, projects):
    block = Residual(*channels, stride=stride)
    assert isinstance(block.shortcut, nn.Identity) != projects
    assert block(torch.rand(2, channels[0], 9, 9)).shape == (2, channels[1], -(-9 // stride), -(-9 // stride))


def test_no_convolution_before_batch_norm_has_a_bias():
    for name in ("resnet18", "resnet34", "resnet50"):
        assert all(m.bias is None for m in RESNET[name]().modules() if isinstance(m, nn.Conv2d))


def test_the_head_averages():
    head = RESNET["resnet18"]()[-1]
    X = torch.rand(2, 512, 3, 3)
    assert torch.allclose(head(X), head[-1](X.mean(dim=(2, 3))), atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_a_silent_block_is_the_identity_bit_for_bit(training):
    torch.manual_seed(0)
    block = Residual(16, 16).train(training)
    nn.init.zeros_(block.bn2.weight)
    X = F.relu(torch.randn(4, 16, 7, 7))
    assert torch.equal(block(X), X)


def test_silencing_a_branch_leaves_the_network_alone():
    net = RESNET["resnet18"]().eval()
    before = copy.deepcopy(net.state_dict())
    cut = RESNET["without_branch"](net, 2, 1)
    X = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        inside = net[1](net[0](X))
        block = cut[2][1]
        hidden = cut[2][0](inside)
        assert torch.equal(block(hidden), F.relu(hidden))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_branch_and_shortcut_sizes():
    net = RESNET["resnet18"]().eval()
    sizes = RESNET["branch_and_shortcut"](RESNET["without_branch"](net, 1, 0), torch.rand(2, 1, 32, 32))
    assert len(sizes) == 8 and sizes[0][1] == 0 and all(shortcut > 0 for shortcut, _ in sizes)


def test_pre_activation_output_is_the_input_and_all_residuals():
    torch.manual_seed(0)
    X = X0 = torch.randn(4, 8, 6, 6)
    residuals = torch.zeros_like(X)
    for block in [RESNET["PreActResidual"](8) for _ in range(5)]:
        residuals += block.branch(X)
        X = block(X)
    assert torch.allclose(X, X0 + residuals, atol=1e-5)


@pytest.mark.parametrize("block", ["Residual", "PlainBlock", "ResidualA"])
@pytest.mark.parametrize("depth", [20, 56])
def test_small_networks_have_the_depth_in_their_name(block, depth):
    net = RESNET["small_resnet"](depth, RESNET[block])
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(convs) + 1 == depth
    assert net(torch.rand(2, 1, 28, 28)).shape == (2, 10)


def test_plain_gradients_explode_with_depth_and_residual_ones_do_not():
    X, y = torch.rand(32, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 10
    spread = {}
    for block in ("Residual", "PlainBlock"):
        torch.manual_seed(0)
        values = RESNET["gradient_by_layer"](RESNET["small_resnet"](56, RESNET[block]), X, y)
        spread[block] = values[0] / values[-1]
    assert spread["PlainBlock"] > 1000 and spread["PlainBlock"] > 10 * spread["Residual"]


def test_gradient_by_layer_leaves_the_network_as_it_was():
    net = RESNET["small_resnet"](20).eval()
    before = copy.deepcopy(net.state_dict())
    RESNET["gradient_by_layer"](net, torch.rand(4, 1, 28, 28), torch.arange(4))
    assert not net.training and all(p.grad is None for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_resnext50_is_torchvisions():
    theirs, _ = RESNET["torchvision_reference"]("resnext50_32x4d", pretrained=False)
    ours = RESNET["resnet50"](in_channels=3, num_classes=1000, block=RESNET["ResNeXtBlock"]).eval()
    assert num_params(ours) == 25_028_904
    RESNET["copy_weights"](theirs, ours)
    X = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert (ours(X) - theirs(X)).abs().max() <= 1e-5


def test_hes_start_keeps_a_vectors_length_through_relus():
    torch.manual_seed(0)
    net = nn.Sequential(*[m for _ in range(10) for m in (nn.Linear(256, 256), nn.ReLU())]).apply(RESNET["init_he"])
    X = torch.randn(512, 256)
    with torch.no_grad():
        ratio = net(X).square().mean() / F.relu(X).square().mean()
    assert 0.5 < ratio < 2


def test_option_a_sizes_of_the_paper():
    for depth, expected in ((20, 269_722), (56, 853_018)):
        net = RESNET["small_resnet"](depth, RESNET["ResidualA"], num_channels=16, in_channels=3)
        assert num_params(net) == expected


def test_learns_one_batch_by_heart():
    torch.manual_seed(0)
    net = RESNET["resnet18"]()
    X, y = torch.rand(10, 1, 48, 48), torch.arange(10)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    fit(net, X, y, optimizer, steps=40, until=0.05)
    assert (net(X).argmax(dim=1) == y).all()
