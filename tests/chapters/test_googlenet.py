"""The GoogLeNet chapter: its counts and shapes, its later blocks, torchvision's answers, and learning."""

from functools import partial

import pytest
import torch
from chapter import definitions, fit, num_params
from torch import nn

import d2ltorch as d2lt
from d2ltorch import torchvision

GOOGLENET = definitions("googlenet")
BLOCK_3A = (192, 64, (96, 128), (16, 32), 32)


def on_meta(builder, *args, **kwargs) -> nn.Module:
    """A network with shapes and no numbers."""
    with torch.device("meta"):
        return builder(*args, **kwargs)


def test_parameters():
    assert num_params(on_meta(GOOGLENET["googlenet"])) == 5_977_530
    assert num_params(on_meta(GOOGLENET["googlenet"], conv=GOOGLENET["conv_bn_relu"])) == 5_984_810
    assert num_params(on_meta(GOOGLENET["googlenet_torchvision"])) == 6_624_904


def test_the_four_branches_at_28_pixels():
    block = on_meta(GOOGLENET["Inception"], *BLOCK_3A)
    X = torch.empty(2, 192, 28, 28, device="meta")
    assert [tuple(branch(X).shape[1:]) for branch in block.children()] == [
        (64, 28, 28), (128, 28, 28), (32, 28, 28), (32, 28, 28)]  # fmt: skip
    assert block(X).shape == (2, 256, 28, 28)
    assert num_params(block) == 163_696


def test_concatenation_keeps_the_branches_apart_and_in_order():
    torch.manual_seed(0)
    block, X = GOOGLENET["Inception"](3, 2, (2, 4), (1, 3), 5), torch.randn(2, 3, 8, 8)
    start = 0
    for branch in block.children():
        expected = branch(X)
        torch.testing.assert_close(block(X)[:, start : start + expected.shape[1]], expected)
        start += expected.shape[1]
    assert start == 14


def test_dropout_is_a_keyword_and_adds_no_parameter():
    net = on_meta(GOOGLENET["googlenet"], dropout=0.4)
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.4]
    assert num_params(net) == 5_977_530
    assert not [m for m in on_meta(GOOGLENET["googlenet"]).modules() if isinstance(m, nn.Dropout)]


def test_a_silenced_branch_puts_out_zeros_and_leaves_the_network_alone():
    torch.manual_seed(0)
    net = GOOGLENET["two_blocks"](GOOGLENET["Inception"], 4, lambda r: r[0] + r[1][1] + r[2][1] + r[3]).eval()
    X = torch.rand(2, 1, 32, 32)
    before = net(X)
    cut = GOOGLENET["without_branch"](net, 1, 2)
    blocks = [m for m in cut.modules() if isinstance(m, GOOGLENET["Inception"])]
    first, second = (block(torch.rand(2, block.branch1[0].in_channels, 8, 8)) for block in blocks)
    assert not second[:, 48:56].any() and second[:, :48].any() and first[:, 24:28].any()
    assert torch.equal(net(X), before) and not torch.equal(cut(X), before)


def test_the_two_heads_differ_in_the_head_alone():
    average, dense = (GOOGLENET["five_blocks"](head) for head in ("average", "dense"))
    X = torch.rand(2, 1, 32, 32)
    assert average(X).shape == dense(X).shape == (2, 10)
    assert num_params(dense) - num_params(average) == 10 * 96 * 15


def test_steps_until_counts_steps_and_stops():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    y = torch.tensor([0, 1] * 8)
    batch = (y[:, None].float() * 2 - 1) * torch.ones(16, 16), y
    assert GOOGLENET["steps_until"](net, [batch], 100.0, 50) == 10  # ten batches are needed in any case
    assert GOOGLENET["steps_until"](net, [batch], 0.0, 7) == 7


def test_every_convolution_has_its_relu_the_stem_too():
    net = GOOGLENET["googlenet"]()
    modules = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ReLU)]
    kinds = [type(m) for m in modules]
    assert kinds == [nn.Conv2d, nn.ReLU] * 57


def test_multiply_adds_saved_by_the_reductions():
    pixels = 28 * 28
    branch = on_meta(GOOGLENET["Inception"], *BLOCK_3A).branch3
    convs = [m for m in branch.modules() if isinstance(m, nn.Conv2d)]
    assert pixels * sum(conv.weight.numel() for conv in convs) == 12_443_648
    assert pixels * 25 * 192 * 32 == 120_422_400


