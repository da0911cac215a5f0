"""The ResNet chapter: shortcuts, silenced branches, gradients, the paper's option A."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.package.conftest import left_as_found


@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (16, 1), (8, 2), (16, 2)])
def test_the_shortcut_has_a_convolution_only_where_shapes_change(chapter, channels, stride):
    block, X = chapter.Residual(8, channels, stride), torch.rand(2, 8, 9, 9)
    assert isinstance(block.shortcut, nn.Identity) == ((channels, stride) == (8, 1))
    assert block(X).shape == (2, channels, *X[:, :, ::stride, ::stride].shape[2:])


def test_silencing_a_branch_leaves_the_network_alone_and_is_seen_in_the_sizes(chapter):
    net, X = chapter.resnet18().eval(), torch.rand(2, 1, 32, 32)
    with torch.no_grad(), left_as_found(net):
        cut = chapter.without_branch(net, 2, 1)
        hidden = cut[2][0](net[1](net[0](X)))
        assert torch.equal(cut[2][1](hidden), F.relu(hidden))
    shortcuts, branches = zip(*chapter.branch_and_shortcut(cut, X))
    assert [i for i, size in enumerate(branches) if size == 0] == [3] and min(shortcuts) > 0 and len(shortcuts) == 8


def test_plain_gradients_explode_with_depth_and_residual_ones_do_not(chapter):
    X, y = torch.rand(32, 1, 28, 28), torch.arange(32) % 10
    nets = [chapter.small_resnet(56, block) for block in (chapter.Residual, chapter.PlainBlock)]
    residual, plain = (values[0] / values[-1] for values in (chapter.gradient_by_layer(net, X, y) for net in nets))
    assert plain > 1000 and plain > 10 * residual


def test_a_depth_that_the_paper_has_no_network_for_is_refused(chapter):
    with pytest.raises(ValueError, match="depth=34 is not 6n"):
        chapter.small_resnet(34)


def test_option_a_takes_every_second_pixel_and_adds_empty_channels(chapter):
    X = torch.rand(2, 3, 5, 5)
    Y = chapter.PadShortcut(2, stride=2)(X)
    assert torch.equal(Y[:, :3], X[:, :, ::2, ::2]) and Y.shape == (2, 5, 3, 3) and not Y[:, 3:].any()
