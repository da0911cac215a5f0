"""The batch normalisation chapter: its layer against PyTorch's, and its networks."""

import pytest
import torch
from torch import nn

CASES = [(2, nn.BatchNorm1d, (16, 5)), (4, nn.BatchNorm2d, (4, 5, 6, 7))]


def outputs_and_gradients(norm, X, weights):
    X = X.clone().requires_grad_()
    norm.zero_grad()
    Z = norm(X)
    (Z * weights).sum().backward()
    return Z.detach(), X.grad, norm.weight.grad, norm.bias.grad


@pytest.mark.parametrize(("num_dims", "theirs", "shape"), CASES)
@pytest.mark.parametrize("settings", [{}, {"momentum": 0.7, "eps": 0.1}])
def test_equals_pytorch_in_outputs_gradients_and_statistics(chapter, num_dims, theirs, shape, settings):
    ours, theirs = chapter.BatchNorm(5, num_dims, **settings), theirs(5, **settings)
    nn.init.uniform_(ours.weight, 0.5, 1.5)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    for step in range(8):
        if step == 5:
            ours.eval(), theirs.eval()
        X, weights = 3 + 2 * torch.randn(shape), torch.randn(shape)
        for a, b in zip(outputs_and_gradients(ours, X, weights), outputs_and_gradients(theirs, X, weights)):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(dict(ours.named_buffers()), dict(theirs.named_buffers()), rtol=1e-5, atol=1e-5)
    assert ours.num_batches_tracked == 5
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_statistics_survive_mixed_precision(chapter, dtype):
    """A T4 computes in float16, whose largest number is 65,504: n times a variance is soon beyond it."""
    ours, theirs = chapter.BatchNorm(2, num_dims=4), nn.BatchNorm2d(2)
    X = (3 * torch.randn(64, 2, 40, 40) + 1).to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        found, expected = ours(X).float(), theirs(X.float())
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("num_dims", "shape"), [(2, (6, 3)), (4, (3, 3, 2, 2))])
def test_double_precision_stays_double(chapter, num_dims, shape):
    """Whoever checks a gradient by differences needs it: float32 has too few digits for them."""
    norm = chapter.BatchNorm(3, num_dims).double()
    assert torch.autograd.gradcheck(norm, (torch.randn(shape, dtype=torch.float64, requires_grad=True),))


def test_statistics_move_with_the_module(chapter):
    norm = chapter.BatchNorm(3, num_dims=2)
    assert [name for name, _ in norm.named_parameters()] == ["weight", "bias"]
    assert norm.to("meta").running_mean.device.type == "meta"


def test_mode_is_the_modules_own_and_not_whether_gradients_are_on(chapter):
    norm, X = chapter.BatchNorm(3, num_dims=2), 5 + torch.randn(8, 3)
    with torch.no_grad():
        assert norm(X).mean().abs() < 1e-4  # train mode: the batch's own statistics
    before = norm.running_mean.clone()
    norm.eval()
    norm(X.requires_grad_()).sum().backward()
    assert X.grad is not None and torch.equal(norm.running_mean, before)
    assert norm.num_batches_tracked == 1


def test_one_value_a_channel_is_refused_in_training_only(chapter):
    norm = chapter.BatchNorm(3, num_dims=2)
    with pytest.raises(ValueError, match="two values a channel"):
        norm(torch.zeros(1, 3))
    assert not norm.running_mean.any() and norm.num_batches_tracked == 0
    assert norm.eval()(torch.zeros(1, 3)).shape == (1, 3)


def test_both_networks_agree_in_both_modes(chapter):
    ours, theirs = chapter.lenet_bn(), chapter.lenet_bn_torch()
    theirs.load_state_dict(ours.state_dict())
    for _ in range(3):
        X = torch.rand(16, 1, 28, 28)
        torch.testing.assert_close(ours(X), theirs(X), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.eval()(X), theirs.eval()(X), rtol=1e-5, atol=1e-5)


def test_with_group_norm_no_neighbour_has_a_say(chapter):
    net = chapter.with_group_norm(chapter.lenet_bn_torch(activation=nn.ReLU))
    X = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(net(X)[:1], net(X[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(16, 5), (4, 5, 6, 7)])
def test_backward_pass_by_hand_is_autograds(chapter, shape):
    norm, grad_Z = chapter.BatchNorm(5, len(shape), eps=1e-3), torch.randn(shape)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    X = (3 + 2 * torch.randn(shape)).requires_grad_()
    norm(X).backward(grad_Z)
    found = chapter.batch_norm_backward(grad_Z, X.detach(), norm.weight.detach(), eps=1e-3)
    for ours, autograds in zip(found, (X.grad, norm.weight.grad, norm.bias.grad), strict=True):
        torch.testing.assert_close(ours, autograds, rtol=1e-4, atol=1e-5)
