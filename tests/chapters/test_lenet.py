"""The LeNet chapter: what it writes by hand against PyTorch, and the network of 1998 against its paper."""

import pytest
import torch
from chapter import num_params
from torch import nn
from torch.nn import functional as F


def test_definitions_print_nothing(chapter, capsys):
    assert callable(chapter.lenet) and capsys.readouterr() == ("", "")


def test_forward_pass_by_hand(chapter):
    net, X = chapter.lenet(), torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(chapter.lenet_by_hand(X, list(net.parameters())), net(X), atol=1e-5, rtol=0)


def test_loop_by_hand_takes_the_steps_of_gradient_descent(chapter, capsys):
    batches = [(torch.rand(8, 1, 28, 28), torch.randint(10, (8,))) for _ in range(3)]
    first, second = chapter.lenet(activation=nn.Tanh), chapter.lenet(activation=nn.Tanh)
    second.load_state_dict(first.state_dict())
    losses = chapter.train_by_hand(first, batches, num_epochs=2, lr=0.1)
    assert len(losses) == 6 and len(capsys.readouterr().out.splitlines()) == 2
    for X, y in batches * 2:
        gradients = torch.autograd.grad(F.cross_entropy(second(X), y), list(second.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(second.parameters(), gradients):
                parameter -= 0.1 * gradient
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_signal_and_gradient_shrink_through_sigmoids_only(chapter):
    X, y = torch.rand(64, 1, 28, 28) * torch.rand(64, 1, 1, 1), torch.arange(64) % 10
    signals, gradients = {}, {}
    for name, (activation, gain) in chapter.contestants.items():
        net = chapter.lenet(activation=activation).apply(chapter.xavier_times(gain))
        signal, passed_back, gradient = chapter.signal_and_gradient(net, X, y)
        assert len(signal) == len(passed_back) == len(gradient) == 5
        signals[name], gradients[name] = signal[-1] / signal[0], passed_back[-1] / passed_back[0]
        assert not any(layer._forward_hooks for layer in net)
    assert signals.pop("sigmoid") < 0.02 < min(signals.values())
    assert 128 < gradients["sigmoid"] / gradients["tanh"] < 512  # four slopes of a quarter: 256


def test_what_is_passed_back_does_not_depend_on_the_batch_size(chapter):
    net, X, y = chapter.lenet(activation=nn.Tanh), torch.rand(8, 1, 28, 28), torch.arange(8)
    once = chapter.signal_and_gradient(net, X, y)[1]
    twice = chapter.signal_and_gradient(net, X.repeat(2, 1, 1, 1), y.repeat(2))[1]
    assert once == pytest.approx(twice, rel=1e-4)


def test_averaging_to_5_by_5_is_the_average_pooling_at_28_pixels(chapter):
    plain, averaged = chapter.lenet(activation=nn.ReLU), chapter.lenet_for(28, averaged=True)
    plain.load_state_dict(averaged.state_dict())
    X = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(plain(X), averaged(X))


# --- 1998 -------------------------------------------------------------------------------------------------------------


def test_the_network_of_the_paper(chapter):
    net = chapter.lenet5_1998()
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert [num_params(net[i]) for i in (1, 3, 5, 7, 9, 12, 14)] == [156, 12, 1516, 32, 48_120, 10_164, 0]
    assert sum(isinstance(layer, chapter.ScaledTanh) for layer in net) == 6


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
