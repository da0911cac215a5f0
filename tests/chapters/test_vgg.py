"""The VGG chapter: its counts and shapes, torchvision's answers, learning, and what shared layers do."""

import copy

import pytest
import torch
from chapter import definitions, fit, num_params
from torch import nn

import d2ltorch as d2lt
from d2ltorch import torchvision

VGG = definitions("vgg")


def on_meta(*args, **kwargs) -> nn.Module:
    """A network with shapes and no numbers: counting 143 million parameters takes no memory."""
    with torch.device("meta"):
        return VGG["vgg"](*args, **kwargs)


@pytest.mark.parametrize(
    ("arch", "expected"),
    [("conv_arch", 128_806_154), ("quarter_arch", 43_093_322)],
)
def test_fashion_mnist_networks_have_the_published_number_of_parameters(arch, expected):
    assert num_params(on_meta(VGG[arch])) == expected


def test_vgg11_parameters_by_layer():
    net = on_meta(VGG["conv_arch"])
    assert num_params(net[0][0]) == 640
    assert num_params(net[6]) == 102_764_544
    assert num_params(net[5:]) == 119_586_826


@pytest.mark.parametrize(
    ("name", "expected"),
    [("vgg11", 132_863_336), ("vgg13", 133_047_848), ("vgg16", 138_357_544), ("vgg19", 143_667_240)],
)
def test_imagenet_networks_have_the_published_number_of_parameters(name, expected):
    assert num_params(on_meta(VGG["vgg_configurations"][name], in_channels=3, num_classes=1000)) == expected


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19"])
def test_the_flat_list_builds_the_same_layers_as_the_pairs(name):
    arch = VGG["vgg_configurations"][name]
    entries = VGG["as_list"](arch)
    assert entries == torchvision_list(name)
    with torch.device("meta"):
        from_list = VGG["features_from_list"](entries)
    flat = [layer for block in on_meta(arch)[:5] for layer in block]
    assert [str(layer) for layer in flat] == [str(layer) for layer in from_list]


def torchvision_list(name: str) -> list[int | str]:
    """torchvision's own list for this network, from its module of builders."""
    letter = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}[name]
    return torchvision.models.vgg.cfgs[letter]


def test_a_network_from_a_list_learns_and_shares_nothing():
    torch.manual_seed(0)
    features = VGG["features_from_list"]([8, 12, "M", 16, "M"], in_channels=3)
    X = torch.rand(2, 3, 16, 16)
    assert features(X).shape == (2, 16, 4, 4)
    features(X).sum().backward()
    assert all(parameter.grad is not None for parameter in features.parameters())
    assert num_params(features) == 9 * (3 * 8 + 8 * 12 + 12 * 16) + 8 + 12 + 16


