"""draw_network and draw_block: the right boxes, the right edges, and nothing over anything else."""

import itertools
from importlib import import_module

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon
from torch import nn
from torch.nn import functional as F

from book.notebooks import definitions
from d2ltorch import draw_block, draw_network, torchvision
from d2ltorch.draw.graph import fuse, trace
from d2ltorch.draw.layout import lay_out
from tests.package.conftest import left_as_found

Residual = torchvision.models.resnet.BasicBlock
Inception = import_module("torchvision.models.googlenet").Inception
DenseBlock, BatchNorm = definitions("densenet")["DenseBlock"], definitions("batch_norm")["BatchNorm"]


def conv(in_channels: int, out_channels: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2)


def conv_relu(*sizes: int) -> nn.Sequential:
    return nn.Sequential(conv(*sizes), nn.ReLU())


class DenseBlockOfLists(DenseBlock):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        outputs = [X]
        for layer in self.layers:
            outputs.append(layer(torch.cat(outputs, 1)))
        return torch.cat(outputs, 1)


class Branching(nn.Sequential):
    """Has layers inside and branches on values."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return super().forward(X) if X.sum() >= 0 else X


class ScaledResidual(nn.Sequential):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X + 0.1 * super().forward(X)


class SqueezeExcite(nn.Sequential):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        scale = super().forward(F.adaptive_avg_pool2d(X, 1).view(X.shape[0], -1))
        return X * scale[:, :, None, None]


shared = conv(8, 8)
projection = nn.Sequential(conv(64, 128, 1, 2), nn.BatchNorm2d(128))
BLOCKS = {
    "Inception": (Inception(192, 64, 96, 128, 16, 32, 32), (1, 192, 28, 28)),
    "residual": (Residual(64, 64), (1, 64, 56, 56)),
    "residual with a 1×1 shortcut": (Residual(64, 128, 2, projection), (1, 64, 56, 56)),
    "dense block": (DenseBlock(4, 64, 32), (1, 64, 24, 24)),
    "dense block of lists": (DenseBlockOfLists(3, 64, 32), (1, 64, 24, 24)),
    "VGG block": (nn.Sequential(*conv_relu(128, 256), *conv_relu(256, 256), nn.MaxPool2d(2)), (1, 128, 28, 28)),
    "own batch norm": (nn.Sequential(nn.Conv2d(1, 6, 5), BatchNorm(6, num_dims=4), nn.Sigmoid()), (1, 1, 28, 28)),
    "squeeze and excite": (SqueezeExcite(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16), nn.Sigmoid()), (1, 16, 7, 7)),
    "scaled residual": (ScaledResidual(*conv_relu(4, 4), conv(4, 4, 1)), (1, 4, 7, 7)),
    "shared layer": (nn.Sequential(shared, nn.ReLU(), shared), (1, 8, 14, 14)),
    "untraceable container": (nn.Sequential(Branching(conv(4, 4)), nn.ReLU()), (1, 4, 7, 7)),
    "one layer": (nn.Conv2d(1, 2, 3), (1, 1, 9, 9)),
}
stem, head = nn.Sequential(*conv_relu(1, 192, 7, 2), nn.MaxPool2d(3, 2, 1)), [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
inception = nn.Sequential(BLOCKS["Inception"][0], nn.MaxPool2d(3, 2, 1))
NETWORKS = {
    "AlexNet": (
        nn.Sequential(
            *[nn.Conv2d(1, 96, 11, 4, 1), nn.ReLU(), nn.MaxPool2d(3, 2), *conv_relu(96, 256, 5), nn.MaxPool2d(3, 2)],
            *[*conv_relu(256, 384), *conv_relu(384, 384), *conv_relu(384, 256), nn.MaxPool2d(3, 2), nn.Flatten()],
            *[nn.Linear(6400, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 10)],
        ),
        (1, 1, 224, 224),
    ),
    "GoogLeNet": (nn.Sequential(stem, inception, nn.Sequential(*head), nn.Linear(256, 10)), (1, 1, 96, 96)),
    "one head": (nn.Sequential(stem, inception, nn.Sequential(*head, nn.Linear(256, 10))), (1, 1, 96, 96)),
    "25 layers": (nn.Sequential(*[conv(1, 1) for _ in range(25)]), (1, 1, 28, 28)),
}
DRAWINGS = [(draw_block, *case) for case in BLOCKS.items()] + [(draw_network, *case) for case in NETWORKS.items()]


def graph(name: str) -> tuple[list, list]:
    boxes = fuse(trace(*BLOCKS[name]))
    return boxes, lay_out(boxes)


@pytest.mark.parametrize(("draw", "name", "case"), DRAWINGS, ids=[name for _, name, _ in DRAWINGS])
def test_drawings_are_narrow_and_nothing_covers_text_or_boxes(draw, name, case) -> None:
    with plt.style.context("d2ltorch.book"):
        assert draw(*case) is None
    assert len(plt.get_fignums()) == 1  # left open, for the notebook to show
    fig = plt.gcf()
    assert fig.get_figwidth() <= 7
    fig.canvas.draw()
    axes = fig.axes[0]
    texts = [text for text in [*axes.texts, *fig.legends] if not hasattr(text, "get_text") or text.get_text()]
    boxes = [patch for patch in axes.patches if isinstance(patch, (FancyBboxPatch, Circle))]
    labels = [text for text in axes.texts if text.get_ha() == "left"]
    for pieces in (texts, boxes + labels):
        extents = [piece.get_window_extent() for piece in pieces]
        for (a, first), (b, second) in itertools.combinations(zip(pieces, extents), 2):
            assert not first.overlaps(second), f"{a} overlaps {b}"
        for extent in extents:
            assert extent.x0 >= -1 and extent.x1 <= fig.bbox.x1 + 1
            assert extent.y0 >= -1 and extent.y1 <= fig.bbox.y1 + 1


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("residual", ["input", "3×3 conv, 64\n+ BN + ReLU", "3×3 conv, 64\n+ BN", "+", "ReLU"]),
        ("own batch norm", ["input", "5×5 conv, 6\n+ BN + Sigmoid"]),
        ("VGG block", ["input", "3×3 conv, 256\n+ ReLU", "3×3 conv, 256\n+ ReLU", "2×2 max pool, /2"]),
        ("shared layer", ["input", "3×3 conv, 8 (shared)\n+ ReLU", "3×3 conv, 8 (shared)"]),
        ("untraceable container", ["input", "Branching\n+ ReLU"]),
        ("squeeze and excite", ["input", "avg pool", "dense, 4\n+ ReLU", "dense, 16\n+ Sigmoid", "×"]),
        ("scaled residual", ["input", "3×3 conv, 4\n+ ReLU", "1×1 conv, 4", "× 0.1", "+"]),
    ],
)
def test_boxes_say_what_runs(name: str, texts: list[str]) -> None:
    assert [box.text for box in graph(name)[0]] == texts


def test_the_inception_block_has_four_straight_branches() -> None:
    boxes, edges = graph("Inception")
    concat = boxes[-1]
    assert concat.kind == "concat" and concat.shape == (256, 28, 28)
    assert [box.shape[0] for box in concat.inputs] == [64, 128, 32, 32]
    assert sorted(box.x for box in concat.inputs) == [box.x for box in concat.inputs]
    assert len({round(box.x, 6) for box in boxes if box.kind in ("conv", "pool")}) == 4
    assert all(edge.lane == float("-inf") for edge in edges)
    texts = [box.text for box in boxes]
    assert "3×3 conv, 32\n+ BN + ReLU" in texts and "3×3 max pool" in texts


def test_an_identity_shortcut_runs_around_the_convolutions() -> None:
    boxes, edges = graph("residual")
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


@pytest.mark.parametrize(
    ("name", "widths", "num_shortcuts"),
    [("dense block", [96, 128, 160, 192], 4), ("dense block of lists", [96, 128, 160], 6)],
)
def test_a_dense_block_is_a_chain_of_concatenations(name, widths, num_shortcuts) -> None:
    boxes, edges = graph(name)
    assert [box.shape[0] for box in boxes if box.kind == "concat"] == widths
    assert boxes[1].text == "BN + ReLU +\n3×3 conv, 32"
    shortcuts = sorted((edge for edge in edges if edge.lane > 0), key=lambda edge: edge.lane)
    assert len(shortcuts) == num_shortcuts
    for inner, outer in itertools.combinations(shortcuts, 2):  # over the same layers each keeps a lane of its own
        if inner.source.layer < outer.target.layer and outer.source.layer < inner.target.layer:
            assert outer.lane - inner.lane > 0.1


def test_every_box_is_labelled_with_its_output_shape() -> None:
    draw_block(*BLOCKS["Inception"], title="Inception")
    axes = plt.gcf().axes[0]
    written = [text.get_text() for text in axes.texts]
    for box in graph("Inception")[0]:
        assert "×".join(map(str, box.shape)) in written
    assert written.count("32×28×28") == 2 and "Inception" in written
    assert sum(isinstance(patch, FancyArrowPatch) for patch in axes.patches) == 4 + 3 + 4 + 1


def test_text_in_boxes_has_the_contrast_of_wcag_aa() -> None:
    def luminance(color) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    draw_block(*BLOCKS["Inception"])
    axes = plt.gcf().axes[0]
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    for box, text in zip(boxes, [text for text in axes.texts if text.get_ha() == "center"], strict=True):
        dark, light = sorted((luminance(box.get_facecolor()[:3]), luminance(text.get_color())))
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def solids(name: str) -> tuple[list[str], list[Polygon], list[str]]:
    """The captions, the front sides and the legend of a network's picture."""
    draw_network(*NETWORKS[name])
    fig = plt.gcf()
    captions = [" ".join(text.get_text().split()) for text in fig.axes[0].texts]
    sides = [patch for patch in fig.axes[0].patches if isinstance(patch, Polygon)]
    return captions, sides[::3], [text.get_text() for text in fig.legends[0].get_texts()]


