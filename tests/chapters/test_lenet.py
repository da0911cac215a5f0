"""The LeNet chapter: its training loop, what it says of sigmoids, and the layers of 1998 against their paper."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F


def test_loop_by_hand_takes_the_steps_of_gradient_descent(chapter):
    batches = [(torch.rand(8, 1, 28, 28), torch.randint(10, (8,))) for _ in range(3)]
    first, second = chapter.lenet(activation=nn.Tanh), chapter.lenet(activation=nn.Tanh)
    second.load_state_dict(first.state_dict())
    assert len(chapter.train_by_hand(first, batches, num_epochs=2, lr=0.1)) == 6
    for X, y in batches * 2:
        gradients = torch.autograd.grad(F.cross_entropy(second(X), y), list(second.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(second.parameters(), gradients):
                parameter -= 0.1 * gradient
    torch.testing.assert_close(first.state_dict(), second.state_dict())


def test_signal_and_gradient_shrink_through_sigmoids_only(chapter):
    X, y = torch.rand(64, 1, 28, 28) * torch.rand(64, 1, 1, 1), torch.arange(64) % 10
    signals, gradients = {}, {}
    for name, (activation, gain) in chapter.contestants.items():
        net = chapter.lenet(activation=activation).apply(chapter.xavier_times(gain))
        signal, passed_back, _ = chapter.signal_and_gradient(net, X, y)
        signals[name], gradients[name] = signal[-1] / signal[0], passed_back[-1] / passed_back[0]
    assert signals.pop("sigmoid") < 0.02 < min(signals.values())
    assert 128 < gradients["sigmoid"] / gradients["tanh"] < 512  # four slopes of a quarter: 256


def test_what_is_passed_back_does_not_depend_on_the_batch_size(chapter):
    net, X, y = chapter.lenet(activation=nn.Tanh), torch.rand(8, 1, 28, 28), torch.arange(8)
    once = chapter.signal_and_gradient(net, X, y)[1]
    twice = chapter.signal_and_gradient(net, X.repeat(2, 1, 1, 1), y.repeat(2))[1]
    assert once == pytest.approx(twice, rel=1e-4)


def test_connection_table_is_table_one_and_missing_connections_carry_nothing(chapter):
    table, rows = chapter.c3_table(), ["X...XXX..XXXX.XX", "XX...XXX..XXXX.X", "XXX...XXX..X.XXX"]
    rows += [".XXX..XXXX..X.XX", "..XXX..XXXX.XX.X", "...XXX..XXXX.XXX"]
    assert ["".join("X" if cell else "." for cell in row) for row in table.T] == rows
    conv, X = chapter.TableConv2d(table), torch.rand(1, 6, 14, 14, requires_grad=True)
    for out_map in range(16):
        (gradient,) = torch.autograd.grad(conv(X)[0, out_map].sum(), X)
        assert torch.equal(gradient[0].flatten(1).any(dim=1), table[out_map])


def test_layers_of_the_paper(chapter):
    """Appendix A: f(±1) = ±1; II.B: a pooling that is the average at the start, distances to codes of ±1."""
    assert chapter.ScaledTanh()(torch.tensor([-1.0, 1.0])).tolist() == pytest.approx([-1, 1], abs=1e-4)
    X = torch.rand(2, 6, 8, 8)
    torch.testing.assert_close(chapter.TrainablePool(6)(X), F.avg_pool2d(X, 2))
    rbf, H = chapter.RBF(84, 10), torch.randn(3, 84)
    assert set(rbf.codes.flatten().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(rbf(H), -torch.cdist(H, rbf.codes).square(), rtol=1e-4, atol=1e-3)
