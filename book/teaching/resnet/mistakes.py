"""Wrong answers that students give in the week of ResNet, and the points that each must lose."""

from book.teaching.weeks import Mistake

MISTAKES = [
    Mistake(
        "ReLU on the branch, then the sum",
        cell="Residual",
        loses=2,
        swap={"return F.relu(self.shortcut(X) + self.branch(X))": "return self.shortcut(X) + F.relu(self.branch(X))"},
    ),
    Mistake(
        "a 1×1 convolution on every shortcut",
        cell="Residual",
        loses=1,
        swap={"if stride == 1 and in_channels == out_channels:": "if False:"},
    ),
    Mistake(
        "convolutions keep their biases",
        cell="Residual",
        loses=3,
        swap={
            "out_channels, 3, stride, padding=1, bias=False": "out_channels, 3, stride, padding=1",
            "nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)": (
                "nn.Conv2d(out_channels, out_channels, 3, padding=1)"
            ),
        },
    ),
    Mistake(
        "the shortcut asks for the channels only, not for the stride",
        cell="Residual",
        loses=3,
        swap={"if stride == 1 and in_channels == out_channels:": "if in_channels == out_channels:"},
    ),
    Mistake(
        "batch norm is forgotten",
        cell="resnet_params",
        loses=3,
        swap={" + 2 * n * 2 * wide": "", " + 2 * channels": "", "channels * wide + 2 * wide": "channels * wide"},
    ),
    Mistake(
        "four stages whatever the list says",
        cell="resnet_params",
        loses=2,
        swap={"return total + (channels + 1) * num_classes": "return total + 513 * num_classes"},
    ),
    Mistake(
        "the first stage has a shortcut with weights, too",
        cell="resnet_params",
        loses=3,
        swap={"if wide != channels:": "if True:"},
    ),
    Mistake(
        "the input has one channel",
        cell="resnet_params",
        loses=2,
        swap={"49 * in_channels * channels": "49 * channels"},
    ),
    Mistake(
        "everything in the new blocks is zero and frozen, so they never wake up",
        cell="grow",
        loses=2,
        swap={
            "nn.init.zeros_(block.bn2.weight)": (
                "for p in block.parameters():\n            nn.init.zeros_(p).requires_grad_(False)"
            )
        },
    ),
    Mistake("nothing is zeroed", cell="grow", loses=3, swap={"nn.init.zeros_(block.bn2.weight)": "pass"}),
    Mistake(
        "the blocks of the stage are shared",
        cell="grow",
        loses=1,
        swap={"copy.deepcopy(block)": "block"},
    ),
    Mistake(
        "all zeros behind",
        cell="pad_shortcut",
        loses=3,
        swap={"front = missing // 2": "front = 0"},
    ),
    Mistake(
        "the odd channel of zeros in front",
        cell="pad_shortcut",
        loses=2,
        swap={"front = missing // 2": "front = (missing + 1) // 2"},
    ),
    Mistake(
        "pools instead of skipping",
        cell="pad_shortcut",
        loses=3,
        swap={"X[:, :, ::stride, ::stride]": "F.avg_pool2d(X, stride)"},
    ),
    Mistake(
        "backward() adds to the parameters' gradients",
        cell="gradient_norms",
        loses=1,
        code="""
def gradient_norms(layers, X, dY):
    streams = [X.detach().clone().requires_grad_()]
    for layer in layers:
        streams.append(layer(streams[-1]))
        streams[-1].retain_grad()
    streams[-1].backward(dY)
    return [stream.grad.norm().item() for stream in streams]
""",
    ),
    Mistake(
        "the loss is the sum of the outputs, whatever dY says",
        cell="gradient_norms",
        loses=2,
        swap={"streams, dY": "streams, torch.ones_like(dY)"},
    ),
    Mistake(
        "from the output to the input",
        cell="gradient_norms",
        loses=4,
        swap={"streams, dY)]": "streams, dY)][::-1]"},
    ),
    Mistake(
        "the branch is silenced, and stays",
        cell="drop",
        loses=4,
        code="""
def drop(net, stage, block):
    cut = copy.deepcopy(net)
    nn.init.zeros_(cut[stage][block].bn2.weight)
    nn.init.zeros_(cut[stage][block].bn2.bias)
    return cut
""",
    ),
    Mistake(
        "taken out of the network itself",
        cell="drop",
        loses=4,
        swap={"cut = copy.deepcopy(net)": "cut = net"},
    ),
    Mistake(
        "no ReLU behind the shortcut that is left",
        cell="drop",
        loses=2,
        swap={"[nn.Sequential(shortcut, nn.ReLU())]": "[shortcut]"},
    ),
    Mistake(
        "the copy is shallow",
        cell="drop",
        loses=1,
        swap={"cut = copy.deepcopy(net)": "cut = nn.Sequential(*net)"},
    ),
    Mistake(
        "the branch still ends in a ReLU",
        cell="repaired",
        loses=1,
        swap={"Y = block.bn2(block.conv2(Y))": "Y = F.relu(block.bn2(block.conv2(Y)))"},
    ),
    Mistake(
        "the sum goes into the shortcut's output, which is X itself",
        cell="repaired",
        loses=1,
        swap={"return F.relu(block.shortcut(X) + Y)": "Z = block.shortcut(X)\n    Z += Y\n    return F.relu(Z)"},
    ),
    Mistake(
        "the shortcut is left out",
        cell="repaired",
        loses=1,
        swap={"block.shortcut(X) + Y": "X + Y"},
    ),
    Mistake("the shortcut is not counted", cell="my_block", loses=2, swap={" + a * b + 6 * b": " + 4 * b"}),
    Mistake(
        "all ways are counted", cell="my_paths", loses=2, code='def my_paths():\n    return 2 ** my_paths_numbers["n"]'
    ),
    Mistake("no prediction", cell="predict_growth", loses=1, swap={"return 1e15": "return None"}),
]
