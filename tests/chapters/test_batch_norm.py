"""The batch normalisation chapter: its layer against PyTorch's, the networks, learning, and the exercises' claims."""

import pytest
import torch
from chapter import definitions, fit, num_params
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

BATCH_NORM = definitions("batch_norm")
BatchNorm = BATCH_NORM["BatchNorm"]
CASES = [(2, nn.BatchNorm1d, (16, 5)), (4, nn.BatchNorm2d, (4, 5, 6, 7))]


def pair(num_dims, theirs, **kwargs):
    """The chapter's layer and PyTorch's, with the same random scale and shift."""
    ours, theirs = BatchNorm(5, num_dims, **kwargs), theirs(5, **kwargs)
    nn.init.uniform_(ours.weight, 0.5, 1.5)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def outputs_and_gradients(norm, X, weights):
    X = X.clone().requires_grad_()
    norm.zero_grad()
    Z = norm(X)
    (Z * weights).sum().backward()
    return Z.detach(), X.grad, norm.weight.grad, norm.bias.grad


@pytest.mark.parametrize(("num_dims", "theirs", "shape"), CASES)
@pytest.mark.parametrize("momentum", [0.1, 0.7])
def test_equals_pytorch_in_outputs_gradients_and_statistics(num_dims, theirs, shape, momentum):
    torch.manual_seed(0)
    ours, theirs = pair(num_dims, theirs, momentum=momentum, eps=1e-3)
    for step in range(8):
        if step == 5:
            ours.eval(), theirs.eval()
        X, weights = 3 + 2 * torch.randn(shape), torch.randn(shape)
        for a, b in zip(outputs_and_gradients(ours, X, weights), outputs_and_gradients(theirs, X, weights)):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
        for (name, a), (other, b) in zip(ours.named_buffers(), theirs.named_buffers()):
            assert name == other
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    assert ours.num_batches_tracked == 5


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(2, 9), channels=st.integers(1, 6), size=st.integers(1, 5),
    shift=st.floats(-10, 10), scale=st.floats(0.1, 10), seed=st.integers(0, 999),
)  # fmt: skip
def test_equals_pytorch_at_any_shape_and_scale(batch, channels, size, shift, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    X = shift + scale * torch.randn(batch, channels, size, size, generator=generator)
    ours, theirs = BatchNorm(channels, num_dims=4), nn.BatchNorm2d(channels)
    torch.testing.assert_close(ours(X), theirs(X), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_statistics_survive_mixed_precision(dtype):
    """A T4 computes in float16, whose largest number is 65,504: n times a variance is soon beyond it."""
    ours, theirs = BatchNorm(2, num_dims=4), nn.BatchNorm2d(2)
    X = (3 * torch.randn(64, 2, 40, 40, generator=torch.Generator().manual_seed(0)) + 1).to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        found, expected = ours(X).float(), theirs(X.float())
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("num_dims", "theirs", "shape"), CASES)
def test_state_dict_goes_both_ways(num_dims, theirs, shape):
    torch.manual_seed(0)
    ours, theirs = pair(num_dims, theirs)
    ours(torch.randn(shape))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    back = BatchNorm(5, num_dims)
    back.load_state_dict(theirs.state_dict())
    for a, b in zip(ours.state_dict().values(), back.state_dict().values()):
        assert torch.equal(a, b) and a.dtype == b.dtype


def test_statistics_are_buffers_and_move_with_the_module():
    norm = BatchNorm(3, num_dims=2)
    assert [name for name, _ in norm.named_buffers()] == ["running_mean", "running_var", "num_batches_tracked"]
    assert [name for name, _ in norm.named_parameters()] == ["weight", "bias"]
    assert norm.to("meta").running_mean.device.type == "meta"


def test_mode_is_the_modules_own_and_not_whether_gradients_are_on():
    torch.manual_seed(0)
    norm, X = BatchNorm(3, num_dims=2), 5 + torch.randn(8, 3)
    with torch.no_grad():
        assert norm(X).mean().abs() < 1e-4  # train mode: the batch's own statistics
    before = norm.running_mean.clone()
    norm.eval()
    norm(X.requires_grad_()).sum().backward()
    assert X.grad is not None and torch.equal(norm.running_mean, before)
    assert norm.num_batches_tracked == 1


def test_one_value_a_channel_is_refused_in_training_only():
    norm = BatchNorm(3, num_dims=2)
    with pytest.raises(ValueError, match="two values a channel"):
        norm(torch.zeros(1, 3))
    assert torch.equal(norm.running_mean, torch.zeros(3)) and norm.num_batches_tracked == 0
    assert norm.eval()(torch.zeros(1, 3)).shape == (1, 3)


@pytest.mark.parametrize("builder", ["lenet_bn", "lenet_bn_torch"])
def test_lenet_with_batch_norm(builder):
    assert num_params(BATCH_NORM[builder]()) == 62_158
    assert BATCH_NORM[builder](in_channels=3, num_classes=7)(torch.zeros(2, 3, 28, 28)).shape == (2, 7)


def test_both_networks_agree_in_both_modes():
    torch.manual_seed(0)
    ours, theirs = BATCH_NORM["lenet_bn"](), BATCH_NORM["lenet_bn_torch"]()
    theirs.load_state_dict(ours.state_dict())
    for _ in range(3):
        X = torch.rand(16, 1, 28, 28)
        torch.testing.assert_close(ours(X), theirs(X), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.eval()(X), theirs.eval()(X), rtol=1e-5, atol=1e-5)


def test_group_norm_takes_every_batch_norms_place():
    net = BATCH_NORM["with_group_norm"](BATCH_NORM["lenet_bn_torch"](activation=nn.ReLU))
    assert sum(isinstance(m, nn.GroupNorm) for m in net) == 4 and num_params(net) == 62_158
    assert not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in net.modules())
    torch.manual_seed(0)
    X = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(net(X)[:1], net(X[:1]), rtol=1e-4, atol=1e-5)  # no neighbour has a say


