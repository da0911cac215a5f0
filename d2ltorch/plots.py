"""Pictures: a plot that grows while a network trains, and images side by side."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .checks import real_number, require, whole_number

FORMATS = ("-o", "--s", "-.^", ":D", "-v", "--P", "-.X")  # different lines and markers stay apart in grey


class Animator:
    """Plot several curves as their points arrive: one PNG updated in place, or outside a notebook a line a point.

    Args:
        xlabel: label of the common axis.
        ylabel: label of the vertical axis, or one for each panel.
        legend: one name a curve.
        panels: the panel (0, 1, …, from the left) that each curve is drawn in; None for a single panel.
        xlim: fixed limits of the common axis; None follows the data.
    """

    def __init__(
        self,
        xlabel: str | None = None,
        ylabel: str | Sequence[str] | None = None,
        legend: Sequence[str] = (),
        *,
        panels: Sequence[int] = (),
        xlim: tuple[float, float] | None = None,
    ) -> None:
        self.xlabel, self.xlim, self.panels, self.status = xlabel, xlim, list(panels), ""
        self.legend = [legend] if isinstance(legend, str) else list(legend)
        self.ylabels = [ylabel] if ylabel is None or isinstance(ylabel, str) else list(ylabel)
        self.curves: list[tuple[list[float], list[float]]] = []
        self._handle: Any = None
        ipython = sys.modules.get("IPython")  # which is not imported for this question
        self._in_notebook = ipython is not None and hasattr(ipython.get_ipython(), "kernel")

    def add(self, x: float, ys: Iterable[Any], *, status: str | None = None) -> None:
        """Append a point to each curve and draw; outside a notebook, print a line.

        Args:
            x: the common abscissa, usually the epoch.
            ys: a number for each curve; None leaves that curve as it is.
            status: a remark in the upper right corner, such as "2 min left".
        """
        values = list(ys)
        fits = not self.legend or len(values) <= len(self.legend)
        require(fits, ValueError, f"ys has {len(values)} values but legend is {self.legend}")
        self.curves += [([], []) for _ in range(len(values) - len(self.curves))]
        for (xs, points), value in zip(self.curves, values):
            if value is not None:
                xs.append(float(x))
                points.append(float(value))
        self.status = self.status if status is None else status
        if self._in_notebook:
            self._show()
        else:
            names = self.legend or [self.ylabels[0] or "y"] * len(values)
            parts = [f"{name} {value:.4g}" for name, value in zip(names, values) if value is not None]
            remark = f" ({self.status})" if self.status else ""
            print(f"{self.xlabel or 'x'} {x:g}: {', '.join(parts)}{remark}", flush=True)

    def _show(self) -> None:
        from IPython.display import Image, display

        png, figure = io.BytesIO(), self._draw()
        figure.savefig(png, format="png", dpi=2 * figure.dpi)
        picture = Image(data=png.getvalue(), retina=True)  # at half its pixels: sharp on every screen
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)

    def _draw(self) -> Any:
        # A Figure that pyplot does not know: the inline backend cannot show it a second time.
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.0, 3.0) if self.panels else (6.0, 3.6), layout="constrained")
        panels = figure.subplots(1, 1 + max(self.panels, default=0), squeeze=False)[0]
        for i, (xs, points) in enumerate(self.curves):
            axes = panels[self.panels[i] if i < len(self.panels) else 0]
            label = self.legend[i] if i < len(self.legend) else None
            markevery = max(1, len(xs) // 12)  # past a dozen points the markers hide the line
            axes.plot(xs, points, FORMATS[i % len(FORMATS)], color=f"C{i}", label=label, markevery=markevery)
        for i, axes in enumerate(panels):
            axes.set(xlabel=self.xlabel, ylabel=self.ylabels[min(i, len(self.ylabels) - 1)], xlim=self.xlim)
            axes.xaxis.get_major_locator().set_params(integer=self.xlabel == "epoch")
            if self.legend and self.curves:
                axes.legend()
        panels[-1].set_title(self.status, loc="right", fontsize="medium", color="#444444")
        return figure


def show_images(
    images: Tensor | Sequence[Any], titles: Sequence[str] | None = None, *, num_cols: int = 8, scale: float = 1.0
) -> None:
    """Draw images side by side, in rows of ``num_cols``.

    Args:
        images: (N, H, W) or (N, 1, H, W) in grey, or (N, 3, H, W) in colour, on any device: uint8, or floating point in
            [0, 1]. An image with other values is drawn from its own lowest value (black) to its highest (white).
        titles: one caption an image.
        num_cols: images a row, at least 1. Four or five stay large on a phone's screen.
        scale: 1 makes an image 0.87 inch wide; the figure never grows wider than 7 inches.

    Raises:
        ValueError: images of another shape, or titles of another number.
    """
    import matplotlib.pyplot as plt

    if not isinstance(images, Tensor):
        images = torch.stack([torch.as_tensor(image) for image in images])
    pixels = images.detach().cpu().float() / (255 if images.dtype == torch.uint8 else 1)
    pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels
    fits = pixels.ndim == 4 and pixels.shape[1] in (1, 3) and len(pixels) > 0
    shape = tuple(images.shape)
    require(fits, ValueError, f"images has the shape {shape}: give (N, H, W), (N, 1, H, W) or (N, 3, H, W)")
    captions = [""] * len(pixels) if titles is None else [str(title) for title in titles]
    same = len(captions) == len(pixels)
    require(same, ValueError, f"titles has {len(captions)} entries for {len(pixels)} images: give one an image")
    num_cols = min(whole_number("num_cols", num_cols, 1), len(pixels))
    scale = real_number("scale", scale, 1.0)
    require(scale > 0, ValueError, f"scale={scale} draws nothing: give a positive number")
    num_rows = -(-len(pixels) // num_cols)
    width = min(0.87 * scale, 7 / num_cols)  # inches an image
    # A letter is about 0.64 of the font size wide; neighbouring captions must not meet.
    longest = max(len(line) for caption in captions for line in caption.split("\n"))
    points = max(6.0, min(12.0, 10 * width / 0.87, 72 * width / (0.64 * max(1, longest))))
    height = width * pixels.shape[2] / pixels.shape[3] + (points * 1.7 / 72 if titles is not None else 0)
    figure, grid = plt.subplots(num_rows, num_cols, figsize=(num_cols * width, num_rows * height), squeeze=False)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for axes in grid.flat:
        axes.axis("off")
    for image, caption, axes in zip(pixels.permute(0, 2, 3, 1), captions, grid.flat):  # (H, W, C)
        if image.min() < 0 or image.max() > 1:
            image = (image - image.min()) / (image.max() - image.min()).clamp(min=1e-12)
        axes.imshow(image.squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
        axes.set_title(caption, fontsize=points, pad=2)