@pytest.mark.parametrize(
    ("name", "expected", "legend"),
    [
        (
            "AlexNet",
            "input 1×224×224, 11×11 conv 96×54×54, 3×3 max pool 96×26×26, 5×5 conv 256×26×26, 3×3 max pool 256×12×12, "
            "3×3 conv 384×12×12, 3×3 conv 384×12×12, 3×3 conv 256×12×12, 3×3 max pool 256×5×5, dense 4096, dense 10",
            ["input", "conv", "pool", "dense"],
        ),
        (
            "GoogLeNet",
            "input 1×96×96, conv + pool 192×24×24, Inception + pool 256×12×12, global avg pool 256, dense 10",
            ["input", "pool", "dense", "block"],
        ),
        (
            "one head",
            "input 1×96×96, conv + pool 192×24×24, Inception + pool 256×12×12, pool + dense 10",
            ["input", "dense", "block"],
        ),
    ],
)
def test_solids_are_named_after_what_they_hold_with_activations_and_flattening_folded(name, expected, legend) -> None:
    captions, _, kinds = solids(name)
    assert captions == expected.split(", ") and kinds == legend


def test_larger_is_taller_and_more_channels_are_thicker() -> None:
    captions, fronts, _ = solids("AlexNet")
    sizes = [front.get_xy().max(0) - front.get_xy().min(0) for front in fronts]
    first, second, third = [size for caption, size in zip(captions, sizes) if "conv" in caption][:3]
    assert first[1] > second[1] > third[1]
    assert first[0] < second[0] < third[0]
    assert sizes[-2][1] > sizes[-1][1]


def test_the_module_is_left_as_it_was_found() -> None:
    module = Residual(4, 4).train()
    module.bn1.eval()
    with left_as_found(module):
        draw_block(module, (1, 4, 8, 8))
        draw_network(module, (1, 4, 8, 8))


def test_what_cannot_be_drawn_is_explained() -> None:
    with pytest.raises(ValueError, match="module has 71 boxes, too many"):
        draw_block(nn.Sequential(*[nn.Conv2d(1, 1, 1) for _ in range(70)]), (1, 1, 2, 2))