@pytest.mark.parametrize("name", ["FactorisedInception", "AsymmetricInception", "ResidualInception"])
def test_later_blocks_keep_the_size_and_learn_in_every_parameter(name):
    torch.manual_seed(0)
    block, X = GOOGLENET[name](16, 4, (6, 8), (2, 4), 4), torch.randn(4, 16, 12, 12)
    out = block(X)
    assert out.shape == (4, 16 if name == "ResidualInception" else 20, 12, 12)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in block.parameters())


def test_windows_of_the_factorised_branches():
    def window(branch):
        reach = [(m.kernel_size[0] - 1, m.kernel_size[1] - 1) for m in branch.modules() if isinstance(m, nn.Conv2d)]
        return tuple(1 + sum(r[i] for r in reach) for i in (0, 1))

    assert window(on_meta(GOOGLENET["Inception"], *BLOCK_3A).branch3) == (5, 5)
    assert window(on_meta(GOOGLENET["FactorisedInception"], *BLOCK_3A).branch3) == (5, 5)
    assert window(on_meta(GOOGLENET["AsymmetricInception"], *BLOCK_3A).branch3) == (13, 13)


def test_torchvision_gives_the_same_logits_with_the_same_weights():
    torch.manual_seed(0)
    theirs = torchvision.models.googlenet(aux_logits=False, init_weights=False)
    with torch.no_grad():
        theirs(torch.randn(4, 3, 96, 96))  # running statistics that are not at their start
        theirs.eval()
        ours = GOOGLENET["googlenet_torchvision"]().eval()
        source, target = theirs.state_dict(), ours.state_dict()
        assert [v.shape for v in source.values()] == [v.shape for v in target.values()]
        ours.load_state_dict(dict(zip(target, source.values())))
        for size in (95, 224):  # odd sizes tell rounding up from padding
            X = torch.randn(2, 3, size, size)
            expected = theirs(X)
            assert (ours(X) - expected).abs().max() <= 1e-5 * max(1, expected.abs().max())


def test_the_start_keeps_the_signal_where_xavier_loses_it():
    X = torch.rand(8, 1, 96, 96)
    spread = {}
    for name, init in (("xavier", d2lt.init_xavier), ("chapter", GOOGLENET["init_scaled_he"])):
        torch.manual_seed(0)
        net = GOOGLENET["googlenet"]().apply(init)
        with torch.no_grad():
            spread[name] = net[:5](X).square().mean().sqrt()
    assert spread["chapter"] > 5 * spread["xavier"]


def test_overfits_one_batch():
    torch.manual_seed(0)
    narrow = [(8, (8, 16), (4, 8), 8)]
    net = nn.Sequential(
        GOOGLENET["conv_relu"](1, 8, 3, stride=2, padding=1),
        *GOOGLENET["inception_blocks"](8, narrow),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(40 * 16, 10))  # fmt: skip
    X, y = torch.rand(20, 1, 28, 28), torch.arange(20) % 10
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    fit(net, X, y, optimizer, steps=150)
    assert (net(X).argmax(1) == y).all()


def test_exercise_claims():
    width = 192
    for c1, c2, c3, _ in GOOGLENET["rows3"] + GOOGLENET["rows4"] + GOOGLENET["rows5"]:
        width += c1 + c2[1] + c3[1]
    assert width == 4944
    plain = on_meta(GOOGLENET["googlenet"], conv=GOOGLENET["conv_bn_relu"])
    factorised = on_meta(
        GOOGLENET["googlenet"], conv=GOOGLENET["conv_bn_relu"], block=GOOGLENET["FactorisedInception"])  # fmt: skip
    assert num_params(factorised) > num_params(plain)
    convs = [m for m in on_meta(GOOGLENET["googlenet"]).modules() if isinstance(m, nn.Conv2d)]
    assert sum(num_params(conv) for conv in convs) == 5_967_280
    assert GOOGLENET["googlenet"]().eval()(torch.zeros(1, 1, 1, 1)).shape == (1, 10)
    paper = on_meta(GOOGLENET["googlenet"], 3, 1000, conv=GOOGLENET["conv_bn_relu"],
                    block=partial(GOOGLENET["Inception"], large_kernel=5))  # fmt: skip
    kernels = sum(c3[0] * c3[1] * 16 for _, _, c3, _ in GOOGLENET["rows3"] + GOOGLENET["rows4"] + GOOGLENET["rows5"])
    assert num_params(paper) - 6_624_904 == kernels