@pytest.mark.parametrize("shape", [(16, 5), (4, 5, 6, 7)])
def test_backward_pass_by_hand_is_autograds(shape):
    torch.manual_seed(0)
    norm, grad_Z = BatchNorm(5, len(shape), eps=1e-3), torch.randn(shape)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    X = (3 + 2 * torch.randn(shape)).requires_grad_()
    norm(X).backward(grad_Z)
    found = BATCH_NORM["batch_norm_backward"](grad_Z, X.detach(), norm.weight.detach(), eps=1e-3)
    for ours, autograds in zip(found, (X.grad, norm.weight.grad, norm.bias.grad), strict=True):
        torch.testing.assert_close(ours, autograds, rtol=1e-4, atol=1e-5)


def test_without_norm_keeps_everything_else():
    for builder in ("lenet_bn", "lenet_bn_torch"):
        net = BATCH_NORM["without_norm"](BATCH_NORM[builder]())
        assert num_params(net) == 61_706 and net(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


def test_overfits_one_batch():
    torch.manual_seed(0)
    net, X, y = BATCH_NORM["lenet_bn"](), torch.rand(20, 1, 28, 28), torch.arange(20) % 10
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    loss = fit(net, X, y, optimizer, steps=150)
    assert loss < 0.1 and (net(X).argmax(1) == y).all()


def test_exercise_claims():
    norm = BatchNorm(1, num_dims=2)
    for mean, var in ((0.3, 0.9 + 1.4 / 3), (0.57, 0.9 * (0.9 + 1.4 / 3) + 1.4 / 3)):
        norm(torch.tensor([[1.0], [2.0], [3.0], [6.0]]))
        assert norm.running_mean.item() == pytest.approx(mean) and norm.running_var.item() == pytest.approx(var)
    torch.manual_seed(0)
    for scale in (1, 100):  # a dense batch of two keeps only which value is larger
        assert (BatchNorm(4, num_dims=2)(scale * torch.randn(2, 4)).abs() - 1).abs().max() < 1e-2
    net, X = BATCH_NORM["lenet_bn"](), torch.rand(32, 1, 28, 28)
    biases = [m.bias for m in list(net)[:-1] if isinstance(m, nn.Conv2d | nn.Linear)]
    assert sum(b.numel() for b in biases) == 226
    F.cross_entropy(net(X), torch.arange(32) % 10).backward()
    assert max(b.grad.abs().max() for b in biases) < 1e-5
