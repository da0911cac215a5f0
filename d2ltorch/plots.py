"""Pictures: a plot that grows while a network trains, and images side by side."""

from __future__ import annotations

import io
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checks import real_number, require, whole_number

REDRAW_SECONDS = 0.5  # smooth to the eye, cheap beside training
FORMATS = ("-o", "--s", "-.^", ":D", "-v", "--P", "-.X")


class Animator:
    """Plot several curves as their points arrive: one PNG updated in place, or outside a notebook a line a point.

    Args:
        xlabel: label of the common axis.
        ylabel: label of the vertical axis, or one for each panel.
        legend: one name a curve.
        panels: the panel (0, 1, …, from the left) that each curve is drawn in; None for a single panel.
        xlim, ylim, yscale: fixed limits (None follows the data), and "linear" or "log".
        figsize: inches, width first.
        fmts: matplotlib formats, one a curve; different lines and markers stay apart in grey.
        title: a heading above the axes.
    """

    def __init__(
        self,
        xlabel: str | None = None,
        ylabel: str | Sequence[str] | None = None,
        legend: Sequence[str] | None = None,
        panels: Sequence[int] | None = None,
        xlim: tuple[float, float] | None = None,
        ylim: tuple[float, float] | None = None,
        yscale: str = "linear",
        figsize: tuple[float, float] | None = None,
        fmts: Sequence[str] = FORMATS,
        title: str | None = None,
    ) -> None:
        require(yscale in ("linear", "log"), ValueError, f'yscale is {yscale!r}; use "linear" or "log"')
        self.xlabel, self.title, self.status = xlabel, title, ""
        self.ylabels = [ylabel] if ylabel is None or isinstance(ylabel, str) else list(ylabel)
        self.xlim, self.ylim, self.yscale = xlim, ylim, yscale
        self.legend, self.panels, self.fmts = list(legend or []), list(panels or []), list(fmts)
        self.figsize = figsize or ((7.0, 3.0) if self.panels else (6.0, 3.6))
        self.curves: list[tuple[list[float], list[float]]] = []
        self._handle: Any = None
        self._pending: str | None = None  # the line still to print; in a notebook, "not drawn yet"
        self._shell = _notebook_shell()
        self._hooked, self._drawn_at = False, -math.inf

    def add(self, x: float, ys: float | Sequence[float | None] | None, *, status: str | None = None) -> None:
        """Append a point to each curve and redraw, at most twice a second.

        Args:
            x: the common abscissa, usually the epoch.
            ys: one number, or one a curve; None leaves that curve as it is.
            status: a remark in the upper right corner, such as "2 min left".
        """
        try:
            values = list(ys)  # type: ignore[arg-type]
        except TypeError:  # one number, one tensor, or None
            values = [ys]  # type: ignore[list-item]
        if len(values) > len(self.legend) > 0:
            raise ValueError(f"ys has {len(values)} values but legend is {self.legend}")
        while len(self.curves) < len(values):
            self.curves.append(([], []))
        for (xs, points), value in zip(self.curves, values):
            if value is not None:
                xs.append(float(x))
                points.append(float(value))
        if status is not None:
            self.status = status
        self._pending = self._line(x, values)
        if self._shell is None:
            if math.isclose(x, round(x), abs_tol=1e-6):
                self._flush()
            return
        if not self._hooked:  # the cell's last points are drawn even without finish()
            self._shell.events.register("post_execute", self._end_of_cell)
            self._hooked = True
        if time.monotonic() - self._drawn_at >= REDRAW_SECONDS:
            self._flush()

    def finish(self) -> None:
        """Draw (or print) what the redraw limit has held back."""
        if self._pending is not None:
            self._flush()

    def save(self, path: str | Path) -> None:
        """Write the figure to ``path``; the suffix picks the format."""
        self._draw().savefig(path)

    def _flush(self) -> None:
        if self._shell is None:
            print(self._pending, flush=True)
        else:
            from IPython.display import Image, display

            png = io.BytesIO()
            self._draw().savefig(png, format="png")
            image = Image(data=png.getvalue())
            if self._handle is None:
                self._handle = display(image, display_id=True)
            else:
                self._handle.update(image)
        self._pending, self._drawn_at = None, time.monotonic()

    def _draw(self) -> Any:
        # A Figure that pyplot does not know: the inline backend cannot show it a second time.
        from matplotlib.figure import Figure

        figure = Figure(figsize=self.figsize, layout="constrained")
        num_panels = 1 + max(self.panels, default=0)
        all_axes = figure.subplots(1, num_panels, squeeze=False)[0]
        for i, (xs, points) in enumerate(self.curves):
            axes = all_axes[self.panels[i] if i < len(self.panels) else 0]
            label = self.legend[i] if i < len(self.legend) else None
            markevery = max(1, len(xs) // 12)  # past a dozen points the markers hide the line
            axes.plot(xs, points, self.fmts[i % len(self.fmts)], color=f"C{i}", label=label, markevery=markevery)
        for i, axes in enumerate(all_axes):
            ylabel = self.ylabels[min(i, len(self.ylabels) - 1)]
            axes.set(xlabel=self.xlabel, ylabel=ylabel, yscale=self.yscale)
            axes.set_ylim(self.ylim)
            if self.xlim is not None:  # a little room, so that the markers at the ends are whole
                room = 0.02 * (self.xlim[1] - self.xlim[0])
                axes.set_xlim(self.xlim[0] - room, self.xlim[1] + room)
            axes.xaxis.get_major_locator().set_params(integer=self.xlabel == "epoch")
            if self.legend and self.curves:
                axes.legend()
        all_axes[0].set_title(self.title or "", loc="left")
        all_axes[-1].set_title(self.status, loc="right", fontsize="medium", color="#444444")
        return figure

    def _line(self, x: float, values: Sequence[float | None]) -> str:
        names = self.legend or [self.ylabels[0] or "y"] * len(values)
        parts = [f"{name} {value:.4g}" for name, value in zip(names, values) if value is not None]
        remark = f" ({self.status})" if self.status else ""
        return f"{self.xlabel or 'x'} {x:g}: {', '.join(parts)}{remark}"

    def _end_of_cell(self) -> None:
        self._shell.events.unregister("post_execute", self._end_of_cell)
        self._hooked = False
        self.finish()


def _notebook_shell() -> Any:
    """IPython's shell if a notebook kernel runs us, else None (without importing IPython)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if hasattr(shell, "kernel") else None


def show_images(
    images: Tensor | Sequence[Any],
    titles: Sequence[str] | None = None,
    *,
    num_cols: int = 8,
    scale: float = 1.0,
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

    pixels = _as_pixels(images)
    if titles is not None and len(titles) != len(pixels):
        raise ValueError(f"titles has {len(titles)} entries for {len(pixels)} images: give one an image")
    num_cols = min(whole_number("num_cols", num_cols, 1), len(pixels))
    scale = real_number("scale", scale, 1.0)
    require(scale > 0, ValueError, f"scale={scale} draws nothing: give a positive number")
    num_rows = -(-len(pixels) // num_cols)
    width = min(0.87 * scale, 7 / num_cols)  # inches an image
    points = min(12.0, 10 * width / 0.87)
    if titles is not None:  # a letter is about 0.58 of the font size wide; neighbouring captions must not meet
        longest = max(len(line) for title in titles for line in str(title).split("\n"))
        points = max(6.0, min(points, 72 * width / (0.58 * max(1, longest))))
    height = width * pixels.shape[2] / pixels.shape[3] + (points * 1.7 / 72 if titles is not None else 0)
    size = (num_cols * width, num_rows * height)
    figure, axes = plt.subplots(num_rows, num_cols, figsize=size, squeeze=False)
    layout = {"w_pad": 0.02, "h_pad": 0.02, "wspace": 0, "hspace": 0}
    figure.set_layout_engine("constrained", **layout)
    for position, ax in enumerate(axes.flat):
        ax.axis("off")
        if position < len(pixels):
            ax.imshow(_displayable(pixels[position]), cmap="gray", vmin=0, vmax=1)
            if titles is not None:
                ax.set_title(str(titles[position]), fontsize=points, pad=2)


def _as_pixels(images: Tensor | Sequence[Any]) -> Tensor:
    """``images`` as floating point (N, 1 or 3, H, W) on the CPU."""
    if not isinstance(images, Tensor):
        images = torch.stack([torch.as_tensor(image) for image in images])
    images = images.detach().cpu()
    pixels = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    if pixels.ndim == 3:
        pixels = pixels.unsqueeze(1)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or len(pixels) == 0:
        raise ValueError(f"images has the shape {tuple(images.shape)}: give (N, H, W), (N, 1, H, W) or (N, 3, H, W)")
    return pixels


def _displayable(image: Tensor) -> Any:
    """One image (C, H, W) as an array (H, W) or (H, W, 3) in [0, 1]."""
    image = image.permute(1, 2, 0)
    if image.min() < 0 or image.max() > 1:
        image = (image - image.min()) / (image.max() - image.min()).clamp(min=1e-12)
    return image.squeeze(-1).numpy()
