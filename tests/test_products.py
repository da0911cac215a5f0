"""Convolutions as matrix products: the same numbers and gradients as PyTorch's own, and no others touched."""

import contextlib

import pytest
import torch
from torch import nn

import d2ltorch as d2lt
from d2ltorch import _products


@pytest.fixture
def products(monkeypatch):
    """The shapes of the inputs that ran as products."""
    shapes, real = [], _products._conv_as_product

    def counted(X, *args):
        shapes.append(tuple(X.shape))
        return real(X, *args)

    monkeypatch.setattr(_products, "_conv_as_product", counted)
    return shapes


SMALL = {
    "3 × 3, padded": (nn.Conv2d(24, 128, 3, padding=1), (3, 3)),
    "stride 2": (nn.Conv2d(24, 128, 3, stride=2, padding=1, bias=False), (6, 6)),
    "stride 2, an odd row left over": (nn.Conv2d(24, 128, 2, stride=2), (7, 5)),
    "1 × 1": (nn.Conv2d(24, 128, 1), (4, 5)),
    "1 × 1, stride 2": (nn.Conv2d(24, 128, 1, stride=2, bias=False), (5, 5)),
    "a rectangle": (nn.Conv2d(24, 130, (1, 5), stride=(1, 2), padding=(0, 2)), (2, 7)),
    "the window is the map": (nn.Conv2d(24, 128, 5), (5, 5)),
    "padded by reflection": (nn.Conv2d(24, 128, 3, padding=1, padding_mode="reflect"), (4, 4)),
}


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["NCHW", "NHWC"])
@pytest.mark.parametrize("conv, size", SMALL.values(), ids=SMALL)
def test_outputs_and_gradients_are_those_of_conv2d(conv, size, memory_format, products):
    torch.manual_seed(0)
    conv = conv.double().to(memory_format=memory_format)
    X = torch.randn(4, 24, *size, dtype=torch.float64).to(memory_format=memory_format).requires_grad_()
    tensors = [X, *conv.parameters()]
    expected = conv(X)
    upstream = torch.randn_like(expected)
    expected_grads = torch.autograd.grad(expected, tensors, upstream)
    assert not products
    with _products.ConvolutionsAsProducts():
        outputs = conv(X)
    assert len(products) == 1
    torch.testing.assert_close(outputs, expected)
    for ours, theirs in zip(torch.autograd.grad(outputs, tensors, upstream), expected_grads):
        torch.testing.assert_close(ours, theirs)


BFLOAT16 = {
    "a small map": (nn.Conv2d(256, 256, 3, padding=1), (32, 256, 3, 3)),
    "a stem": (nn.Conv2d(1, 64, 7, stride=2, padding=3), (8, 1, 33, 34)),
    "a stem without padding": (nn.Conv2d(1, 96, 11, stride=4, bias=False), (4, 1, 64, 64)),
    "a stem of rectangles": (nn.Conv2d(1, 64, (3, 5), stride=(2, 1), padding=(0, 2)), (4, 1, 28, 28)),
}


@pytest.mark.parametrize("conv, shape", BFLOAT16.values(), ids=BFLOAT16)
def test_bfloat16_is_as_close_to_float32_as_conv2d_is(conv, shape, products):
    torch.manual_seed(0)
    X = torch.randn(shape)
    tensors = [X.requires_grad_(), *conv.parameters()]
    exact = conv(X)
    upstream = torch.randn_like(exact)
    errors = []
    for mode in (contextlib.nullcontext(), _products.ConvolutionsAsProducts()):
        with torch.autocast("cpu", dtype=torch.bfloat16), mode:
            outputs = conv(X)
        assert outputs.dtype == torch.bfloat16 and outputs.shape == exact.shape
        errors.append([(outputs - exact).norm()])
        grads = torch.autograd.grad(outputs, tensors, upstream.bfloat16())
        exact_grads = torch.autograd.grad(exact, tensors, upstream, retain_graph=True)
        errors[-1] += [(g - e).norm() / e.norm() for g, e in zip(grads, exact_grads)]
    assert len(products) == 1
    output_error, *grad_errors = errors[1]
    assert output_error < 1.05 * errors[0][0]
    assert max(grad_errors) < 0.01 and max(errors[0][1:]) < 0.01  # eight bits: 1 in 256 a number


OTHERS = {
    "a larger map": (nn.Conv2d(8, 128, 3, padding=1), (8, 6, 6)),
    "few channels": (nn.Conv2d(8, 127, 3, padding=1), (8, 3, 3)),
    "groups": (nn.Conv2d(8, 128, 3, padding=1, groups=2), (8, 3, 3)),
    "dilation": (nn.Conv2d(8, 128, 3, padding=2, dilation=2), (8, 3, 3)),
    "a stem in float32": (nn.Conv2d(1, 64, 7, stride=2, padding=3), (1, 28, 28)),
    'padding="same"': (nn.Conv2d(8, 128, 3, padding="same"), (8, 3, 3)),
}


@pytest.mark.parametrize("conv, shape", OTHERS.values(), ids=OTHERS)
def test_other_convolutions_are_left_alone(conv, shape, products):
    for X in (torch.randn(2, *shape), torch.randn(shape)):
        with _products.ConvolutionsAsProducts():
            outputs = conv(X)
        assert not products and torch.equal(outputs, conv(X))


def test_a_map_too_small_for_the_window_gets_pytorchs_own_error(products):
    conv, X = nn.Conv2d(8, 128, 3), torch.randn(2, 8, 2, 2)
    with _products.ConvolutionsAsProducts(), pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        conv(X)


def test_train_and_evaluate_use_products(products):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 128, 7, stride=7, padding=3), nn.ReLU(), nn.Flatten(), nn.Linear(128 * 16, 10))
    data_iter = d2lt.DataIter(torch.randint(0, 255, (64, 1, 28, 28), dtype=torch.uint8), torch.arange(64) % 10, 32)
    d2lt.train(net, data_iter, None, 1, 0.01, device="cpu", animator=False)
    assert products == [(32, 1, 28, 28)] * 2
    d2lt.evaluate(net, data_iter)
    assert len(products) == 4
    net(data_iter.examples([0])[0])
    assert len(products) == 4  # outside of the library, PyTorch is as it was
