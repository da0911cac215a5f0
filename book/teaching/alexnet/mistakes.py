"""Wrong answers that students give in the week of AlexNet, and the points that each must lose."""

from book.teaching.weeks import Mistake

MISTAKES = [
    Mistake(
        "the largest is the smallest plus the stride of the last layer",
        cell="sizes_for",
        loses=3,
        swap={"    return smallest, largest": "    return smallest, smallest + 3"},
    ),
    Mistake(
        "the pixels that the division drops are forgotten",
        cell="sizes_for",
        loses=3,
        swap={"largest * stride + k - 2 * padding - 1": "(largest - 1) * stride + k - 2 * padding"},
    ),
    Mistake(
        "forwards instead of backwards",
        cell="sizes_for",
        loses=2,
        swap={"in reversed(plan)": "in plan"},
    ),
    Mistake(
        "the padding counts on one side only",
        cell="sizes_for",
        loses=3,
        swap={
            "(smallest - 1) * stride + k - 2 * padding": "(smallest - 1) * stride + k - padding",
            "largest * stride + k - 2 * padding - 1": "largest * stride + k - padding - 1",
        },
    ),
    Mistake(
        "the head of 224 pixels, whatever the image",
        cell="alexnet",
        loses=2,
        swap={"channels * side * side": "channels * 6 * 6"},
    ),
    Mistake("groups are not handed on", cell="alexnet", loses=2, swap={"*numbers))": "*numbers[:-1]))"}),
    Mistake(
        "the paper's alpha, which PyTorch divides by five",
        cell="alexnet",
        loses=1,
        swap={"alpha=5e-4": "alpha=1e-4"},
    ),
    Mistake("hidden is ignored", cell="alexnet", loses=2, swap={"num_classes, hidden))": "num_classes))"}),
    Mistake(
        "gradients are forgotten",
        cell="training_bytes",
        loses=3,
        swap={'{"sgd": 1, "momentum": 2, "adam": 3}': '{"sgd": 0, "momentum": 1, "adam": 2}'},
    ),
    Mistake(
        "frozen parameters get gradients, too",
        cell="training_bytes",
        loses=2,
        swap={"(1 + copies * parameter.requires_grad)": "(1 + copies)"},
    ),
    Mistake(
        "four bytes, whatever the dtype",
        cell="training_bytes",
        loses=2,
        swap={
            "parameter.numel() * parameter.element_size()": "parameter.numel() * 4",
            "output.numel() * output.element_size()": "output.numel() * 4",
        },
    ),
    Mistake(
        "containers are counted as well",
        cell="training_bytes",
        loses=3,
        swap={" if not any(module.children())": ""},
    ),
    Mistake(
        "the outputs of one image",
        cell="training_bytes",
        loses=3,
        swap={"output.numel() * output.element_size()": "output[0].numel() * output.element_size()"},
    ),
    Mistake(
        "zeros are not put in",
        cell="ungroup",
        loses=3,
        swap={"        whole.weight.zero_()\n": ""},
    ),
    Mistake(
        "two groups, as in the paper",
        cell="ungroup",
        loses=2,
        swap={
            "conv.in_channels // conv.groups, conv.out_channels // conv.groups": (
                "conv.in_channels // 2, conv.out_channels // 2"
            ),
            "range(conv.groups)": "range(2)",
        },
    ),
    Mistake(
        "stride, padding and dilation are forgotten",
        cell="ungroup",
        loses=2,
        swap={"        conv.stride,\n        conv.padding,\n        conv.dilation,\n": ""},
    ),
    Mistake(
        "the groups are dealt out like cards",
        cell="ungroup",
        loses=3,
        swap={
            "whole.weight[rows, group * inputs : (group + 1) * inputs]": "whole.weight[rows, group :: conv.groups]",
        },
    ),
    Mistake(
        "alpha divided by the number of neighbours",
        cell="local_response_norm",
        loses=2,
        swap={"alpha * sums": "alpha / size * sums"},
    ),
    Mistake(
        "the channels go round in a circle",
        cell="local_response_norm",
        loses=2,
        code="""
def local_response_norm(X, size=5, alpha=1e-4, beta=0.75, k=2.0):
    half = size // 2
    sums = sum(X.square().roll(shift, dims=1) for shift in range(-half, half + 1))
    return X / (k + alpha * sums) ** beta
""",
    ),
    Mistake(
        "maps of two axes only",
        cell="local_response_norm",
        loses=1,
        code="""
def local_response_norm(X, size=5, alpha=1e-4, beta=0.75, k=2.0):
    B, C, H, W = X.shape
    squares = F.pad(X.square(), (0, 0, 0, 0, size // 2, size // 2))
    return X / (k + alpha * sum(squares[:, j : j + C] for j in range(size))) ** beta
""",
    ),
    Mistake(
        "p is the probability of surviving",
        cell="Dropout",
        loses=3,
        swap={"(torch.rand_like(X) >= self.p) / (1 - self.p)": "(torch.rand_like(X) < self.p) / self.p"},
    ),
    Mistake("the survivors stay as they are", cell="Dropout", loses=3, swap={" / (1 - self.p)": ""}),
    Mistake(
        "whole channels are dropped",
        cell="Dropout",
        loses=2,
        swap={"torch.rand_like(X) >=": "torch.rand_like(X[:1]) >="},
    ),
    Mistake(
        "p = 1 divides by 0",
        cell="Dropout",
        loses=1,
        swap={"        if self.p == 1:\n            return torch.zeros_like(X)\n": ""},
    ),
    Mistake(
        "always on",
        cell="Dropout",
        loses=2,
        swap={"        if not self.training:\n            return X\n": ""},
    ),
    Mistake(
        "the softmax of mean logits",
        cell="ten_crop",
        loses=1,
        swap={"net(image).softmax(dim=1)": "net(image)", ".mean(dim=0)": ".mean(dim=0).softmax(dim=1)"},
    ),
    Mistake("upside down instead of mirrored", cell="ten_crop", loses=2, swap={"window.flip(3)": "window.flip(2)"}),
    Mistake(
        "square images only",
        cell="ten_crop",
        loses=1,
        swap={"X.shape[3] - crop": "X.shape[2] - crop"},
    ),
    Mistake("left in evaluation mode", cell="ten_crop", loses=1, swap={"    net.train(was_training)\n": ""}),
    Mistake(
        "copies until something does not fit",
        cell="load_by_order",
        loses=1,
        code="""
def load_by_order(state, net):
    ours = list(net.named_parameters())
    if len(ours) != len(state):
        raise ValueError("numbers differ")
    with torch.no_grad():
        for (name, parameter), tensor in zip(ours, state.values()):
            if parameter.shape != tensor.shape:
                raise ValueError(name)
            parameter.copy_(tensor)
""",
    ),
    Mistake(
        "zip ends with the shorter of the two",
        cell="load_by_order",
        loses=1,
        swap={"if len(state) != len(ours):": "if len(state) > len(ours):"},
    ),
    Mistake(
        "equal numbers are enough",
        cell="load_by_order",
        loses=1,
        swap={
            "if parameter.shape != tensor.shape:": "if parameter.numel() != tensor.numel():",
            "parameter.copy_(tensor)": "parameter.copy_(tensor.view_as(parameter))",
        },
    ),
    Mistake(
        "memory is shared",
        cell="load_by_order",
        loses=1,
        swap={"parameter.copy_(tensor)": "parameter.data = tensor"},
    ),
    Mistake("groups do not matter", cell="my_groups", loses=2, swap={" // groups * c_out": " * c_out"}),
    Mistake(
        "a place too few in each direction, as in the paper",
        cell="my_crops",
        loses=2,
        swap={"(height - crop + 1) * (width - crop + 1)": "(height - crop) * (width - crop)"},
    ),
    Mistake("no prediction", cell="predict_gap", loses=1, swap={"return 10": "return None"}),
]
