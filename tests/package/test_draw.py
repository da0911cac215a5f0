"""draw_network and draw_block: the right boxes, the right edges, and no text over other text."""

import itertools

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch
from torch import nn
from torch.nn import functional as F

from d2ltorch import draw_block, draw_network
from d2ltorch.draw.graph import fuse, trace
from d2ltorch.draw.layout import lay_out
from d2ltorch.draw.pictures import COLORS, _stages, _tint


class Inception(nn.Module):
    def __init__(self, in_channels: int, c1: int, c2: tuple, c3: tuple, c4: int) -> None:
        super().__init__()
        self.b1 = nn.Conv2d(in_channels, c1, 1)
        self.b2_1, self.b2_2 = nn.Conv2d(in_channels, c2[0], 1), nn.Conv2d(c2[0], c2[1], 3, padding=1)
        self.b3_1, self.b3_2 = nn.Conv2d(in_channels, c3[0], 1), nn.Conv2d(c3[0], c3[1], 5, padding=2)
        self.b4_1, self.b4_2 = nn.MaxPool2d(3, 1, 1), nn.Conv2d(in_channels, c4, 1)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        b2 = F.relu(self.b2_2(F.relu(self.b2_1(X))))
        b3 = F.relu(self.b3_2(F.relu(self.b3_1(X))))
        return torch.cat((F.relu(self.b1(X)), b2, b3, F.relu(self.b4_2(self.b4_1(X)))), dim=1)


class Residual(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)
        self.shortcut = None
        if stride > 1 or in_channels != out_channels:
            conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(out_channels))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        Y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(X)))))
        Y += X if self.shortcut is None else self.shortcut(X)
        return F.relu(Y)


