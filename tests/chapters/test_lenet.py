"""The LeNet chapter: its definitions, taken out of the notebook, hold what the chapter says of them."""

import json
import math

import pytest
import torch
from chapter import CHAPTERS, definitions, fit, num_params
from torch import nn
from torch.nn import functional as F

import d2ltorch as d2lt


@pytest.fixture(scope="module")
def chapter():
    return definitions("lenet")


def test_definitions_run_alone_and_print_nothing(capsys):
    namespace = definitions("lenet")
    assert capsys.readouterr() == ("", "")
    assert callable(namespace["lenet"]) and callable(namespace["lenet5_1998"])


def test_parameters(chapter):
    net = chapter["lenet"]()
    assert [num_params(net[i]) for i in (0, 3, 7, 9, 11)] == [156, 2416, 48_120, 10_164, 850]
    assert num_params(net) == 61_706
    assert num_params(chapter["lenet"](in_channels=3, num_classes=100)) == 69_656


def test_keywords_choose_activation_and_pooling(chapter):
    kinds = [type(layer) for layer in chapter["lenet"](activation=nn.ReLU, pool=nn.MaxPool2d)]
    assert kinds.count(nn.ReLU) == 4 and kinds.count(nn.MaxPool2d) == 2
    assert nn.Sigmoid not in kinds and nn.AvgPool2d not in kinds


def test_hand_written_convolution_is_the_formula(chapter):
    """Four numbers, worked out on paper: 2 × 2 windows of 1…9 against the kernel 1, 0, 0, -1 and bias 10."""
    X = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    weight = torch.tensor([[[[1.0, 0.0], [0.0, -1.0]]]])
    by_hand = chapter["conv_by_hand"](X, weight, torch.tensor([10.0]))
    assert by_hand.tolist() == [[[[6.0, 6.0], [6.0, 6.0]]]]  # 10 + 1 - 5, and so on


@pytest.mark.parametrize("padding", [0, 2])
def test_hand_written_convolution_is_conv2d(chapter, padding):
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, kernel_size=5, padding=padding)
    X = torch.randn(2, 3, 12, 9)
    by_hand = chapter["conv_by_hand"](X, conv.weight, conv.bias, padding)
    torch.testing.assert_close(by_hand, conv(X), atol=1e-5, rtol=0)


def test_forward_pass_by_hand(chapter):
    torch.manual_seed(0)
    net, X = chapter["lenet"](), torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(chapter["lenet_by_hand"](X, list(net.parameters())), net(X), atol=1e-5, rtol=0)


def test_the_network_of_the_paper(chapter):
    net = chapter["lenet5_1998"]()
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert [num_params(net[i]) for i in (1, 3, 5, 7, 9, 12, 14)] == [156, 12, 1516, 32, 48_120, 10_164, 0]
    assert num_params(net) == 60_000


def test_connection_table_is_table_one(chapter):
    rows = ["X...XXX..XXXX.XX", "XX...XXX..XXXX.X", "XXX...XXX..X.XXX"]
    rows += [".XXX..XXXX..X.XX", "..XXX..XXXX.XX.X", "...XXX..XXXX.XXX"]
    assert [["X" if cell else "." for cell in row] for row in chapter["c3_table"]().T] == [list(row) for row in rows]


def test_missing_connections_carry_nothing(chapter):
    table = chapter["c3_table"]()
    conv, X = chapter["TableConv2d"](table), torch.rand(1, 6, 14, 14, requires_grad=True)
    for out_map in range(16):
        (gradient,) = torch.autograd.grad(conv(X)[0, out_map].sum(), X)
        assert torch.equal(gradient[0].flatten(1).any(dim=1), table[out_map])


def test_rbf_logit_is_minus_the_squared_distance(chapter):
    rbf = chapter["RBF"](84, 10)
    assert rbf(rbf.codes).diagonal().tolist() == [0.0] * 10
    assert (rbf(rbf.codes).argmax(dim=1) == torch.arange(10)).all()


@pytest.mark.parametrize("kind", ["sigmoid", "ReLU", "1998"])
def test_overfits_one_batch(chapter, kind):
    torch.manual_seed(0)
    if kind == "1998":
        net = chapter["lenet5_1998"]()
    else:
        choice = {} if kind == "sigmoid" else {"activation": nn.ReLU, "pool": nn.MaxPool2d}
        net = chapter["lenet"](**choice)
        net.apply(d2lt.init_xavier)
    X, y = torch.rand(16, 1, 28, 28), torch.arange(16) % 10
    optimizer = torch.optim.Adam(net.parameters(), lr=0.005)
    fit(net, X, y, optimizer, steps=400, until=0.05)
    assert (net(X).argmax(dim=1) == y).all()


