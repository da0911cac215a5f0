"""Wrong answers that students give in the week of batch normalisation, and the points that each must lose."""

from book.teaching.weeks import Mistake

MISTAKES = [
    Mistake(
        "the variance divides by n", cell="running_after", loses=3, swap={"values.var()": "values.var(unbiased=False)"}
    ),
    Mistake(
        "momentum taken for the share that is kept",
        cell="running_after",
        loses=3,
        swap={"(1 - momentum) **": "momentum **"},
    ),
    Mistake("one step, whatever steps says", cell="running_after", loses=2, swap={" ** steps": ""}),
    Mistake("the number is carried over", cell="to_pytorch_momentum", loses=1, swap={"1 - momentum": "momentum"}),
    Mistake("the running variance divides by n", cell="BatchNorm", loses=2, swap={"var * n / (n - 1)": "var"}),
    Mistake(
        "momentum taken for the share that is kept",
        cell="BatchNorm",
        loses=2,
        swap={"eps, momentum, num_dims": "eps, 1 - momentum, num_dims"},
    ),
    Mistake(
        "normalises by the variance that divides by n − 1",
        cell="BatchNorm",
        loses=5,
        swap={"unbiased=False": "unbiased=True"},
    ),
    Mistake(
        "asks whether gradients are on",
        cell="BatchNorm",
        loses=1,
        swap={"if self.training:": "if torch.is_grad_enabled():"},
    ),
    Mistake(
        "statistics are plain attributes",
        cell="BatchNorm",
        loses=1,
        swap={
            'self.register_buffer("running_mean", torch': "self.running_mean = (torch",
            'self.register_buffer("running_var", torch': "self.running_var = (torch",
        },
    ),
    Mistake(
        "each pixel is normalised by itself",
        cell="BatchNorm",
        loses=5,
        swap={"axes = [axis for axis in range(self.num_dims) if axis != 1]": "axes = [0]"},
    ),
    Mistake(
        "no gradient flows through mean and variance",
        cell="BatchNorm",
        loses=1,
        swap={
            "            self.collect": "            mean, var = mean.detach(), var.detach()\n            self.collect"
        },
    ),
    Mistake(
        "one value in each channel passes in silence",
        cell="BatchNorm",
        loses=1,
        swap={'raise ValueError(f"two values in each channel are the least, not {n}")': "return"},
    ),
    Mistake(
        "mean and variance taken for constants",
        cell="batch_norm_backward",
        loses=3,
        swap={"(dZ - dbeta / n - X_hat * dgamma / n)": "dZ"},
    ),
    Mistake(
        "the term of the variance is missing", cell="batch_norm_backward", loses=2, swap={" - X_hat * dgamma / n": ""}
    ),
    Mistake(
        "a bias is expected",
        cell="fuse",
        loses=1,
        swap={"bias = 0 if conv.bias is None else conv.bias": "bias = conv.bias + 0"},
    ),
    Mistake(
        "stride and the rest are forgotten",
        cell="fuse",
        loses=1,
        swap={"        conv.stride,\n        conv.padding,\n        conv.dilation,\n        conv.groups,\n": ""},
    ),
    Mistake(
        "changes the convolution and returns it",
        cell="fuse",
        loses=3,
        code="""
@torch.no_grad()
def fuse(conv, norm):
    factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = 0 if conv.bias is None else conv.bias
    conv.weight.mul_(factor.view(-1, 1, 1, 1))
    conv.bias = nn.Parameter(norm.bias + (bias - norm.running_mean) * factor)
    return conv
""",
    ),
    Mistake(
        "statistics over the whole batch", cell="group_norm", loses=2, swap={"dim=2, unbiased": "dim=(0, 2), unbiased"}
    ),
    Mistake(
        "groups for maps only",
        cell="group_norm",
        loses=1,
        code="""
def group_norm(X, num_groups, eps=1e-5):
    B, C, H, W = X.shape
    groups = X.reshape(B, num_groups, C // num_groups, H, W)
    mean, var = groups.mean((2, 3, 4), keepdim=True), groups.var((2, 3, 4), unbiased=False, keepdim=True)
    return ((groups - mean) / torch.sqrt(var + eps)).reshape(X.shape)
""",
    ),
    Mistake(
        "an exponential average",
        cell="recalibrate",
        loses=2,
        swap={"        norm.momentum = None  # a plain mean\n": ""},
    ),
    Mistake(
        "the old statistics stay in the mean",
        cell="recalibrate",
        loses=2,
        swap={"        norm.reset_running_stats()\n": ""},
    ),
    Mistake(
        "the whole network is in training mode, and stays there",
        cell="recalibrate",
        loses=3,
        swap={"    net.eval()\n": "    net.train()\n", "        module.training = mode\n": "        pass\n"},
    ),
    Mistake("the variance divides by n", cell="my_running_var", loses=2, swap={"(len(values) - 1)": "len(values)"}),
    Mistake("buffers are not counted", cell="my_state", loses=2, swap={"4 * (c1 + c2) + 2": "2 * (c1 + c2)"}),
    Mistake("no prediction", cell="predict_two", loses=1, swap={"return 1.0": "return None"}),
]