class Bottleneck(nn.Module):
    def __init__(self, in_channels: int, num_channels: int) -> None:
        super().__init__()
        sizes = [(in_channels, num_channels, 1), (num_channels, num_channels, 3), (num_channels, in_channels, 1)]
        layers = [(nn.Conv2d(i, o, k, padding=k // 2), nn.BatchNorm2d(o), nn.ReLU()) for i, o, k in sizes]
        self.net = nn.Sequential(*itertools.chain(*layers))[:-1]

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return F.relu(X + self.net(X))


def dense_layer(in_channels: int, growth_rate: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(), nn.Conv2d(in_channels, growth_rate, 3, padding=1))


class DenseBlock(nn.Module):
    def __init__(self, num_layers: int, in_channels: int, growth_rate: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(dense_layer(in_channels + i * growth_rate, growth_rate) for i in range(num_layers))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            X = torch.cat((X, layer(X)), dim=1)
        return X


class DenseBlockOfLists(DenseBlock):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        outputs = [X]
        for layer in self.layers:
            outputs.append(layer(torch.cat(outputs, 1)))
        return torch.cat(outputs, 1)


class BatchNorm(nn.Module):
    """From scratch, with a forward that torch.fx cannot trace."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, num_features, 1, 1))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X * self.gamma if X.abs().max() >= 0 else X


class Branching(nn.Module):
    """Has a layer inside and branches on values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.conv(X) if X.sum() >= 0 else X


class ScaledResidual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X + 0.1 * self.block(X)


class SqueezeExcite(nn.Module):
    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(num_channels, 4), nn.ReLU(), nn.Linear(4, num_channels), nn.Sigmoid())

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        scale = self.fc(F.adaptive_avg_pool2d(X, 1).view(X.shape[0], -1))
        return X * scale[:, :, None, None]


def vgg_block(num_convs: int, in_channels: int, out_channels: int) -> nn.Sequential:
    layers = []
    for i in range(num_convs):
        layers += [nn.Conv2d(in_channels if i == 0 else out_channels, out_channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2, 2))


def nin_block(in_channels: int, out_channels: int, kernel_size: int, stride: int, padding: int) -> nn.Sequential:
    convs = [nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding), nn.ReLU()]
    convs += [nn.Conv2d(out_channels, out_channels, 1), nn.ReLU(), nn.Conv2d(out_channels, out_channels, 1), nn.ReLU()]
    return nn.Sequential(*convs)


def googlenet() -> nn.Sequential:
    stem = nn.Sequential(nn.Conv2d(1, 192, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    inception = Inception(192, 64, (96, 128), (16, 32), 32)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(stem, nn.Sequential(inception, nn.MaxPool2d(3, 2, 1)), head, nn.Linear(256, 10))


shared = nn.Conv2d(8, 8, 3, padding=1)
BLOCKS = {
    "Inception": (Inception(192, 64, (96, 128), (16, 32), 32), (1, 192, 28, 28)),
    "residual": (Residual(64, 64), (1, 64, 56, 56)),
    "residual with a 1×1 shortcut": (Residual(64, 128, 2), (1, 64, 56, 56)),
    "two residual blocks": (nn.Sequential(Residual(8, 8), Residual(8, 16, 2)), (1, 8, 28, 28)),
    "bottleneck": (Bottleneck(256, 64), (1, 256, 14, 14)),
    "dense block": (DenseBlock(4, 64, 32), (1, 64, 24, 24)),
    "dense block of lists": (DenseBlockOfLists(3, 64, 32), (1, 64, 24, 24)),
    "VGG block": (vgg_block(2, 128, 256), (1, 128, 28, 28)),
    "NiN block": (nin_block(1, 96, 11, 4, 0), (1, 1, 224, 224)),
    "own batch norm": (nn.Sequential(nn.Conv2d(1, 6, 5), BatchNorm(6), nn.Sigmoid()), (1, 1, 28, 28)),
    "squeeze and excite": (SqueezeExcite(16), (1, 16, 7, 7)),
    "scaled residual": (ScaledResidual(), (1, 4, 7, 7)),
    "shared layer": (nn.Sequential(shared, nn.ReLU(), shared), (1, 8, 14, 14)),
    "untraceable container": (nn.Sequential(Branching(), nn.ReLU()), (1, 4, 7, 7)),
    "one layer": (nn.Conv2d(1, 2, 3), (1, 1, 9, 9)),
}
alexnet_like = nn.Sequential(
    *[nn.Conv2d(1, 96, 11, 4, 1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(96, 256, 5, padding=2), nn.ReLU()],
    *[nn.MaxPool2d(3, 2), nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1)],
    *[nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()],
    *[nn.Linear(6400, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 10)],
)
NETWORKS = {
    "AlexNet": (alexnet_like, (1, 1, 224, 224)),
    "GoogLeNet": (googlenet(), (1, 1, 96, 96)),
    "perceptron": (nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)), (1, 1, 28, 28)),
    "25 layers": (nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(25)]), (1, 1, 28, 28)),
}
DRAWINGS = [(draw_block, *case) for case in BLOCKS.items()] + [(draw_network, *case) for case in NETWORKS.items()]


def graph(name: str) -> tuple[list, list]:
    boxes = fuse(trace(*BLOCKS[name]))
    return boxes, lay_out(boxes)


@pytest.mark.parametrize(("draw", "name", "case"), DRAWINGS, ids=[name for _, name, _ in DRAWINGS])
def test_drawings_are_narrow_and_no_text_covers_text(draw, name, case) -> None:
    before = len(plt.get_fignums())
    with plt.style.context("d2ltorch.book"):
        assert draw(*case) is None
    fig = plt.gcf()
    assert len(plt.get_fignums()) == before + 1  # left open, for the notebook to show
    assert fig.get_figwidth() <= 7
    fig.canvas.draw()
    axes = fig.axes[0]
    texts = [text for text in [*axes.texts, *fig.legends] if not hasattr(text, "get_text") or text.get_text()]
    extents = [text.get_window_extent() for text in texts]
    for (a, first), (b, second) in itertools.combinations(zip(texts, extents), 2):
        assert not first.overlaps(second), f"{a} overlaps {b}"
    for extent in extents:
        assert extent.x0 >= -1 and extent.x1 <= fig.bbox.x1 + 1
        assert extent.y0 >= -1 and extent.y1 <= fig.bbox.y1 + 1
    plt.close(fig)


