"""Pictures: the Animator, one output in a notebook and a line an epoch elsewhere; and images side by side."""

import io
import itertools
import re

import matplotlib.pyplot as plt
import nbclient
import nbformat
import numpy as np
import pytest
import torch

from d2ltorch import Animator, show_images
from d2ltorch.history import History
from d2ltorch.training import _make_animator

LEGEND = ["train loss", "test acc"]

NOTEBOOK = [
    "from d2ltorch import Animator\nimport matplotlib.pyplot as plt\nplt.style.use('d2ltorch.book')",
    "animator = Animator(xlabel='epoch', legend=['train loss', 'test acc'])\n"
    "for epoch in range(1, 30):\n"
    "    animator.add(epoch, (1 / epoch, None), status=f'{30 - epoch} s left')",
    "print(len(plt.get_fignums()), len(animator.curves[0][0]))",
]


def test_a_notebook_stores_one_png_that_has_the_last_point() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in NOTEBOOK])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    setup, plot, after = (cell.outputs for cell in notebook.cells)
    assert setup == []
    (output,) = plot
    assert output.output_type == "display_data"
    assert output.data["image/png"]
    assert after[0].text == "0 29\n"  # nothing left to pyplot, every point kept and drawn


def test_outside_a_notebook_each_epoch_prints_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    animator = Animator(xlabel="epoch", legend=LEGEND)
    animator.add(1, (0.51234, None), status="2 min left")
    animator.add(2, (0.25, 0.875), status="")
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1: train loss 0.5123 (2 min left)",
        "epoch 2: train loss 0.25, test acc 0.875",
    ]


def test_values_may_be_numbers_arrays_tensors_or_missing() -> None:
    animator = Animator()
    for x, ys in enumerate([[3], [torch.tensor(4.0)], [None], np.array([5.0]), torch.tensor([6.0, 7.0])], start=1):
        animator.add(x, ys)
    assert animator.curves == [([1, 2, 4, 5], [3, 4, 5, 6]), ([5], [7])]
    with pytest.raises(ValueError, match="ys has 3 values but legend"):
        Animator(legend=LEGEND).add(1, (1, 2, 3))


def drawn(animator):
    """The axes of what it shows."""
    figure = animator._draw()
    figure.savefig(io.BytesIO())
    return figure.axes


def test_curves_differ_in_line_and_marker_as_well_as_colour() -> None:
    animator = Animator()
    for x in range(3):
        animator.add(x, range(6))
    lines = drawn(animator)[0].lines
    for look in ("get_color", "get_marker"):
        assert len({getattr(line, look)() for line in lines}) == 6
    assert len({line.get_linestyle() for line in lines[:4]}) == 4


def test_the_figure_has_limits_status_and_each_curve_in_its_panel() -> None:
    style = {"legend": ["a", "b", "c"], "panels": [0, 1, 1], "xlim": (1, 10)}
    animator = Animator(xlabel="epoch", ylabel=["loss", "accuracy"], **style)
    animator.add(1, (2.0, 0.5, 0.4), status="9 s left")
    left, right = drawn(animator)
    assert (left.get_ylabel(), right.get_ylabel()) == ("loss", "accuracy")
    assert [line.get_label() for line in left.lines] == ["a"]
    assert [line.get_label() for line in right.lines] == ["b", "c"]
    assert left.get_xlim() == right.get_xlim() == (1, 10)
    assert right.get_title("right") == "9 s left"


@pytest.mark.parametrize("num_epochs", [1, 3, 10, 100])
def test_the_markers_of_a_training_are_whole_at_both_ends(num_epochs) -> None:
    animator = _make_animator(num_epochs, History())
    for epoch in range(1, num_epochs + 1):
        animator.add(epoch, (1.0, 0.5, 0.6))
    with plt.style.context("d2ltorch.book"):
        panels = drawn(animator)
    for axes in panels:
        (first, _), (last, _) = axes.transData.transform([(1, 0), (num_epochs, 0)])
        radius = max(line.get_markersize() for line in axes.lines) / 2 * axes.figure.dpi / 72
        assert axes.bbox.x0 + radius <= first and last + radius <= axes.bbox.x1


@pytest.mark.parametrize(
    "images",
    [
        torch.rand(10, 28, 28, requires_grad=True),
        torch.rand(10, 3, 12, 20),
        torch.randn(10, 1, 8, 8, dtype=torch.bfloat16) * 9,
        [np.full((5, 5), i) for i in range(10)],
    ],
)
def test_images_are_drawn_in_a_grid(images) -> None:
    titles = [str(i) for i in range(10)]
    assert show_images(images, titles, num_cols=4) is None
    figure = plt.gcf()
    figure.canvas.draw()
    shown = [ax for ax in figure.axes if ax.images]
    assert len(figure.axes) == 12 and [ax.get_title() for ax in shown] == titles
    for ax in shown:
        assert 0 <= ax.images[0].get_array().min() <= ax.images[0].get_array().max() <= 1


def test_neighbouring_captions_do_not_meet() -> None:
    titles = ["ankle boot 100%", "sneaker 57%\n[ankle boot]"] * 2
    show_images(torch.rand(4, 28, 28), titles, num_cols=4, scale=1.4)
    figure = plt.gcf()
    figure.canvas.draw()
    boxes = [ax.title.get_window_extent() for ax in figure.axes]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))


def test_uint8_images_keep_their_brightness() -> None:
    show_images(torch.full((1, 28, 28), 51, dtype=torch.uint8))
    (image,) = plt.gca().images
    assert image.get_array().max() == pytest.approx(0.2)
    assert image.get_clim() == (0, 1)


@pytest.mark.parametrize(("num_cols", "scale"), [(1, 4), (3, 1), (8, 1), (16, 0.5), (16, 4)])
def test_pictures_never_grow_wider_than_the_page(num_cols, scale) -> None:
    show_images(torch.rand(16, 28, 28), num_cols=num_cols, scale=scale)
    assert 0 < plt.gcf().get_size_inches()[0] <= 7.001


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.rand(28, 28)}, "images has the shape (28, 28)"),
        ({"images": torch.rand(4, 2, 28, 28)}, "(4, 2, 28, 28)"),
        ({"images": torch.rand(0, 1, 28, 28)}, "(0, 1, 28, 28)"),
        ({"titles": ["a"]}, "titles has 1 entries for 4 images"),
        ({"num_cols": 0}, "num_cols=0"),
        ({"scale": -1}, "scale=-1"),
    ],
)
def test_pictures_that_cannot_be_drawn(changes, message) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        show_images(**({"images": torch.rand(4, 28, 28)} | changes))
