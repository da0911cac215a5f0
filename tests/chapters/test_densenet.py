"""The DenseNet chapter: feature reuse, sources taken away, and the numbers of the closing comparison."""

import re

import pytest
import torch
from chapter import NAMES, cells, parameters
from torch import nn

from tests.package.conftest import left_as_found


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


def test_one_reader_gets_one_source_from_the_image_before_and_all_else_stays(chapter):
    head = nn.Sequential(nn.BatchNorm2d(12), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5))
    X = torch.rand(3, 6, 5, 5)
    for follows in (chapter.transition_block(12, 4), head):
        net = nn.Sequential(nn.Conv2d(1, 6, 3), chapter.DenseBlock(3, 6, 2), follows).eval()
        whole = net[1](X)
        mixed = whole[:, :8].clone()
        mixed[:, 6:] = whole[[2, 0, 1], 6:8]
        with left_as_found(net):
            cut = chapter.without_source(net, 1, 2, 1)[0](X)  # layer 2 gets layer 1
        assert torch.equal(cut[:, :8], whole[:, :8])
        torch.testing.assert_close(cut[:, 8:10], net[1].layers[1](mixed))
        for source, part in enumerate((slice(0, 6), slice(6, 8), slice(8, 10), slice(10, 12))):
            mixed = whole.clone()
            mixed[:, part] = whole[[2, 0, 1], part]
            with left_as_found(net):
                torch.testing.assert_close(chapter.without_source(net, 1, 4, source)(X), follows(mixed))
        assert torch.equal(net[1](X), whole)


def test_added_features_are_added(chapter):
    block = chapter.AddBlock(3, 6)
    X = torch.rand(2, 6, 5, 5)
    for layer in block.layers:
        nn.init.zeros_(layer[2].weight)
    assert torch.equal(block(X), X)


def test_the_closing_comparison_quotes_the_chapters():
    (source,) = (cell["source"] for cell in cells("densenet") if '"LeNet, batch norm": ' in cell["source"])
    sizes = [int(number) for number in re.findall(r'": ([\d_]+),', source)]
    assert len(sizes) >= 8
    assert sizes == [128_806_154 if name == "vgg" else parameters(name) for name in NAMES[: len(sizes)]]
