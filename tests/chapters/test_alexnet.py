"""The AlexNet chapter: what it claims of ReLU and of sigmoids, where no cell asserts it."""

import torch
from torch import nn
from torch.nn import functional as F


def test_exercise_7_without_the_factor_the_argmax_hardly_changes(chapter):
    """ReLU passes a common factor on: with zero biases, halved inputs halve the logits."""
    head = chapter.dense_head(12, 10, hidden=16, dropout=0.0).apply(chapter.init_gain(1))
    X = torch.randn(5, 12)
    torch.testing.assert_close(head(2 * X), 2 * head(X))


def test_larger_weights_make_up_for_the_sigmoids_slope(chapter):
    """The chapter's claim: the bound of 4^-n is on the slopes, and a gain of 4 brings the gradient back."""
    shares = {}
    for gain in (1, 4):
        net = chapter.small_alexnet().eval().apply(chapter.init_gain(gain))
        chapter.replace_relu(net, nn.Sigmoid)
        F.cross_entropy(net(torch.rand(8, 1, 65, 65)), torch.arange(8)).backward()
        first, *_, last = (p.grad.norm() / p.norm() for p in net.parameters() if p.dim() > 1)
        shares[gain] = first / last
    assert shares[1] < 1e-3 and shares[4] > 100 * shares[1]