@pytest.mark.parametrize("name", BLOCKS)
def test_boxes_do_not_overlap_and_labels_stay_clear_of_them(name: str) -> None:
    boxes, _ = graph(name)
    for a, b in itertools.combinations(boxes, 2):
        if a.layer == b.layer:
            a, b = sorted((a, b), key=lambda box: box.x)
            assert a.x + a.reach[1] < b.x - b.half
        else:
            upper, lower = sorted((a, b), key=lambda box: box.layer)
            assert upper.bus > lower.y + lower.height / 2


def test_the_inception_block_has_four_straight_branches() -> None:
    boxes, edges = graph("Inception")
    concat = boxes[-1]
    assert concat.kind == "concat" and concat.shape == (256, 28, 28)
    assert [box.shape[0] for box in concat.inputs] == [64, 128, 32, 32]
    assert sorted(box.x for box in concat.inputs) == [box.x for box in concat.inputs]
    columns = {round(box.x, 6) for box in boxes if box.kind in ("conv", "pool")}
    assert len(columns) == 4
    assert all(edge.lane == float("-inf") for edge in edges)
    texts = [box.text for box in boxes]
    assert "5×5 conv, 32\n+ ReLU" in texts and "3×3 max pool" in texts


def test_an_identity_shortcut_runs_around_the_convolutions() -> None:
    boxes, edges = graph("residual")
    assert [box.text for box in boxes] == ["input", "3×3 conv, 64\n+ BN + ReLU", "3×3 conv, 64\n+ BN", "+", "ReLU"]
    (shortcut,) = [edge for edge in edges if edge.lane > 0]
    assert (shortcut.source.text, shortcut.target.text) == ("input", "+")
    assert shortcut.lane > max(box.x + box.reach[1] for box in boxes if 0 < box.layer <= 3)
    assert len({round(box.x, 6) for box in boxes}) == 1


def test_a_1x1_shortcut_is_a_branch() -> None:
    boxes, edges = graph("residual with a 1×1 shortcut")
    assert "1×1 conv, 128, /2\n+ BN" in [box.text for box in boxes]
    assert all(edge.lane == float("-inf") for edge in edges)
    (merge,) = [box for box in boxes if box.kind == "merge"]
    left, right = sorted(box.x for box in merge.inputs)
    assert left < merge.x < right


def test_a_dense_block_is_a_chain_of_concatenations() -> None:
    boxes, edges = graph("dense block")
    assert [box.shape[0] for box in boxes if box.kind == "concat"] == [96, 128, 160, 192]
    assert boxes[1].text == "BN + ReLU +\n3×3 conv, 32"
    assert sum(edge.lane > 0 for edge in edges) == 4


def test_shortcuts_over_the_same_layers_keep_their_own_lanes() -> None:
    boxes, edges = graph("dense block of lists")
    assert [box.shape[0] for box in boxes if box.kind == "concat"] == [96, 128, 160]
    lanes = sorted(edge.lane for edge in edges if edge.lane > 0)
    assert len(lanes) == 6
    assert all(b - a > 0.1 for a, b in itertools.pairwise(lanes))


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("own batch norm", ["input", "5×5 conv, 6\n+ BN + Sigmoid"]),
        ("VGG block", ["input", "3×3 conv, 256\n+ ReLU", "3×3 conv, 256\n+ ReLU", "2×2 max pool, /2"]),
        ("shared layer", ["input", "3×3 conv, 8 (shared)\n+ ReLU", "3×3 conv, 8 (shared)"]),
        ("untraceable container", ["input", "Branching\n+ ReLU"]),
        ("squeeze and excite", ["input", "avg pool", "dense, 4\n+ ReLU", "dense, 16\n+ Sigmoid", "×"]),
        ("scaled residual", ["input", "3×3 conv, 4\n+ ReLU", "1×1 conv, 4", "× 0.1", "+"]),
        ("one layer", ["input", "3×3 conv, 2"]),
    ],
)
def test_boxes_say_what_runs(name: str, texts: list[str]) -> None:
    assert [box.text for box in graph(name)[0]] == texts


