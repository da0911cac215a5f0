"""The batch normalisation chapter's layer, where no cell compares it with PyTorch's: settings, float16, modes."""

import pytest
import torch
from torch import nn


def test_momentum_and_eps_are_pytorchs(chapter):
    settings = {"momentum": 0.7, "eps": 0.1}
    ours, theirs = chapter.BatchNorm(5, num_dims=2, **settings), nn.BatchNorm1d(5, **settings)
    for _ in range(3):
        X = 3 + 2 * torch.randn(16, 5)
        torch.testing.assert_close(ours(X), theirs(X))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_statistics_survive_mixed_precision(chapter, dtype):
    """A T4 computes in float16, whose largest number is 65,504: n times a variance is soon beyond it."""
    ours, theirs = chapter.BatchNorm(2, num_dims=4), nn.BatchNorm2d(2)
    X = (3 * torch.randn(64, 2, 40, 40) + 1).to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        torch.testing.assert_close(ours(X).float(), theirs(X.float()), rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("num_dims", "shape"), [(2, (6, 3)), (4, (3, 3, 2, 2))])
def test_double_precision_stays_double(chapter, num_dims, shape):
    """Whoever checks a gradient by differences needs it: float32 has too few digits for them."""
    norm = chapter.BatchNorm(3, num_dims).double()
    assert torch.autograd.gradcheck(norm, (torch.randn(shape, dtype=torch.float64, requires_grad=True),))


def test_mode_is_the_modules_own_and_not_whether_gradients_are_on(chapter):
    norm, X = chapter.BatchNorm(3, num_dims=2), 5 + torch.randn(8, 3)
    with torch.no_grad():
        assert norm(X).mean().abs() < 1e-4  # train mode: the batch's own statistics
    before = norm.running_mean.clone()
    norm.eval()(X.requires_grad_())
    assert torch.equal(norm.running_mean, before)


def test_one_value_a_channel_is_refused_in_training_only(chapter):
    norm = chapter.BatchNorm(3, num_dims=2)
    with pytest.raises(ValueError, match="two values a channel"):
        norm(torch.zeros(1, 3))
    assert not norm.running_mean.any() and norm.num_batches_tracked == 0
    assert norm.eval()(torch.zeros(1, 3)).shape == (1, 3)
