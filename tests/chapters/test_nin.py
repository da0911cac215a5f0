"""The NiN chapter: a ReLU on the logits, and what one class map sees."""

import pytest
import torch
from torch import nn


@pytest.mark.parametrize("last_relu", [True, False])
def test_a_dead_logit_has_no_gradient(chapter, last_relu):
    net = chapter.small_nin(last_relu=last_relu)
    final = [layer for layer in net[4] if isinstance(layer, nn.Conv2d)][-1]
    nn.init.constant_(final.bias, -100.0)
    net(torch.rand(4, 1, 28, 28)).sum().backward()
    assert bool(final.weight.grad.any()) is not last_relu


def test_receptive_field_of_a_class_map(chapter):
    """The chapter's 195 pixels: nothing farther away has a gradient."""
    net = chapter.nin()[:-2].eval().apply(chapter.init_kaiming)
    X = torch.rand(1, 1, 500, 500, requires_grad=True)
    maps = net(X)
    maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2].sum().backward()
    seen = X.grad[0, 0].abs().sum(dim=0).nonzero()
    assert 150 < int(seen.max() - seen.min()) < 195