def test_loop_by_hand_takes_the_steps_of_gradient_descent(chapter, capsys):
    torch.manual_seed(0)
    batches = [(torch.rand(8, 1, 28, 28), torch.randint(10, (8,))) for _ in range(3)]
    first = chapter["lenet"](activation=nn.Tanh)
    second = chapter["lenet"](activation=nn.Tanh)
    second.load_state_dict(first.state_dict())
    losses = chapter["train_by_hand"](first, batches, num_epochs=2, lr=0.1)
    assert len(losses) == 6 and len(capsys.readouterr().out.splitlines()) == 2
    for X, y in batches * 2:
        for p in second.parameters():
            p.grad = None
        F.cross_entropy(second(X), y).backward()
        with torch.no_grad():
            for p in second.parameters():
                p -= 0.1 * p.grad
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_signal_and_gradient_shrink_through_sigmoids_only(chapter):
    X, y = torch.rand(64, 1, 28, 28) * torch.rand(64, 1, 1, 1), torch.arange(64) % 10
    ratios = {}
    for name, (activation, gain) in chapter["contestants"].items():
        torch.manual_seed(0)
        net = chapter["lenet"](activation=activation).apply(chapter["xavier_times"](gain))
        signal, passed_back, gradient = chapter["signal_and_gradient"](net, X, y)
        assert len(signal) == len(passed_back) == len(gradient) == 5
        ratios[name] = (signal[-1] / signal[0], passed_back[-1] / passed_back[0])
        assert not any(layer._forward_hooks for layer in net)
    assert ratios["sigmoid"][0] < 0.02 < min(ratios[name][0] for name in ratios if name != "sigmoid")
    assert 128 < ratios["sigmoid"][1] / ratios["tanh"][1] < 512  # four slopes of a quarter: 256


def test_what_is_passed_back_does_not_depend_on_the_batch_size(chapter):
    torch.manual_seed(0)
    net, X, y = chapter["lenet"](activation=nn.Tanh), torch.rand(8, 1, 28, 28), torch.arange(8)
    once = chapter["signal_and_gradient"](net, X, y)[1]
    twice = chapter["signal_and_gradient"](net, X.repeat(2, 1, 1, 1), y.repeat(2))[1]
    assert once == pytest.approx(twice, rel=1e-4)


@pytest.mark.parametrize("size", [28, 56, 112])
def test_networks_for_other_sizes(chapter, size):
    X = torch.rand(2, 1, size, size)
    assert chapter["dense_network"](size)(X).shape == chapter["lenet_for"](size)(X).shape == (2, 10)
    averaged = chapter["lenet_for"](size, averaged=True)
    assert averaged(X).shape == (2, 10) and num_params(averaged) == 61_706
    if size == 28:
        assert num_params(chapter["same_maps"](size)) == 3_692_640
        plain = chapter["lenet"](activation=nn.ReLU)
        plain.load_state_dict(averaged.state_dict())
        torch.testing.assert_close(plain(X), averaged(X))  # at 28 pixels averaging to 5 × 5 is the average pooling


def test_the_papers_start_is_uniform_over_the_inputs(chapter):
    torch.manual_seed(0)
    net = chapter["lenet5_1998"]().apply(chapter["init_1998"])
    for layer, inputs in ((net[1], 25), (net[9], 400), (net[12], 120)):
        assert 0.9 * 2.4 / inputs < layer.weight.abs().max() <= 2.4 / inputs
        assert not layer.bias.any()


def test_loss_of_a_blind_network_is_ln_10():
    loss = F.cross_entropy(torch.zeros(7, 10), torch.randint(10, (7,)))
    assert loss.item() == pytest.approx(math.log(10)) == pytest.approx(2.302585)


def test_solutions_by_arithmetic():
    # a mean of batch means
    assert round(39 * 0.8 / 40, 4) == 0.78 and round(0.8 * 9984 / 10_000, 4) == 0.7987
    # a softmax too many
    assert round(-math.log(math.e / (math.e + 9)), 4) == 1.4612
    # parameters with kernels of 3 and 7
    for k, pixels, total in ((3, 6, 81_194), (7, 4, 46_874)):
        kernels = 6 * (k * k + 1) + 16 * (6 * k * k + 1)
        assert kernels + (16 * pixels**2 + 1) * 120 + 10_164 + 850 == total


def test_receptive_field(chapter):
    """One number of the last maps depends on 16 × 16 pixels."""
    X = torch.rand(1, 1, 28, 28, requires_grad=True)
    chapter["lenet"]()[:6](X)[0, 0, 2, 2].backward()
    rows, columns = (X.grad[0, 0] != 0).nonzero().unbind(dim=1)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == 16


def test_anatomy():
    """At least eight exercises, each with a solution; every figure with a description."""
    cells = json.loads((CHAPTERS / "lenet.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert text.count("<summary>Solution</summary>") >= 8
    assert text.count("<details>") == text.count("</details>")
    for cell in cells:
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            assert cell["metadata"]["mystnb"]["image"]["alt"]
