"""Wrong answers that students give in the week of LeNet, and the points that each must lose."""

from book.teaching.weeks import Mistake

MISTAKES = [
    Mistake(
        "turns the kernel round, as mathematics does",
        cell="cross_correlate",
        loses=3,
        swap={"(kernels * window)": "(kernels.flip(2, 3) * window)"},
    ),
    Mistake(
        "the bias is added once for each channel",
        cell="cross_correlate",
        loses=2,
        swap={"+ bias\n": "+ len(X) * bias\n"},
    ),
    Mistake(
        "stride skips windows but not in the size of the map",
        cell="cross_correlate",
        loses=2,
        swap={"(size - k) // stride + 1": "size - k + 1"},
    ),
    Mistake(
        "as many columns as rows",
        cell="cross_correlate",
        loses=2,
        swap={
            "height, width = ((size - k) // stride + 1 for size in X.shape[1:])": (
                "height = width = (X.shape[1] - k) // stride + 1"
            )
        },
    ),
    Mistake(
        "calls PyTorch",
        cell="cross_correlate",
        loses=2,
        code="""
def cross_correlate(X, kernels, bias, padding=0, stride=1):
    return F.conv2d(X.unsqueeze(0), kernels, bias, padding=padding, stride=stride)[0]
""",
    ),
    Mistake("the dense layer of 28 × 28", cell="lenet", loses=2, swap={"16 * side * side": "16 * 5 * 5"}),
    Mistake(
        "the side is rounded once, at the end",
        cell="lenet",
        loses=2,
        swap={"(image_size // 2 - 4) // 2": "round(image_size / 4) - 2"},
    ),
    Mistake(
        "an activation after the last layer, as behind every other",
        cell="lenet",
        loses=2,
        swap={"nn.Linear(84, num_classes),": "nn.Linear(84, num_classes), activation(),"},
    ),
    Mistake("biases are forgotten", cell="lenet_cost", loses=3, swap={"sum(weights) + num_biases": "sum(weights)"}),
    Mistake(
        "each weight is used once",
        cell="lenet_cost",
        loses=3,
        swap={"[image_size**2, inner**2, 1, 1, 1]": "[1, 1, 1, 1, 1]"},
    ),
    Mistake(
        "the maps are counted after pooling",
        cell="lenet_cost",
        loses=3,
        swap={"[image_size**2, inner**2,": "[(image_size // 2) ** 2, (inner // 2) ** 2,"},
    ),
    Mistake(
        "the chapter's maps, whatever the image",
        cell="lenet_cost",
        loses=2,
        swap={"[image_size**2, inner**2,": "[28**2, 10**2,"},
    ),
    Mistake(
        "the softmax stays",
        cell="fit",
        loses=3,
        swap={"F.cross_entropy(net(X), y)": "F.cross_entropy(net(X).softmax(1), y)"},
    ),
    Mistake("gradients are never cleared", cell="fit", loses=1, swap={"            optimizer.zero_grad()\n": ""}),
    Mistake(
        "means of batch means",
        cell="fit",
        loses=1,
        swap={
            "loss.item() * len(y)": "loss.item()",
            "num_trained += len(y)": "num_trained += 1",
            "== y).sum().item()": "== y).float().mean().item()",
            "num_tested += len(y)": "num_tested += 1",
        },
    ),
    Mistake(
        "back to training mode once, before all epochs",
        cell="fit",
        loses=1,
        swap={"        net.train()\n": "", "    history = []\n": "    history = []\n    net.train()\n"},
    ),
    Mistake("tests in training mode", cell="fit", loses=1, swap={"        net.eval()\n": ""}),
    Mistake(
        "the logarithm of ten, whatever the classes",
        cell="diagnose",
        loses=1,
        swap={"math.log(logits.shape[1])": "math.log(10)"},
    ),
    Mistake(
        "a small gradient counts as none",
        cell="diagnose",
        loses=2,
        swap={"if gradient.any()": "if gradient.abs().max() > 1e-2"},
    ),
    Mistake(
        "backward() adds to the stored gradients",
        cell="diagnose",
        loses=1,
        swap={
            "(gradient,) = torch.autograd.grad(loss, next(net.parameters()))": (
                "net.zero_grad()\n    loss.backward()\n    gradient = next(net.parameters()).grad"
            )
        },
    ),
    Mistake(
        "any layer with a gradient will do",
        cell="diagnose",
        loses=2,
        swap={
            "(gradient,) = torch.autograd.grad(loss, next(net.parameters()))": (
                "gradient = torch.autograd.grad(loss, list(net.parameters()))[-1]"
            )
        },
    ),
    Mistake(
        "over all numbers instead of over the images",
        cell="signal",
        loses=2,
        swap={"output.std(dim=0).mean()": "output.std()"},
    ),
    Mistake(
        "only the layers at the top",
        cell="signal",
        loses=1,
        swap={"in net.named_modules():": "in net.named_children():"},
    ),
    Mistake("the hooks stay", cell="signal", loses=1, swap={"        hook.remove()\n": "        pass\n"}),
    Mistake("left in evaluation mode", cell="signal", loses=1, swap={"    net.train(was_training)\n": ""}),
    Mistake(
        "the ½ behind the tanh is forgotten",
        cell="as_tanh",
        loses=2,
        swap={"                    layer.bias += layer.weight.flatten(1).sum(dim=1) / 2\n": ""},
    ),
    Mistake(
        "weights are halved before they move the bias",
        cell="as_tanh",
        loses=2,
        swap={"layer.weight.flatten(1).sum(dim=1) / 2": "layer.weight.flatten(1).sum(dim=1) / 4"},
    ),
    Mistake(
        "tanh in the place of sigmoid, and that is all",
        cell="as_tanh",
        loses=3,
        code="""
def as_tanh(net):
    return nn.Sequential(*(nn.Tanh() if isinstance(layer, nn.Sigmoid) else layer for layer in net))
""",
    ),
    Mistake("works on the network itself", cell="as_tanh", loses=1, swap={"twin = copy.deepcopy(net)": "twin = net"}),
    Mistake(
        "the trained coefficients of the poolings are forgotten",
        cell="lenet5_cost",
        loses=3,
        swap={" + 2 * num_maps + c3 + 2 * len(table)": " + c3"},
    ),
    Mistake(
        "all maps feed all maps",
        cell="lenet5_cost",
        loses=3,
        swap={"25 * len(inputs) + 1": "25 * num_maps + 1"},
    ),
    Mistake("always sixteen maps", cell="lenet5_cost", loses=2, swap={"120 * (25 * len(table) + 1)": "120 * 401"}),
    Mistake("the dense layer without biases", cell="my_saving", loses=2, swap={"(c * n**2 + 1)": "c * n**2"}),
    Mistake(
        "the larger class is always right, so the rest is the loss",
        cell="my_plateau",
        loses=2,
        swap={"-sum(share * math.log(share) for share in shares)": "-math.log(max(shares))"},
    ),
    Mistake("no prediction", cell="predict_signal", loses=1, swap={"return 256": "return None"}),
]
