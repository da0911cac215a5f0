"""The GoogLeNet chapter: the helpers of its experiments."""

import torch
from torch import nn


def test_a_silenced_branch_puts_out_zeros_and_leaves_the_network_alone(chapter):
    net = chapter.two_blocks(chapter.Inception, 4, lambda row: row[0] + row[1][1] + row[2][1] + row[3]).eval()
    X = torch.rand(2, 1, 32, 32)
    before = net(X)
    for branch, channels, zeros in ((2, None, slice(48, 56)), (1, 3, slice(16, 19))):  # block 2: 16, 32, 8, 8
        cut = chapter.without_branch(net, 1, branch, channels)
        (first, second), (whole_first, whole) = (
            [module for module in some.modules() if isinstance(module, chapter.Inception)] for some in (cut, net)
        )
        H = torch.rand(2, 16, 8, 8)
        assert torch.equal(first(H), whole_first(H))
        H = torch.rand(2, 32, 8, 8)
        expected = whole(H)
        assert expected[:, zeros].any()
        expected[:, zeros] = 0
        assert torch.equal(second(H), expected)
        assert torch.equal(net(X), before) and not torch.equal(cut(X), before)


def test_steps_until_counts_steps_and_stops(chapter):
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    y = torch.tensor([0, 1] * 8)
    batch = (y[:, None].float() * 2 - 1) * torch.ones(16, 16), y
    assert chapter.steps_until(net, [batch], 100.0, 50) == 10  # ten batches are needed in any case
    assert chapter.steps_until(net, [batch], 0.0, 7) == 7
