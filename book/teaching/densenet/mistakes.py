"""Wrong answers that students give in the week of DenseNet, and the points that each must lose."""

from book.teaching.weeks import Mistake

MISTAKES = [
    Mistake(
        "a plain Python list, so that no layer is registered",
        cell="DenseBlock",
        loses=1,
        swap={"self.layers = nn.ModuleList(layers)": "self.layers = layers"},
    ),
    Mistake(
        "the block returns its last layer's output only",
        cell="DenseBlock",
        loses=3,
        swap={
            "            X = torch.cat((X, layer(X)), dim=1)\n        return X": (
                "            Y = layer(X)\n            X = torch.cat((X, Y), dim=1)\n        return Y"
            )
        },
    ),
    Mistake(
        "the newest features come first",
        cell="DenseBlock",
        loses=2,
        swap={"torch.cat((X, layer(X)), dim=1)": "torch.cat((layer(X), X), dim=1)"},
    ),
    Mistake(
        "out_channels counts the layers' outputs only",
        cell="DenseBlock",
        loses=3,
        swap={"self.out_channels = in_channels + num_convs": "self.out_channels = num_convs"},
    ),
    Mistake("a transition behind the last block, too", cell="channels", loses=3, swap={"found[:-1]": "found"}),
    Mistake(
        "the stem always has 64 channels",
        cell="channels",
        loses=2,
        swap={"    found = []\n": "    found, in_channels = [], 64\n"},
    ),
    Mistake(
        "the transition does not halve",
        cell="channels",
        loses=3,
        swap={"in_channels = found[-1] // 2": "in_channels = found[-1]"},
    ),
    Mistake(
        "batch norm is taken over what a layer puts out",
        cell="densenet_params",
        loses=3,
        swap={"2 * wide + 9 * wide * growth_rate": "2 * growth_rate + 9 * wide * growth_rate"},
    ),
    Mistake(
        "the last batch norm is forgotten",
        cell="densenet_params",
        loses=3,
        swap={"return total + 2 * wide + (wide": "return total + (wide"},
    ),
    Mistake(
        "the chapter's number",
        cell="densenet_params",
        loses=2,
        code="def densenet_params(num_convs, growth_rate, in_channels, num_classes):\n    return 757_322",
    ),
    Mistake(
        "the bias is added with every part",
        cell="split_conv",
        loses=2,
        swap={"conv.bias is not None and i == 0": "conv.bias is not None"},
    ),
    Mistake(
        "every part has a bias that nobody sets",
        cell="split_conv",
        loses=3,
        swap={"conv.stride, conv.padding, bias=bias)": "conv.stride, conv.padding)"},
    ),
    Mistake(
        "the parts share the weights of the convolution",
        cell="split_conv",
        loses=2,
        swap={"part.weight.copy_(weight)": "part.weight.data = weight"},
    ),
    Mistake(
        "stride and padding are forgotten",
        cell="split_conv",
        loses=3,
        swap={"conv.kernel_size, conv.stride, conv.padding, ": "conv.kernel_size, "},
    ),
    Mistake(
        "takes the source away from all later layers",
        cell="effect",
        loses=2,
        swap={
            "            cut.layers[r][2].weight[:, ends[s] : ends[s + 1]] = 0\n": (
                "            for layer in cut.layers[r:]:\n"
                "                layer[2].weight[:, ends[s] : ends[s + 1]] = 0\n"
            )
        },
    ),
    Mistake(
        "the weights are zeroed in the block itself",
        cell="effect",
        loses=4,
        swap={"cut = copy.deepcopy(block)": "cut = block"},
    ),
    Mistake(
        "the running statistics of the block move",
        cell="effect",
        loses=1,
        swap={"whole = copy.deepcopy(block)(X)": "whole = block(X)"},
    ),
    Mistake(
        "the largest change is not taken absolutely",
        cell="effect",
        loses=2,
        swap={"(cut(X) - whole).abs().max()": "(cut(X) - whole).max()"},
    ),
    Mistake(
        "zeros above the diagonal",
        cell="effect",
        loses=3,
        swap={'torch.full((n, n), float("nan"))': "torch.zeros(n, n)"},
    ),
    Mistake(
        "every layer reads the block's input and one layer more",
        cell="kept_numbers",
        loses=2,
        swap={"growth_rate * num_convs * (num_convs - 1) // 2": "growth_rate * (num_convs - 1)"},
    ),
    Mistake(
        "the output of the last layer is read by a layer, too",
        cell="kept_numbers",
        loses=3,
        swap={"(num_convs - 1) // 2": "(num_convs + 1) // 2"},
    ),
    Mistake(
        "the side is not squared",
        cell="kept_numbers",
        loses=3,
        swap={"naive * side**2, once * side**2": "naive * side, once * side"},
    ),
    Mistake(
        "nothing is recomputed",
        cell="recomputed",
        loses=1,
        code="def recomputed(block, X):\n    return block(X)",
    ),
    Mistake(
        "the layer is bound, the list of features is not",
        cell="recomputed",
        loses=3,
        code="""
def recomputed(block, X):
    features = [X]
    for layer in block.layers:
        features.append(checkpoint(lambda layer=layer: layer(torch.cat(features, dim=1)), use_reentrant=False))
    return torch.cat(features, dim=1)
""",
    ),
    Mistake(
        "the features are cut off from the graph",
        cell="recomputed",
        loses=1,
        swap={
            "maps += (checkpoint(read, layer, *maps, use_reentrant=False),)": (
                "maps += (checkpoint(read, layer, *(m.detach() for m in maps), use_reentrant=False),)"
            )
        },
    ),
    Mistake(
        "pools before the ReLU",
        cell="cheaper_transition",
        loses=2,
        swap={"norm, relu, pool, conv)": "norm, pool, relu, conv)"},
    ),
    Mistake(
        "the layers are shared",
        cell="cheaper_transition",
        loses=2,
        swap={"copy.deepcopy(transition)": "transition"},
    ),
    Mistake(
        "a new convolution with other weights",
        cell="cheaper_transition",
        loses=2,
        swap={"pool, conv)": "pool, nn.Conv2d(conv.in_channels, conv.out_channels, 1))"},
    ),
    Mistake(
        "the second transition is forgotten",
        cell="my_channels",
        loses=2,
        swap={"((64 + a * k) // 2 + b * k) // 2 + c * k": "(64 + a * k) // 2 + b * k + c * k"},
    ),
    Mistake("the 1×1 is forgotten", cell="my_separable", loses=2, swap={" - C * D": ""}),
    Mistake("no prediction", cell="predict_ways", loses=1, swap={"return 2**12": "return None"}),
]
