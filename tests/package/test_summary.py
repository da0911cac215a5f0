"""layer_summary: known counts, torchinfo as the oracle, and a network left as it was found."""

import io
import re
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torchinfo
from torch import nn
from torch.nn import functional as F

from d2ltorch import layer_summary, torchvision
from tests.package.conftest import left_as_found

IMAGE = (1, 3, 224, 224)
REFERENCE = {  # parameters of torchvision's networks with 1000 classes
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "googlenet": 6_624_904,
    "resnet18": 11_689_512,
    "densenet121": 7_978_856,
}


def small_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.Sequential(nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 8, 3, stride=2)),
        nn.Flatten(),
        nn.Linear(8 * 2 * 2, 10),
    )


@pytest.mark.parametrize("name", REFERENCE)
def test_torchvision_networks_have_the_published_counts(name: str) -> None:
    extra = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):  # shapes without weights cost nothing to run
        net = getattr(torchvision.models, name)(**extra)
    summary = layer_summary(net, IMAGE)
    assert summary.total_params == REFERENCE[name]
    assert summary.total_params == sum(row.num_params for row in summary.rows)
    assert summary.total_mult_adds == sum(row.mult_adds for row in summary.rows)
    assert summary.total_mult_adds == torchinfo.summary(net, IMAGE, device="meta", verbose=0).total_mult_adds


def test_a_convolution_by_hand() -> None:
    conv = nn.Conv2d(3, 8, kernel_size=5, stride=2, padding=2)
    summary = layer_summary(nn.Sequential(conv), (1, 3, 32, 48))
    (row,) = summary.rows
    assert (row.name, row.kind, row.output_shape) == ("0", "Conv2d", (1, 8, 16, 24))
    assert row.num_params == 3 * 8 * 5 * 5 + 8
    assert row.mult_adds == (3 * 5 * 5 + 1) * 8 * 16 * 24  # the bias counts as one of the 76
    assert layer_summary(nn.Sequential(conv), (4, 3, 32, 48)).total_mult_adds == 4 * row.mult_adds
    assert [row.num_params for row in layer_summary(conv, (1, 3, 8, 8)).rows] == [608]  # a layer is a network, too


def test_rows_open_up_with_depth_and_totals_do_not_change() -> None:
    net = small_net()
    flat, deep = layer_summary(net, (2, 1, 8, 8)), layer_summary(net, (2, 1, 8, 8), depth=2)
    assert [row.name for row in flat.rows] == ["0", "1", "2", "3", "4"]
    assert [row.name for row in deep.rows] == ["0", "1", "2.0", "2.1", "2.2", "3", "4"]
    assert deep.rows[4].kind == "Conv2d" and deep.rows[4].output_shape == (2, 8, 2, 2)
    assert (flat.total_params, flat.total_mult_adds) == (deep.total_params, deep.total_mult_adds)
    assert flat.rows[2].mult_adds == deep.rows[4].mult_adds


def test_a_shared_module_has_its_parameters_counted_once_and_its_work_at_each_use() -> None:
    conv, relu = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()
    net = nn.Sequential(conv, relu, conv, nn.Sequential(relu, conv))
    summary = layer_summary(net, (1, 4, 5, 5))
    once = 4 * 4 * 9 + 4
    assert [row.name for row in summary.rows] == ["0", "1", "2", "3"]
    assert [row.num_params for row in summary.rows] == [once, 0, 0, 0]
    assert [row.mult_adds for row in summary.rows] == [once * 25, 0, once * 25, once * 25]
    assert summary.total_params == once
    assert summary.total_mult_adds == 3 * once * 25


def test_parameters_outside_the_rows_get_a_row() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))
            self.unused, self.used = nn.Linear(2, 2), nn.Linear(3, 3)

        def forward(self, X: torch.Tensor) -> torch.Tensor:
            return self.used(X) * self.scale

    summary = layer_summary(Scaled(), (1, 3))
    assert [(row.name, row.num_params) for row in summary.rows] == [("used", 12), ("(no layer)", 9)]
    assert summary.total_params == 21


