"""Wrong answers that students give in the week of VGG, and the points that each must lose."""

from book.teaching.weeks import Mistake

MISTAKES = [
    Mistake(
        "in_channels is not handed on, so the second convolution expects the input's channels",
        cell="vgg_block",
        loses=3,
        swap={"        in_channels = out_channels\n": ""},
    ),
    Mistake(
        "one convolution, used again and again",
        cell="vgg_block",
        loses=2,
        code="""
def vgg_block(num_convs, in_channels, out_channels):
    again = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1)
    layers = [nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1), nn.ReLU()]
    for _ in range(num_convs - 1):
        layers += [again, nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))
""",
    ),
    Mistake(
        "one ReLU for the whole block",
        cell="vgg_block",
        loses=2,
        swap={", nn.ReLU()]": "]", "*layers, nn.MaxPool2d": "*layers, nn.ReLU(), nn.MaxPool2d"},
    ),
    Mistake(
        "the side is that of the example",
        cell="vgg",
        loses=2,
        swap={"side = image_size // 2 ** len(conv_arch)": "side = 4"},
    ),
    Mistake(
        "num_classes is ignored",
        cell="vgg",
        loses=2,
        swap={"nn.Linear(num_hidden, num_classes)": "nn.Linear(num_hidden, 10)"},
    ),
    Mistake(
        "a ReLU after the last layer",
        cell="vgg",
        loses=1,
        swap={"nn.Linear(num_hidden, num_classes),": "nn.Linear(num_hidden, num_classes), nn.ReLU(),"},
    ),
    Mistake("biases are forgotten", cell="count_params", loses=3, swap={"(9 * in_channels + 1)": "9 * in_channels"}),
    Mistake(
        "builds the network and counts",
        cell="count_params",
        loses=2,
        code="""
def count_params(conv_arch, in_channels, num_classes, image_size, num_hidden):
    with torch.device("meta"):
        net = vgg(conv_arch, in_channels, num_classes, image_size, num_hidden)
    return sum(parameter.numel() for parameter in net.parameters())
""",
    ),
    Mistake(
        "returns the chapter's number",
        cell="count_params",
        loses=2,
        code="""
def count_params(conv_arch, in_channels, num_classes, image_size, num_hidden):
    return 128_806_154
""",
    ),
    Mistake(
        "the window of the pooling is forgotten",
        cell="receptive_field",
        loses=3,
        swap={"        field += step  # the 2×2 window of the pooling adds one\n": ""},
    ),
    Mistake("the step does not double", cell="receptive_field", loses=2, swap={"        step *= 2\n": ""}),
    Mistake(
        "only from the size that it is built for upwards",
        cell="same_head_sizes",
        loses=1,
        swap={"range(side * factor, (side + 1) * factor)": "range(image_size, image_size + factor)"},
    ),
    Mistake(
        "modules without parameters are reported too",
        cell="shared_modules",
        loses=2,
        swap={"if any(True for _ in module.parameters(recurse=False)):": "if True:"},
    ),
    Mistake(
        "named_modules() without remove_duplicate=False sees each module once",
        cell="shared_modules",
        loses=3,
        swap={"named_modules(remove_duplicate=False)": "named_modules()"},
    ),
    Mistake(
        "the weights are shared with the network itself",
        cell="fully_convolutional",
        loses=1,
        swap={
            "copy_(module.weight.view_as(conv.weight))": "data = module.weight.data.view_as(conv.weight)",
            "conv.bias.copy_(module.bias)": "conv.bias.data = module.bias.data",
        },
    ),
    Mistake(
        "the second dense layer gets the window of the first",
        cell="fully_convolutional",
        loses=3,
        swap={"            side = 1  # behind the first dense layer, the maps are 1 × 1\n": ""},
    ),
    Mistake("k² is compared with one 3×3 convolution only", cell="my_weights", loses=2, swap={"9 * (k - 1) // 2": "9"}),
    Mistake(
        "the maps are taken before the first pooling",
        cell="my_multiply_adds",
        loses=2,
        swap={'["image_size"] // 4': '["image_size"]'},
    ),
    Mistake("no prediction", cell="predict_logits", loses=1, swap={"return 25": "return None"}),
]
