"""Wrong answers that students give in the week of GoogLeNet, and the points that each must lose."""

from book.teaching.weeks import Mistake

MISTAKES = [
    Mistake("joined along the batch", cell="Inception", loses=4, swap={"dim=1": "dim=0"}),
    Mistake(
        "the pooling branch reads the input unpooled",
        cell="Inception",
        loses=3,
        swap={"nn.MaxPool2d(3, stride=1, padding=1), ": ""},
    ),
    Mistake(
        "the 5×5 has the padding of the 3×3",
        cell="Inception",
        loses=4,
        swap={"5, padding=2": "5, padding=1"},
    ),
    Mistake(
        "the average in place of the maximum",
        cell="Inception",
        loses=3,
        swap={"nn.MaxPool2d(3, stride=1, padding=1)": "nn.AvgPool2d(3, stride=1, padding=1)"},
    ),
    Mistake("the 1×1 reductions are free", cell="saving", loses=3, swap={"with_it = shrink + ": "with_it = "}),
    Mistake(
        "the side is not squared",
        cell="saving",
        loses=2,
        swap={"with_it * side**2, without_it * side**2": ("with_it * side, without_it * side")},
    ),
    Mistake(
        "builds the branches and counts their weights",
        cell="saving",
        loses=2,
        code="""
def saving(in_channels, c2, c3, side):
    def weights(c, d, k):
        return nn.Conv2d(c, d, k, bias=False).weight.numel() * side**2

    cheap = weights(in_channels, c2[0], 1) + weights(*c2, 3) + weights(in_channels, c3[0], 1) + weights(*c3, 5)
    return cheap, weights(in_channels, c2[1], 3) + weights(in_channels, c3[1], 5)
""",
    ),
    Mistake(
        "the pooling is taken for a 1×1",
        cell="branch_fields",
        loses=3,
        swap={"(1, 3, 5, 3)": "(1, 3, 5, 1)"},
    ),
    Mistake(
        "the branches step by one pixel of the image",
        cell="branch_fields",
        loses=2,
        swap={"[field + (window - 1) * step for": "[field + window - 1 for"},
    ),
    Mistake(
        "a stride counts for its own window already",
        cell="branch_fields",
        loses=2,
        swap={
            "        step *= stride\n": "",
            "        field += (window - 1) * step\n": "        step *= stride\n        field += (window - 1) * step\n",
        },
    ),
    Mistake(
        "the reductions are counted among the output's channels",
        cell="small_googlenet",
        loses=4,
        swap={"c1 + c2[1] + c3[1] + c4": "c1 + sum(c2) + sum(c3) + c4"},
    ),
    Mistake(
        "a pooling after every stage, the last included",
        cell="small_googlenet",
        loses=1,
        swap={"[nn.AdaptiveAvgPool2d(1)": "[nn.MaxPool2d(3, stride=2, padding=1), nn.AdaptiveAvgPool2d(1)"},
    ),
    Mistake(
        "dropout of one half, always",
        cell="small_googlenet",
        loses=1,
        swap={
            "    if dropout > 0:\n        layers.append(nn.Dropout(dropout))\n": "    layers.append(nn.Dropout(0.5))\n"
        },
    ),
    Mistake(
        "row and column are read off the first row and column, which may hold zeros",
        cell="factorise",
        loses=1,
        swap={
            "U[:, 0] * S[0]": "kernel[:, 0] / kernel[0, 0]",
            "Vh[0].view": "kernel[0].view",
        },
    ),
    Mistake("any kernel is accepted", cell="factorise", loses=1, swap={"if (S[1:] > 1e-5 * S[0]).any():": "if False:"}),
    Mistake("the singular value is forgotten", cell="factorise", loses=2, swap={"U[:, 0] * S[0]": "U[:, 0]"}),
    Mistake(
        "both convolutions pad all four sides",
        cell="factorise",
        loses=2,
        swap={"padding=(n // 2, 0)": "padding=n // 2", "padding=(0, n // 2)": "padding=n // 2"},
    ),
    Mistake(
        "the next layer is measured on the output from before the change",
        cell="level",
        loses=2,
        swap={
            "            layer.weight /= layer(X).square().mean().sqrt()\n        X = layer(X)\n": (
                "            Y = layer(X)\n            layer.weight /= Y.square().mean().sqrt()\n"
                "        else:\n            Y = layer(X)\n        X = Y\n"
            )
        },
    ),
    Mistake(
        "the standard deviation, as if the mean were zero",
        cell="level",
        loses=2,
        swap={"layer(X).square().mean().sqrt()": "layer(X).std()"},
    ),
    Mistake("the bias stays", cell="level", loses=3, swap={"layer.bias.zero_()": "pass"}),
    Mistake(
        "the weights themselves get a root mean square of 1",
        cell="level",
        loses=3,
        swap={"layer(X).square().mean().sqrt()": "layer.weight.square().mean().sqrt()"},
    ),
    Mistake(
        "the dictionary holds the living tensors",
        cell="checkpoint",
        loses=2,
        swap={"copy.deepcopy(state)": "state"},
    ),
    Mistake(
        "the optimiser starts anew",
        cell="checkpoint",
        loses=2,
        swap={'    optimizer.load_state_dict(state["optimizer"])\n': ""},
    ),
    Mistake(
        "the state of the random numbers is forgotten",
        cell="checkpoint",
        loses=1,
        swap={'    torch.set_rng_state(state["random"])\n': ""},
    ),
    Mistake(
        "the random numbers are seeded, not restored",
        cell="checkpoint",
        loses=1,
        swap={'torch.set_rng_state(state["random"])': "torch.manual_seed(0)"},
    ),
    Mistake(
        "only the parameters are kept, and the running statistics are lost",
        cell="checkpoint",
        loses=2,
        swap={
            "net.state_dict(),": "dict(net.named_parameters()),",
            'net.load_state_dict(state["net"])': 'net.load_state_dict(state["net"], strict=False)',
        },
    ),
    Mistake("shapes on both sides are ours", cell="partings", loses=2, swap={"tuple(b.shape))": "tuple(a.shape))"}),
    Mistake(
        "parameters only",
        cell="partings",
        loses=1,
        swap={
            "ours.state_dict(), theirs.state_dict()": ("dict(ours.named_parameters()), dict(theirs.named_parameters())")
        },
    ),
    Mistake(
        "zip stops at the shorter one",
        cell="partings",
        loses=1,
        swap={"if len(ours) != len(theirs):": "if False:"},
    ),
    Mistake(
        "the biases are left out",
        cell="my_params",
        loses=2,
        swap={"(c + 1)": "c", "(9 * c2[0] + 1)": "9 * c2[0]", "(25 * c3[0] + 1)": "25 * c3[0]"},
    ),
    Mistake("one of the two is forgotten", cell="my_factorised", loses=2, swap={"- 2 * n": "- n"}),
    Mistake("no prediction", cell="predict_difference", loses=1, swap={"return 1e-6": "return None"}),
]
