"""The GoogLeNet chapter: the branches of its blocks, and its helpers."""

import pytest
import torch
from chapter import made
from torch import nn


def test_concatenation_keeps_the_branches_apart_and_in_order(chapter):
    block, X = chapter.Inception(3, 2, (2, 4), (1, 3), 5), torch.randn(2, 3, 8, 8)
    branches = [branch(X) for branch in block.children()]
    assert [branch.shape[1] for branch in branches] == [2, 4, 3, 5]
    torch.testing.assert_close(block(X), torch.cat(branches, dim=1))


def test_a_silenced_branch_puts_out_zeros_and_leaves_the_network_alone(chapter):
    net = chapter.two_blocks(chapter.Inception, 4, lambda row: row[0] + row[1][1] + row[2][1] + row[3]).eval()
    X = torch.rand(2, 1, 32, 32)
    before = net(X)
    cut = chapter.without_branch(net, 1, 2)
    blocks = [module for module in cut.modules() if isinstance(module, chapter.Inception)]
    first, second = (block(torch.rand(2, block.branch1[0].in_channels, 8, 8)) for block in blocks)
    assert not second[:, 48:56].any() and second[:, :48].any() and first[:, 24:28].any()
    assert torch.equal(net(X), before) and not torch.equal(cut(X), before)


def test_some_channels_of_a_branch_are_silenced_alone(chapter):
    net = chapter.two_blocks(chapter.Inception, 4, lambda row: row[0] + row[1][1] + row[2][1] + row[3]).eval()
    cut = chapter.without_branch(net, 1, 1, channels=3)
    found, whole = (
        [module for module in some.modules() if isinstance(module, chapter.Inception)][1] for some in (cut, net)
    )
    X = torch.rand(2, whole.branch1[0].in_channels, 8, 8)
    expected = whole(X)  # 16 channels of 1×1, then 32 of 3×3
    expected[:, 16:19] = 0
    assert torch.equal(found(X), expected) and not torch.equal(found(X), whole(X))


@pytest.mark.parametrize(
    ("name", "window"), [("Inception", 5), ("FactorisedInception", 5), ("AsymmetricInception", 13)]
)
def test_windows_of_the_factorised_branches(name, window):
    branch = made("googlenet", lambda c: getattr(c, name)(192, 64, (96, 128), (16, 32), 32)).branch3
    kernels = [module.kernel_size for module in branch.modules() if isinstance(module, nn.Conv2d)]
    assert [1 + sum(kernel[axis] - 1 for kernel in kernels) for axis in (0, 1)] == [window, window]


def test_steps_until_counts_steps_and_stops(chapter):
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    y = torch.tensor([0, 1] * 8)
    batch = (y[:, None].float() * 2 - 1) * torch.ones(16, 16), y
    assert chapter.steps_until(net, [batch], 100.0, 50) == 10  # ten batches are needed in any case
    assert chapter.steps_until(net, [batch], 0.0, 7) == 7