def test_he_start_keeps_the_signal_through_sixteen_layers():
    torch.manual_seed(0)
    thin = tuple((n, c // 8) for n, c in VGG["vgg_configurations"]["vgg16"])
    net = VGG["vgg"](thin, image_size=32, num_hidden=128).eval()
    X = torch.rand(16, 1, 32, 32)
    with torch.no_grad():
        before = net(X).std(dim=0).mean()
        net.apply(VGG["init_he"])
        after = net(X).std(dim=0).mean()
    assert after > 1e-2 > before


def test_a_verdict_needs_all_seeds(capsys):
    VGG["verdict"]("a beats b", torch.tensor([2.0, 3.0]), torch.tensor([1.0, 1.0]))
    VGG["verdict"]("a beats b", [2.0, 0.0], [1.0, 1.0])
    VGG["verdict"]("a beats b", [0.0, 1.0], [1.0, 1.0])
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "a beats b: 2 of 2 seeds, yes",
        "a beats b: 1 of 2 seeds, undecided",
        "a beats b: 0 of 2 seeds, no",
    ]


@pytest.mark.parametrize("image_size", [32, 64, 96, 224])
@pytest.mark.parametrize("num_classes", [10, 7])
def test_logits_at_every_image_size(image_size, num_classes):
    net = on_meta(VGG["eighth_arch"], in_channels=3, num_classes=num_classes, image_size=image_size, num_hidden=512)
    assert net(torch.empty(2, 3, image_size, image_size, device="meta")).shape == (2, num_classes)


def test_a_block_has_as_many_convolutions_as_asked_for_and_none_is_shared():
    block = VGG["vgg_block"](3, 4, 8)
    convs = [module for module in block if isinstance(module, nn.Conv2d)]
    assert [(conv.in_channels, conv.out_channels) for conv in convs] == [(4, 8), (8, 8), (8, 8)]
    assert len({id(conv) for conv in convs}) == 3
    assert block(torch.zeros(1, 4, 10, 10)).shape == (1, 8, 5, 5)


@pytest.mark.parametrize("name", ["vgg11", "vgg16", "vgg19"])
def test_torchvision_gives_the_same_logits_with_the_same_weights(name):
    torch.manual_seed(1)
    theirs = getattr(torchvision.models, name)(weights=None, init_weights=False).eval()
    for module in theirs.features:
        if isinstance(module, nn.Conv2d):  # a start that keeps the signal alive through 16 layers
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    ours = on_meta(VGG["vgg_configurations"][name], in_channels=3, num_classes=1000).to_empty(device="cpu").eval()
    VGG["copy_weights"](theirs, ours)
    X = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected, logits = theirs(X), ours(X)
    assert expected.std() > 1e-3
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


def test_copy_weights_refuses_another_network():
    small = VGG["vgg"](((1, 2),), image_size=4, num_hidden=3)
    with pytest.raises(ValueError, match="shapes differ"):
        VGG["copy_weights"](VGG["vgg"](((1, 3),), image_size=4, num_hidden=3), small)
    with pytest.raises(ValueError):
        VGG["copy_weights"](VGG["vgg"](((2, 2),), image_size=4, num_hidden=3), small)


def test_overfits_one_batch():
    torch.manual_seed(0)
    net = VGG["vgg"](((1, 8), (1, 16), (2, 32)), image_size=16, num_hidden=128)
    net.apply(d2lt.init_xavier)
    X = torch.rand(16, 1, 4, 4).repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    y = torch.arange(16) % 10
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    fit(net, X, y, optimizer, steps=200)
    net.eval()
    assert (net(X).argmax(dim=1) == y).all()


@pytest.mark.parametrize("between", [None, "conv"])
def test_a_layer_called_twice_counts_once_works_twice_and_adds_its_gradients(between):
    torch.manual_seed(0)
    middle = nn.Conv2d(4, 4, 3, padding=1) if between else None
    shared = VGG["Twice"](4, between=middle)
    one = nn.Conv2d(4, 4, 3, padding=1)
    calls = 3 if between else 2
    assert num_params(shared) == (calls - 1) * num_params(one)
    assert len(shared.state_dict()) == 2 * (calls - 1)
    work = d2lt.layer_summary(nn.Sequential(one), (1, 4, 6, 6)).total_mult_adds
    assert d2lt.layer_summary(shared, (1, 4, 6, 6)).total_mult_adds == calls * work

    first, second = copy.deepcopy(shared.conv), copy.deepcopy(shared.conv)
    X = torch.randn(2, 4, 6, 6)
    shared(X).square().sum().backward()
    second(middle(first(X)) if between else first(X)).square().sum().backward()
    torch.testing.assert_close(shared.conv.weight.grad, first.weight.grad + second.weight.grad)


def test_a_network_has_no_layer_twice():
    net = VGG["vgg"](VGG["eighth_arch"], image_size=32, num_hidden=16)
    modules = [module for _, module in net.named_modules(remove_duplicate=False)]
    assert len({id(module) for module in modules}) == len(modules)


@pytest.mark.parametrize(("large", "small"), [((5,), (3, 3)), ((7,), (3, 3, 3)), ((5, 5), (3, 3, 3, 3))])
def test_stacks_of_small_windows_see_as_far_with_fewer_parameters(large, small):
    seen = []
    for kernels in (large, small):
        net = VGG["window_net"](kernels)
        seen.append(sum(k - 1 for k in kernels))
        assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert seen[0] == seen[1]
    assert num_params(VGG["window_net"](small)) < num_params(VGG["window_net"](large))
