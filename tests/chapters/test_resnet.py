"""The ResNet chapter: shortcuts, silenced branches, gradients."""

import pytest
import torch
from chapter import state_of
from torch import nn
from torch.nn import functional as F


@pytest.mark.parametrize(
    ("channels", "stride", "projects"), [((8, 8), 1, False), ((8, 16), 1, True), ((8, 8), 2, True), ((8, 16), 2, True)]
)
def test_the_shortcut_has_a_convolution_only_where_shapes_change(chapter, channels, stride, projects):
    block = chapter.Residual(*channels, stride=stride)
    assert isinstance(block.shortcut, nn.Identity) != projects
    assert block(torch.rand(2, channels[0], 9, 9)).shape == (2, channels[1], -(-9 // stride), -(-9 // stride))


def test_silencing_a_branch_leaves_the_network_alone_and_is_seen_in_the_sizes(chapter):
    net, X = chapter.resnet18().eval(), torch.rand(2, 1, 32, 32)
    before = state_of(net)
    cut = chapter.without_branch(net, 2, 1)
    with torch.no_grad():
        hidden = cut[2][0](net[1](net[0](X)))
        assert torch.equal(cut[2][1](hidden), F.relu(hidden))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    shortcuts, branches = zip(*chapter.branch_and_shortcut(cut, X))
    assert [i for i, size in enumerate(branches) if size == 0] == [3] and min(shortcuts) > 0 and len(shortcuts) == 8


def test_pre_activation_output_is_the_input_and_all_residuals(chapter):
    X = X0 = torch.randn(4, 8, 6, 6)
    residuals = torch.zeros_like(X)
    for block in [chapter.PreActResidual(8) for _ in range(5)]:
        residuals += block.branch(X)
        X = block(X)
    torch.testing.assert_close(X, X0 + residuals, rtol=1e-4, atol=1e-5)


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
