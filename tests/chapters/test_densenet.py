"""The DenseNet chapter: counts and shapes, torchvision's answers, memory, feature reuse, learning."""

import copy
import json
import re

import pytest
import torch
from chapter import (
    CHAPTERS,
    assert_random_weights_without_a_network,
    assert_same_logits,
    definitions,
    fit,
    num_params,
)
from torch import nn

from d2ltorch import torchvision

DENSENET = definitions("densenet")
DenseBlock = DENSENET["DenseBlock"]


def test_the_teaching_layout_has_the_stated_number_of_parameters():
    net = DENSENET["densenet"]()
    assert num_params(net) == 757_322
    biases = sum(m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d))
    assert num_params(net) + biases == 758_226
    assert all(m.bias is None for m in net.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(("name", "arch"), [("densenet169", (6, 12, 32, 32)), ("densenet201", (6, 12, 48, 32))])
def test_deeper_configurations_of_the_paper(name, arch):
    with torch.device("meta"):
        ours = DENSENET["densenet"](arch, 32, 3, 1000, DENSENET["bottleneck_block"])
        theirs = getattr(torchvision.models, name)(weights=None)
    assert num_params(ours) == num_params(theirs)


def test_densenet121_is_torchvisions():
    assert_same_logits(DENSENET, "densenet121", 7_978_856)


def test_pretrained_switch_goes_on_with_random_weights_without_a_network(monkeypatch, capsys):
    assert_random_weights_without_a_network(DENSENET, "densenet121", monkeypatch, capsys)


def test_two_layers_on_three_channels_with_growth_ten_give_23():
    block = DenseBlock(2, 3, 10)
    X = torch.rand(4, 3, 8, 8)
    Y = block(X)
    assert Y.shape == (4, 23, 8, 8) and block.out_channels == 23
    assert torch.equal(Y[:, :3], X)
    assert DENSENET["transition_block"](23, 10)(Y).shape == (4, 10, 4, 4)


def test_each_layer_reads_all_that_came_before():
    block = DenseBlock(3, 4, 2).eval()
    X = torch.rand(1, 4, 5, 5)
    Y = block(X)
    for i, layer in enumerate(block.layers):
        read = 4 + 2 * i
        assert torch.allclose(layer(Y[:, :read]), Y[:, read : read + 2], atol=1e-6)


def test_the_head_averages():
    norm, relu, *_, dense = head = DENSENET["densenet"]().eval()[-1]
    X = torch.randn(2, 248, 3, 3)
    assert torch.allclose(head(X), dense(relu(norm(X)).mean(dim=(2, 3))), atol=1e-5)


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_checkpointing_changes_neither_output_nor_gradients(use_reentrant, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(DENSENET["CheckpointedDenseBlock"], "use_reentrant", use_reentrant)
    plain, thrifty = DenseBlock(4, 6, 4), DENSENET["CheckpointedDenseBlock"](4, 6, 4)
    thrifty.load_state_dict(plain.state_dict())
    results = []
    for block in (plain, thrifty):
        X = torch.rand(3, 6, 7, 7, generator=torch.Generator().manual_seed(1)).requires_grad_()
        Y = block(X)
        Y.square().mean().backward()
        results.append([Y, X.grad, *(p.grad for p in block.parameters())])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*results))
    assert [b.layers[0][0].num_batches_tracked.item() for b in (plain, thrifty)] == [1, 2]


def test_feature_reuse_finds_the_source_that_is_read():
    block = DenseBlock(3, 6, 2)
    with torch.no_grad():
        for layer in block.layers:
            layer[2].weight.fill_(0.1)
        block.layers[2][2].weight[:, 6:8] = 0.5  # layer 3 listens to layer 1 above all
    reader = nn.Conv2d(block.out_channels, 4, 1)
    table = DENSENET["feature_reuse"](block, reader)
    assert table.shape == (4, 4)
    assert table[2, :3].argmax() == 1 and table[2, 3].isnan()
    assert table[2, 1] / table[2, 0] == pytest.approx(5)
    assert table[:, :1].isfinite().all() and table[3].isfinite().all()