class Wilful(nn.Module):
    """Updates its buffers and draws random numbers in any mode, as own layers sometimes do."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        self.mean = self.mean + 1
        self.mean += torch.rand(3)
        return F.dropout(X, 0.5, training=True)


def test_the_network_is_left_as_it_was_found_also_by_a_failure_and_a_wilful_layer() -> None:
    net = small_net().train()
    net[1].eval()
    net[4].weight.grad = torch.ones_like(net[4].weight)
    with left_as_found(net):
        layer_summary(net, (1, 1, 8, 8))
    with left_as_found(net), pytest.raises(ValueError):
        layer_summary(net, (1, 1, 30, 30))
    assert torch.equal(net[4].weight.grad, torch.ones_like(net[4].weight))
    assert net[0].weight.grad is None
    wilful = Wilful()
    with left_as_found(wilful):
        layer_summary(wilful, (2, 3))


def test_networks_of_other_types_and_sizes_in_numpy_numbers_work() -> None:
    net = small_net().double()
    summary = layer_summary(net, np.array([1, 1, 8, 8]), depth=np.int64(1))
    assert summary.total_params == 4 * 9 + 4 + 8 + 296 + 330 and summary.input_size == (1, 1, 8, 8)
    assert net[0].weight.dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_network_on_the_gpu_stays_there() -> None:
    net, rng = small_net().cuda(), torch.cuda.get_rng_state()
    on_cpu = layer_summary(small_net(), (1, 1, 8, 8))
    assert repr(layer_summary(net, (1, 1, 8, 8))) == repr(on_cpu)
    assert net[0].weight.is_cuda
    assert torch.equal(torch.cuda.get_rng_state(), rng)


def test_the_table_keeps_to_76_columns() -> None:
    class AVeryLongNameForAModuleThatHoldsAConvolution(nn.Sequential):
        pass

    block = AVeryLongNameForAModuleThatHoldsAConvolution(nn.Conv2d(1, 10_000, 7, padding=3))
    lines = repr(layer_summary(nn.Sequential(block), (100, 1, 1, 1))).splitlines()
    assert max(map(len, lines)) == 76
    assert "…" in lines[2]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"input_size": (1, 3, 8, 8)}, ValueError, "it takes 1 channels and got 3; make input_size[1] 1"),
        ({"net": nn.Conv2d(np.int64(3), 8, 3)}, ValueError, "it takes 3 channels and got 1; make input_size[1] 3"),
        ({"input_size": (1, 1, 12, 12)}, ValueError, "Linear (4) received the shape (1, 128); it takes 32 features"),
        ({"input_size": (1, 1, 4, 4)}, ValueError, "its window (3, 3) does not fit; give input_size a larger height"),
        (
            {"net": nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(3))},
            ValueError,
            "it normalises 3 channels and got 4",
        ),
        ({"net": nn.Sequential(nn.LazyConv2d(4, 3))}, ValueError, "lazy layer without weights (0.weight)"),
        ({"net": nn.Conv2d(1, 10, 3), "input_size": (1, 8, 8)}, ValueError, "input_size=(1, 8, 8) has 3 numbers: give"),
        ({"net": nn.Linear(3, 2), "input_size": (3,)}, ValueError, "input_size=(3,) has 1 numbers: give batch and siz"),
        ({"input_size": (1, 0, 4, 4)}, ValueError, "input_size=0 is too small"),
        ({"input_size": 8}, TypeError, "input_size=8 is not a sequence"),
        ({"depth": 0}, ValueError, "depth=0"),
        ({"net": small_net}, TypeError, "net=<function small_net"),
    ],
)
def test_what_does_not_fit_or_cannot_be_meant_is_explained(changes: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)):
        layer_summary(**({"net": small_net(), "input_size": (1, 1, 8, 8)} | changes))


def test_errors_that_are_not_about_shapes_are_passed_on() -> None:
    class Broken(nn.Module):
        def forward(self, X: torch.Tensor) -> torch.Tensor:
            return X.no_such_method()

    with pytest.raises(AttributeError, match="no_such_method"):
        layer_summary(nn.Sequential(Broken()), (1, 3))


def test_activation_bytes_are_what_backward_needs() -> None:
    net = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    summary = layer_summary(net, (2, 10))
    # Both linear layers keep their input; the ReLU's output is the second one's input: kept once.
    assert summary.activation_bytes(1) == 4 * (10 + 20)
    assert summary.activation_bytes(64) == 64 * 4 * (10 + 20)
    assert layer_summary(net.double(), (1, 10)).activation_bytes(1) == 4 * (10 + 20)
    with pytest.raises(ValueError, match="batch_size=0"):
        summary.activation_bytes(0)


def test_plot_draws_two_labelled_panels() -> None:
    assert layer_summary(small_net(), (1, 1, 8, 8)).plot() is None
    assert len(plt.get_fignums()) == 1
    parameters, mult_adds = plt.gcf().axes
    assert parameters.get_title("left") + parameters.get_title() == "parameters: 674"
    assert mult_adds.get_title("left") + mult_adds.get_title() == "multiply-adds: 2.96 k"
    names = [tick.get_text() for tick in parameters.get_yticklabels()]
    assert names == ["0 Conv2d", "1 BatchNorm2d", "2 Sequential", "4 Linear"]
    assert [bar.get_width() for bar in mult_adds.patches] == [1440, 8, 1184, 330]


def test_a_table_prints_under_windows_code_page(monkeypatch) -> None:
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="cp1252", write_through=True))
    print(layer_summary(nn.Linear(4, 2), (1, 4)))
    assert "-----" in output.getvalue().decode("cp1252") and "1×2" in output.getvalue().decode("cp1252")
