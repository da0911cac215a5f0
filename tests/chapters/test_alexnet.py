"""The AlexNet chapter's definitions: counts, shapes, torchvision's answers, learning, and what the exercises claim."""

import pytest
import torch
from chapter import definitions, num_params
from torch import nn
from torch.nn import functional as F

import d2ltorch
from d2ltorch import torchvision


@pytest.fixture(scope="module")
def chapter():
    return definitions("alexnet")


@pytest.mark.parametrize(
    ("builder", "arguments", "expected"),
    [
        ("alexnet", {}, 46_764_746),
        ("alexnet", {"in_channels": 3, "num_classes": 1000}, 50_844_008),
        ("alexnet_torchvision", {}, 61_100_840),
        ("alexnet_paper", {}, 60_965_224),
        ("small_alexnet", {}, 536_250),
    ],
)
def test_parameter_counts(chapter, builder, arguments, expected):
    with torch.device("meta"):
        assert num_params(chapter[builder](**arguments)) == expected


def test_the_head_holds_92_percent_of_the_parameters(chapter):
    with torch.device("meta"):
        net = chapter["alexnet"]()
    assert round(100 * num_params(net[-1]) / num_params(net)) == 92


def test_sizes_that_fit_the_head(chapter):
    with torch.device("meta"):
        features = nn.Sequential(*chapter["alexnet_features"]())
    side = {size: features(torch.empty(1, 1, size, size, device="meta")).shape[-1] for size in (65, 192, 193, 224, 225)}
    assert side == {65: 1, 192: 4, 193: 5, 224: 5, 225: 6}
    with pytest.raises(RuntimeError):
        features(torch.empty(1, 1, 64, 64, device="meta"))


def test_same_logits_as_torchvision(chapter):
    torch.manual_seed(1)
    theirs = torchvision.models.alexnet(weights=None, num_classes=20).eval()
    ours = chapter["alexnet_torchvision"](num_classes=20).eval()
    chapter["copy_weights"](theirs, ours)
    X = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(X), theirs(X), rtol=0, atol=1e-5)


def test_copy_weights_refuses_other_shapes(chapter):
    with pytest.raises(ValueError, match="shapes differ"):
        chapter["copy_weights"](nn.Linear(3, 2), nn.Linear(2, 3))


def test_paper_network_has_two_groups_and_response_normalisation(chapter):
    with torch.device("meta"):
        net = chapter["alexnet_paper"]()
        assert net(torch.empty(1, 3, 224, 224)).shape == (1, 1000)
    groups = [module.groups for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert groups == [1, 2, 1, 2, 2]
    assert sum(isinstance(module, nn.LocalResponseNorm) for module in net) == 2


def test_response_normalisation_divides_alpha(chapter):
    """The chapter's claim: the paper's 1e-4 is PyTorch's 5e-4."""
    a = torch.full((1, 5, 1, 1), 100.0)
    centre = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)(a)[0, 2].item()
    assert centre == pytest.approx(100 / (2 + 1e-4 * 5 * 100**2) ** 0.75, rel=1e-5)


def test_one_batch_is_learnt_by_heart(chapter):
    torch.manual_seed(0)
    net = chapter["small_alexnet"]()
    net.apply(d2ltorch.init_xavier)
    chapter["set_dropout"](net, 0.0)
    X, y = torch.rand(20, 1, 65, 65), torch.arange(20) % 10
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(150):
        logits = net(X)
        if (logits.argmax(dim=1) == y).all():
            return
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"20 images are not learnt in 150 steps: loss {loss.item():.3f}")


def test_dropout_and_relu_can_be_taken_away(chapter):
    net = chapter["small_alexnet"]()
    chapter["set_dropout"](net, 0.0)
    chapter["replace_relu"](net, nn.Sigmoid)
    assert {module.p for module in net.modules() if isinstance(module, nn.Dropout)} == {0.0}
    assert sum(isinstance(module, nn.Sigmoid) for module in net.modules()) == 7
    assert not any(isinstance(module, nn.ReLU) for module in net.modules())
    X = torch.rand(2, 1, 65, 65)
    assert torch.equal(net.train()(X), net.eval()(X))


def test_exercise_1_head_for_192_pixels(chapter):
    with torch.device("meta"):
        net = nn.Sequential(*chapter["alexnet_features"](), chapter["dense_head"](256 * 4 * 4, 10))
        assert net(torch.empty(1, 1, 192, 192)).shape == (1, 10)
    assert num_params(net) == 37_327_562


def test_exercises_2_and_3_groups_are_convolutions_side_by_side(chapter):
    grouped = chapter["conv_relu"](8, 6, kernel_size=3, padding=1, groups=2)
    assert num_params(chapter["conv_relu"](96, 256, 5, padding=2, groups=2)) == 307_456
    X, conv = torch.randn(2, 8, 7, 7), grouped[0]
    halves = [
        F.conv2d(X[:, 4 * g : 4 * g + 4], conv.weight[3 * g : 3 * g + 3], conv.bias[3 * g : 3 * g + 3], padding=1)
        for g in (0, 1)
    ]
    torch.testing.assert_close(grouped(X), torch.relu(torch.cat(halves, dim=1)))


def test_exercise_7_without_the_factor_the_argmax_hardly_changes(chapter):
    """ReLU passes a common factor on: with zero biases, halved inputs halve the logits."""
    head = chapter["dense_head"](12, 10, hidden=16, dropout=0.0).eval()
    head.apply(d2ltorch.init_xavier)
    X = torch.randn(5, 12)
    torch.testing.assert_close(head(2 * X), 2 * head(X))


@pytest.mark.parametrize("gain", [1.0, 4.0])
def test_initialiser_scales_xaviers_weights(chapter, gain):
    torch.manual_seed(0)
    layer = nn.Linear(400, 200)
    layer.apply(chapter["init_gain"](gain))
    assert layer.weight.abs().max().item() == pytest.approx(gain * (6 / 600) ** 0.5, rel=0.01)
    assert not layer.bias.any()


def test_larger_weights_make_up_for_the_sigmoids_slope(chapter):
    """The chapter's claim: the bound of 4^-n is on the slopes, and a gain of 4 brings the gradient back."""
    shares = {}
    for gain in (1, 4):
        torch.manual_seed(0)
        net = chapter["small_alexnet"]().eval()
        net.apply(chapter["init_gain"](gain))
        chapter["replace_relu"](net, nn.Sigmoid)
        F.cross_entropy(net(torch.rand(8, 1, 65, 65)), torch.arange(8)).backward()
        weights = [p for p in net.parameters() if p.dim() > 1]
        shares[gain] = (weights[0].grad.norm() / weights[0].norm()) / (weights[-1].grad.norm() / weights[-1].norm())
    assert shares[1] < 1e-3 and shares[4] > 100 * shares[1]
