"""The GoogLeNet chapter: torchvision's layout, and the helpers of its experiments."""

import torch
from torch import nn

from d2ltorch import torchvision


def test_same_answers_as_torchvision_with_the_same_weights(chapter):
    """With weights that keep an image's signal: under the chapter's own random ones the logits hardly depend on it."""
    ours = chapter.googlenet_torchvision().eval()
    theirs = torchvision.models.googlenet(aux_logits=False, init_weights=False).eval()
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


def test_a_silenced_branch_puts_out_zeros_and_leaves_the_network_alone(chapter):
    net = chapter.two_blocks(chapter.Inception, 4, lambda row: row[0] + row[1][1] + row[2][1] + row[3]).eval()
    X = torch.rand(2, 1, 32, 32)
    before = net(X)
    cut = chapter.without_branch(net, 1, 2)
    blocks = [module for module in cut.modules() if isinstance(module, chapter.Inception)]
    first, second = (block(torch.rand(2, block.branch1[0].in_channels, 8, 8)) for block in blocks)
    assert not second[:, 48:56].any() and second[:, :48].any() and first[:, 24:28].any()
    assert torch.equal(net(X), before) and not torch.equal(cut(X), before)


def test_steps_until_counts_steps_and_stops(chapter):
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    y = torch.tensor([0, 1] * 8)
    batch = (y[:, None].float() * 2 - 1) * torch.ones(16, 16), y
    assert chapter.steps_until(net, [batch], 100.0, 50) == 10  # ten batches are needed in any case
    assert chapter.steps_until(net, [batch], 0.0, 7) == 7
