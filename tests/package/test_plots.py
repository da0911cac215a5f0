"""The Animator: one output in a notebook, a line an epoch elsewhere, and no side effects."""

import random

import matplotlib.pyplot as plt
import nbclient
import nbformat
import numpy as np
import pytest
import torch

from d2ltorch import Animator

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
    animator.add(1, 3)
    animator.add(2, torch.tensor(4.0))
    animator.add(3, None)
    animator.add(4, np.array([5.0]))
    animator.add(5, torch.tensor([6.0, 7.0]))
    assert animator.curves == [([1, 2, 4, 5], [3, 4, 5, 6]), ([5], [7])]


def test_curves_differ_in_line_and_marker_as_well_as_colour() -> None:
    animator = Animator()
    for x in range(3):
        animator.add(x, range(6))
    lines = animator._draw().axes[0].lines
    for look in ("get_color", "get_marker"):
        assert len({getattr(line, look)() for line in lines}) == 6
    assert len({line.get_linestyle() for line in lines[:4]}) == 4


def test_save_writes_the_figure_with_limits_and_status(tmp_path) -> None:
    animator = Animator(xlabel="epoch", legend=LEGEND, xlim=(1, 10))
    animator.add(1, (1.5, 0.5), status="9 s left")
    animator.save(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000
    axes = animator._draw().axes[0]
    assert axes.get_title("right") == "9 s left"
    assert axes.get_xlim() == (1, 10)


def test_drawing_leaves_random_state_and_pyplot_alone(tmp_path) -> None:
    states = torch.get_rng_state(), random.getstate()
    legacy = np.random.get_state()[1].tolist()  # noqa: NPY002 - the state that a stray call would move
    figures = plt.get_fignums()
    animator = Animator()
    animator.add(1, 2.0)
    animator.save(tmp_path / "curve.png")
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == legacy  # noqa: NPY002
    assert plt.get_fignums() == figures


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="ys has 3 values but legend"):
        Animator(legend=LEGEND).add(1, (1, 2, 3))


def test_each_curve_goes_to_its_panel():
    animator = Animator(xlabel="epoch", ylabel=["loss", "accuracy"], legend=["a", "b", "c"], panels=[0, 1, 1])
    animator.add(1, (2.0, 0.5, 0.4))
    left, right = animator._draw().axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("loss", "accuracy")
    assert [line.get_label() for line in left.lines] == ["a"]
    assert [line.get_label() for line in right.lines] == ["b", "c"]