def test_scaled_reuse_sees_a_silenced_source():
    block = DenseBlock(3, 8, 4)
    nn.init.zeros_(block.layers[1][0].weight[8:])
    before = copy.deepcopy(block.state_dict())
    assert DENSENET["scaled_reuse"](block)[1, 1] == 0
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())


def test_a_source_taken_away_is_no_longer_read_by_that_reader_alone():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 6, 3), DenseBlock(3, 6, 2), DENSENET["transition_block"](12, 4)).eval()
    before = copy.deepcopy(net.state_dict())
    tail = DENSENET["without_source"](net, 1, 2, 1)  # layer 2 no longer reads layer 1
    X, other = torch.rand(1, 6, 5, 5), torch.rand(1, 8, 5, 5)
    changed = other.clone()
    changed[:, 6:8] += 1
    assert torch.equal(tail[0].layers[1](other), tail[0].layers[1](changed))
    assert torch.equal(tail[0](X)[:, :8], net[1](X)[:, :8]) and not torch.equal(tail[0](X), net[1](X))
    follows = DENSENET["without_source"](net, 1, 4, 0)[1][2].weight
    assert not follows[:, :6].any() and torch.equal(follows[:, 6:], net[2][2].weight[:, 6:])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_plain_chain_has_densenets_depth():
    chain, net = DENSENET["plain_chain"](), DENSENET["densenet"]()
    depths = [sum(isinstance(m, nn.Conv2d) for m in some.modules()) for some in (chain, net)]
    assert depths == [20, 20]
    assert chain(torch.rand(2, 1, 96, 96)).shape == (2, 10)


def test_gradient_by_layer_leaves_the_network_as_it_was():
    net = DENSENET["small_densenet"](4).eval()
    before = copy.deepcopy(net.state_dict())
    values = DENSENET["gradient_by_layer"](net, torch.rand(4, 1, 28, 28), torch.arange(4))
    assert len(values) == 15 and not net.training
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_added_features_keep_the_number_of_channels():
    block = DENSENET["AddBlock"](3, 6)
    X = torch.rand(2, 6, 5, 5)
    assert block(X).shape == X.shape
    for layer in block.layers:
        nn.init.zeros_(layer[2].weight)
    assert torch.equal(block(X), X)


@pytest.mark.parametrize("builder", ["densenet", "small_densenet"])
def test_learns_one_batch_by_heart(builder):
    torch.manual_seed(0)
    net = DENSENET["densenet"]() if builder == "densenet" else DENSENET["small_densenet"](8)
    X, y = torch.rand(10, 1, 32, 32), torch.arange(10)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    fit(net, X, y, optimizer, steps=60, until=0.05)
    assert (net(X).argmax(dim=1) == y).all()


NETWORKS = {
    "LeNet": ("lenet", "lenet"),
    "AlexNet": ("alexnet", "alexnet"),
    "VGG-11": ("vgg", "vgg"),
    "NiN": ("nin", "nin"),
    "GoogLeNet": ("googlenet", "googlenet"),
    "LeNet, batch norm": ("batch_norm", "lenet_bn"),
    "ResNet-18": ("resnet", "resnet18"),
    "DenseNet": ("densenet", "densenet"),
}


@pytest.mark.parametrize("label", NETWORKS)
def test_the_closing_comparison_quotes_the_chapters(label):
    cells = json.loads((CHAPTERS / "densenet.ipynb").read_text(encoding="utf-8"))["cells"]
    source = next("".join(c["source"]) for c in cells if '"LeNet, batch norm": ' in "".join(c["source"]))
    quoted = int(re.search(rf'"{label}": ([\d_]+)', source)[1])
    chapter, builder = NETWORKS[label]
    namespace = definitions(chapter)
    with torch.device("meta"):
        net = namespace[builder](namespace["conv_arch"]) if builder == "vgg" else namespace[builder]()
    assert num_params(net) == quoted
