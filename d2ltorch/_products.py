"""Two kinds of convolution that oneDNN computes slowly on a CPU, as matrix products instead."""

from __future__ import annotations

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class ConvolutionsAsProducts(TorchFunctionMode):
    """While active, some convolutions run as one matrix product over gathered windows, one window a row.

    That is the method of Chellapilla, Puri and Simard (2006). It pays at both ends of a network, where oneDNN's loops
    along rows and channels have little to loop over: at maps of 5 × 5 pixels and fewer (a quarter of the time of
    forward and backward pass in bfloat16 and half of it in float32, for 512 channels at 3 × 3), and, in bfloat16, at
    images of one channel (half of the time for the 7 × 7 windows of ResNet's stem). All else is left alone.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.conv2d and not kwargs and len(args) == 7 and _pays(*args):
            return _conv_as_product(*args[:5])
        return func(*args, **(kwargs or {}))


def _pays(X, weight, bias, stride, padding, dilation, groups) -> bool:
    pairs = isinstance(stride, tuple) and isinstance(padding, tuple)  # as nn.Conv2d has them, but not "same"
    if X.dim() != 4 or groups != 1 or dilation != (1, 1) or not pairs:
        return False
    out_channels, in_channels, *window = weight.shape
    side = max((n + 2 * p - k) // s + 1 for n, p, k, s in zip(X.shape[2:], padding, window, stride))
    # With fewer channels than these, gathering the windows costs what the product saves.
    is_small = 1 <= side <= 5 and out_channels >= 128
    is_stem = in_channels == 1 and out_channels >= 64 and side > 5 and torch.is_autocast_enabled("cpu")
    return is_small or is_stem


def _conv_as_product(X, weight, bias, stride, padding):
    if torch.is_autocast_enabled("cpu"):  # before the windows are gathered, not after
        X, weight = (tensor.to(torch.get_autocast_dtype("cpu")) for tensor in (X, weight))
    (kh, kw), (sh, sw), (ph, pw) = weight.shape[2:], stride, padding
    X = F.pad(X, (pw, pw, ph, ph)).permute(0, 2, 3, 1)  # (B, H, W, C)
    if X.shape[3] == 1:
        windows = X.squeeze(3).unfold(1, kh, sh).unfold(2, kw, sw).flatten(3)  # (B, height, width, kh·kw)
    else:
        rows, columns = ((n - k) // s * s + 1 for n, k, s in zip(X.shape[1:3], (kh, kw), stride))
        windows = [X[:, i : i + rows : sh, j : j + columns : sw] for i in range(kh) for j in range(kw)]
        windows = torch.cat(windows, dim=-1)  # (B, height, width, kh·kw·C)
    return F.linear(windows, weight.permute(0, 2, 3, 1).flatten(1), bias).permute(0, 3, 1, 2)
