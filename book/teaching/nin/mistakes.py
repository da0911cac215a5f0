"""Wrong answers that students give in the week of NiN, and the points that each must lose."""

from book.teaching.weeks import Mistake

MISTAKES = [
    Mistake(
        "reshapes without moving the channels to the end",
        cell="at_every_pixel",
        loses=3,
        swap={"X.permute(0, 2, 3, 1).reshape(-1, C)": "X.reshape(-1, C)"},
    ),
    Mistake(
        "the answers are put back in another order",
        cell="at_every_pixel",
        loses=3,
        swap={"reshape(B, H, W, -1).permute(0, 3, 1, 2)": "reshape(B, -1, H, W)"},
    ),
    Mistake(
        "height and width are exchanged on the way back",
        cell="at_every_pixel",
        loses=3,
        swap={"reshape(B, H, W, -1).permute(0, 3, 1, 2)": "reshape(B, W, H, -1).permute(0, 3, 2, 1)"},
    ),
    Mistake(
        "hands net four axes, which nn.Linear takes and others do not",
        cell="at_every_pixel",
        loses=2,
        code="""
def at_every_pixel(net, X):
    return net(X.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
""",
    ),
    Mistake(
        "the 1 × 1 convolutions are padded, too",
        cell="mlpconv",
        loses=3,
        swap={"= width, 1, 1, 0": "= width, 1, 1, padding"},
    ),
    Mistake(
        "every convolution of the block has the large window",
        cell="mlpconv",
        loses=3,
        swap={"kernel_size, stride, padding = width, 1, 1, 0": "stride = width, 1"},
    ),
    Mistake(
        "the 1 × 1 convolutions stride, too",
        cell="mlpconv",
        loses=2,
        swap={"kernel_size, stride, padding = width, 1, 1, 0": "kernel_size, padding = width, 1, 0"},
    ),
    Mistake("last_relu is ignored", cell="mlpconv", loses=2, swap={"*layers if last_relu else layers[:-1]": "*layers"}),
    Mistake(
        "a ReLU on the logits, as in the paper", cell="nin", loses=2, swap={"last_relu=not last": "last_relu=True"}
    ),
    Mistake("global max pooling", cell="nin", loses=2, swap={"nn.AdaptiveAvgPool2d(1)": "nn.AdaptiveMaxPool2d(1)"}),
    Mistake("pooling behind the last block, too", cell="nin", loses=2, swap={"if not last:": "if True:"}),
    Mistake("pooling without padding", cell="nin", loses=2, swap={"stride=2, padding=1": "stride=2"}),
    Mistake(
        "ten classes, whatever the plan",
        cell="nin",
        loses=2,
        code="""
def nin(plan, in_channels=3):
    layers = []
    for widths, kernel_size, stride, padding in plan[:-1]:
        layers += [mlpconv(in_channels, widths, kernel_size, stride, padding), nn.MaxPool2d(3, 2, 1), nn.Dropout(0.5)]
        in_channels = widths[-1]
    widths, kernel_size, stride, padding = plan[-1]
    layers.append(mlpconv(in_channels, (*widths[:-1], 10), kernel_size, stride, padding, last_relu=False))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
""",
    ),
    Mistake(
        "layers are moved instead of copied",
        cell="pooled",
        loses=1,
        swap={"copy.deepcopy(module)": "module"},
    ),
    Mistake(
        "the last module before the head must be the convolution",
        cell="pooled",
        loses=3,
        swap={
            "[module.out_channels for module in features.modules() if isinstance(module, nn.Conv2d)][-1]": (
                "features[-1].out_channels"
            )
        },
    ),
    Mistake(
        "convolutions at the top only",
        cell="pooled",
        loses=1,
        swap={"in features.modules()": "in features"},
    ),
    Mistake(
        "a ReLU behind the new convolution",
        cell="pooled",
        loses=1,
        swap={"*features, head,": "*features, head, nn.ReLU(),"},
    ),
    Mistake(
        "the bias is forgotten",
        cell="class_maps",
        loses=2,
        swap={"[:, :, None, None], dense.bias)": "[:, :, None, None])"},
    ),
    Mistake(
        "the bias is added to each pixel's share, divided by the pixels",
        cell="class_maps",
        loses=2,
        swap={
            "    return F.conv2d(net[:-3](X), dense.weight[:, :, None, None], dense.bias)": (
                "    maps = F.conv2d(net[:-3](X), dense.weight[:, :, None, None])\n"
                "    return maps if dense.bias is None else maps + dense.bias[:, None, None] / maps[0, 0].numel()"
            )
        },
    ),
    Mistake(
        "the logits, spread evenly over the map",
        cell="class_maps",
        loses=2,
        code="""
def class_maps(net, X):
    cut = -3 if isinstance(net[-1], nn.Linear) else -2
    height, width = net[:cut](X).shape[2:]
    return net(X)[:, :, None, None].expand(-1, -1, height, width)
""",
    ),
    Mistake(
        "only what speaks for the class",
        cell="class_maps",
        loses=3,
        swap={"return net[:-2](X)": "return net[:-2](X).relu()"},
    ),
    Mistake(
        "only the last batch counts",
        cell="dead_classes",
        loses=1,
        swap={"for X in batches]).all(dim=0)": "for X in batches])[-1]"},
    ),
    Mistake(
        "0 for some image is enough",
        cell="dead_classes",
        loses=2,
        swap={"(net(X) == 0).all(dim=0)": "(net(X) == 0).any(dim=0)"},
    ),
    Mistake(
        "the logits of a batch are added up first",
        cell="dead_classes",
        loses=1,
        swap={"(net(X) == 0).all(dim=0)": "net(X).sum(dim=0) == 0"},
    ),
    Mistake("negative logits are dead, too", cell="dead_classes", loses=1, swap={"(net(X) == 0)": "(net(X) <= 0)"}),
    Mistake("judges with dropout", cell="dead_classes", loses=1, swap={"    net.eval()\n": ""}),
    Mistake(
        "all factors are measured before any is used",
        cell="keep_signal",
        loses=2,
        code="""
@torch.no_grad()
def keep_signal(net, X):
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    layers = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    stds, hooks = [], []
    for layer in layers:
        if layer.bias is not None:
            layer.bias.zero_()
        hooks.append(layer.register_forward_hook(lambda module, args, output: stds.append(output.std())))
    net(X)
    for layer, std, hook in zip(layers, stds, hooks):
        layer.weight /= std
        hook.remove()
    for module, mode in modes:
        module.training = mode
""",
    ),
    Mistake(
        "divides by the variance",
        cell="keep_signal",
        loses=2,
        swap={"outputs[-1].std()": "outputs[-1].var()"},
    ),
    Mistake(
        "Kaiming's start, which fits on average only",
        cell="keep_signal",
        loses=2,
        code="""
@torch.no_grad()
def keep_signal(net, X):
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
""",
    ),
    Mistake(
        "the biases stay",
        cell="keep_signal",
        loses=2,
        swap={"                layer.bias.zero_()\n": "                pass\n"},
    ),
    Mistake("measures with dropout", cell="keep_signal", loses=1, swap={"    net.eval()\n": ""}),
    Mistake(
        "everything ends in training mode",
        cell="keep_signal",
        loses=1,
        swap={"module.training = mode": "module.training = True"},
    ),
    Mistake("no prediction", cell="predict_window", loses=1, swap={"return 195": "return None"}),
    Mistake(
        "padding is counted as image, inside the network",
        cell="window",
        loses=2,
        swap={
            "max(first * stride - padding, 0)": "first * stride - padding",
            "min(last * stride - padding + k - 1, size - 1)": "last * stride - padding + k - 1",
            "    return first, last": "    return max(first, 0), min(last, image_size - 1)",
        },
    ),
    Mistake(
        "padding is counted as image",
        cell="window",
        loses=2,
        swap={"max(first * stride - padding, 0)": "first * stride - padding"},
    ),
    Mistake(
        "padding is forgotten", cell="window", loses=3, swap={"max(first * stride - padding, 0)": "first * stride"}
    ),
    Mistake(
        "from the first layer to the last",
        cell="window",
        loses=3,
        swap={"zip(reversed(layers), reversed(sizes[:-1]))": "zip(layers, sizes[:-1])"},
    ),
    Mistake(
        "biases are forgotten",
        cell="my_head",
        loses=2,
        swap={"(C * s**2 + 1) * h + (h + 1) * K - (C + 1) * K": "C * s**2 * h + h * K - C * K"},
    ),
    Mistake("the mean square instead of its root", cell="my_factor", loses=2, swap={"** (L / 2)": "** L"}),
    Mistake("the ReLU's half is forgotten", cell="my_factor", loses=2, swap={"n * variance / 2": "n * variance"}),
]
