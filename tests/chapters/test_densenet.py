"""The DenseNet chapter: feature reuse, sources taken away, and the numbers of the closing comparison."""

import re

import pytest
import torch
from chapter import NAMES, cells, parameters, state_of
from torch import nn


def test_feature_reuse_finds_the_source_that_is_read(chapter):
    block = chapter.DenseBlock(3, 6, 2)
    with torch.no_grad():
        for layer in block.layers:
            layer[2].weight.fill_(0.1)
        block.layers[2][2].weight[:, 6:8] = 0.5  # layer 3 listens to layer 1 above all
    table = chapter.feature_reuse(block, nn.Conv2d(block.out_channels, 4, 1))
    assert table.shape == (4, 4) and table[2, 1] / table[2, 0] == pytest.approx(5)
    assert table[2, 3].isnan() and table[3].isfinite().all()
    torch.testing.assert_close(table.nanmean(dim=1), torch.ones(4))  # an equal share is 1


def test_a_source_taken_away_is_no_longer_read_by_that_reader_alone(chapter):
    net = nn.Sequential(nn.Conv2d(1, 6, 3), chapter.DenseBlock(3, 6, 2), chapter.transition_block(12, 4)).eval()
    before = state_of(net)
    tail = chapter.without_source(net, 1, 2, 1)  # layer 2 no longer reads layer 1
    X, other = torch.rand(1, 6, 5, 5), torch.rand(1, 8, 5, 5)
    changed = other.clone()
    changed[:, 6:8] += 1
    assert torch.equal(tail[0].layers[1](other), tail[0].layers[1](changed))
    assert torch.equal(tail[0](X)[:, :8], net[1](X)[:, :8]) and not torch.equal(tail[0](X), net[1](X))
    follows = chapter.without_source(net, 1, 4, 0)[1][2].weight
    assert not follows[:, :6].any() and torch.equal(follows[:, 6:], net[2][2].weight[:, 6:])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_added_features_are_added(chapter):
    block = chapter.AddBlock(3, 6)
    X = torch.rand(2, 6, 5, 5)
    for layer in block.layers:
        nn.init.zeros_(layer[2].weight)
    assert torch.equal(block(X), X)


def test_the_closing_comparison_quotes_the_chapters():
    (source,) = (cell["source"] for cell in cells("densenet") if '"LeNet, batch norm": ' in cell["source"])
    sizes = [int(number) for number in re.findall(r'": ([\d_]+),', source)]
    assert sizes == [128_806_154 if name == "vgg" else parameters(name) for name in NAMES]