def test_every_box_is_labelled_with_its_output_shape() -> None:
    module, size = BLOCKS["Inception"]
    draw_block(module, size, title="Inception")
    written = [text.get_text() for text in plt.gcf().axes[0].texts]
    for box in graph("Inception")[0]:
        assert "×".join(map(str, box.shape)) in written
    assert written.count("32×28×28") == 2
    arrows = [patch for patch in plt.gcf().axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 4 + 3 + 4 + 1
    assert "Inception" in written
    plt.close()


def test_stages_fold_activations_and_flattening_into_the_layer_before() -> None:
    stages = _stages(*NETWORKS["AlexNet"])
    kinds = ["input", "conv", "pool", "conv", "pool", "conv", "conv", "conv", "pool", "dense", "dense"]
    assert [stage.kind for stage in stages] == kinds
    assert stages[1].shape == (96, 54, 54)
    assert stages[8].shape == (256, 5, 5)  # before the flattening
    assert [stage.shape for stage in stages[-2:]] == [(4096,), (10,)]


def test_larger_is_taller_and_more_channels_are_thicker() -> None:
    stages = _stages(*NETWORKS["AlexNet"])
    convs = [stage for stage in stages if stage.kind == "conv"]
    assert convs[0].height > convs[1].height > convs[2].height
    assert convs[0].width < convs[1].width < convs[2].width
    assert stages[-2].height > stages[-1].height


def test_containers_are_named_after_what_they_hold() -> None:
    net, size = NETWORKS["GoogLeNet"]
    net = nn.Sequential(*net[:-2], nn.Sequential(*net[-2], net[-1]))
    head = _stages(net, size)[-1]
    assert (head.kind, head.label.replace("\u00a0", " "), head.shape) == ("dense", "pool + dense", (10,))
    stages = [(stage.kind, stage.label.replace("\u00a0", " ")) for stage in _stages(*NETWORKS["GoogLeNet"])]
    expected = [("input", "input"), ("block", "conv + pool"), ("block", "Inception + pool")]
    assert stages == [*expected, ("pool", "global avg pool"), ("dense", "dense")]


def test_text_stands_out_from_its_box() -> None:
    def luminance(color) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for color in COLORS.values():
        assert (luminance(_tint(color, 0.22)) + 0.05) / (luminance("black") + 0.05) >= 4.5
    assert (luminance("white") + 0.05) / (luminance("#333333") + 0.05) >= 4.5


def test_the_module_is_left_as_it_was_found() -> None:
    module = Residual(4, 4).train()
    module.bn1.eval()
    modes = [part.training for part in module.modules()]
    state = {name: value.clone() for name, value in module.state_dict().items()}
    rng = torch.get_rng_state()
    draw_block(module, (1, 4, 8, 8))
    draw_network(module, (1, 4, 8, 8))
    plt.close("all")
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), rng)


def test_what_cannot_be_drawn_is_explained() -> None:
    with pytest.raises(ValueError, match=r"Conv2d \(conv1\) received the shape \(1, 3, 8, 8\); it takes 64"):
        draw_block(Residual(64, 64), (1, 3, 8, 8))
    with pytest.raises(ValueError, match="module has 71 boxes, too many"):
        draw_block(nn.Sequential(*[nn.Conv2d(1, 1, 1) for _ in range(70)]), (1, 1, 2, 2))


def test_the_style_is_found_by_its_name() -> None:
    with plt.style.context("d2ltorch.book"):
        assert plt.rcParams["figure.dpi"] * 7 == 840
        cycle = [entry["color"] for entry in plt.rcParams["axes.prop_cycle"]]
        assert [color.strip("#") for color in cycle[:2]] == ["0072B2", "D55E00"]
        assert to_rgb(plt.rcParams["figure.facecolor"]) == (1, 1, 1)
        assert plt.rcParams["font.size"] >= 9
