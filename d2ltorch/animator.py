"""A plot that grows while a network trains: one display in a notebook, elsewhere a line a point."""

from __future__ import annotations

import io
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REDRAW_SECONDS = 0.5  # smooth to the eye, cheap beside training
FORMATS = ("-o", "--s", "-.^", ":D", "-v", "--P", "-.X")


class Animator:
    """Plot several curves as their points arrive, updating one PNG in place.

    Args:
        xlabel, ylabel: axis labels.
        legend: one name per curve.
        xlim, ylim, yscale: fixed limits (None follows the data), and "linear" or "log".
        figsize: inches, width first.
        fmts: matplotlib formats, one per curve; different lines and markers stay apart in grey.
        title: a heading above the axes.
    """

    def __init__(
        self,
        xlabel: str | None = None,
        ylabel: str | None = None,
        legend: Sequence[str] | None = None,
        xlim: tuple[float, float] | None = None,
        ylim: tuple[float, float] | None = None,
        yscale: str = "linear",
        figsize: tuple[float, float] = (6.0, 3.6),
        fmts: Sequence[str] = FORMATS,
        title: str | None = None,
    ) -> None:
        if yscale not in ("linear", "log"):
            raise ValueError(f'yscale is {yscale!r}; use "linear" or "log"')
        self.xlabel, self.ylabel, self.title, self.status = xlabel, ylabel, title, ""
        self.xlim, self.ylim, self.yscale = xlim, ylim, yscale
        self.legend, self.figsize, self.fmts = list(legend or []), figsize, list(fmts)
        self.curves: list[tuple[list[float], list[float]]] = []
        self._fig: Any = None
        self._handle: Any = None
        self._pending: str | None = None  # the line still to print; in a notebook, "not drawn yet"
        self._shell = _notebook_shell()
        self._hooked, self._drawn_at = False, -math.inf

    def add(self, x: float, ys: float | Sequence[float | None] | None, *, status: str | None = None) -> None:
        """Append a point to each curve and redraw, at most twice a second.

        Args:
            x: the common abscissa, usually the epoch.
            ys: one number, or one per curve; None leaves that curve as it is.
            status: a remark in the upper right corner, such as "2 min left".
        """
        try:
            values = list(ys)
        except TypeError:  # one number, one tensor, or None
            values = [ys]
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
        """Write the figure to `path`; the suffix picks the format."""
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

        if self._fig is None:
            self._fig = Figure(figsize=self.figsize, layout="constrained")
        self._fig.clear()
        axes = self._fig.add_subplot()
        for i, (xs, points) in enumerate(self.curves):
            label = self.legend[i] if i < len(self.legend) else None
            markevery = max(1, len(xs) // 12)  # past a dozen points the markers hide the line
            axes.plot(xs, points, self.fmts[i % len(self.fmts)], color=f"C{i}", label=label, markevery=markevery)
        axes.set(xlabel=self.xlabel, ylabel=self.ylabel, yscale=self.yscale)
        axes.set_ylim(self.ylim)
        if self.xlim is not None:  # a little room, so that the markers at the ends are whole
            room = 0.02 * (self.xlim[1] - self.xlim[0])
            axes.set_xlim(self.xlim[0] - room, self.xlim[1] + room)
        axes.xaxis.get_major_locator().set_params(integer=self.xlabel == "epoch")
        axes.set_title(self.title or "", loc="left")
        axes.set_title(self.status, loc="right", fontsize="medium", color="#444444")
        if self.legend and self.curves:
            axes.legend()
        return self._fig

    def _line(self, x: float, values: Sequence[float | None]) -> str:
        names = self.legend or [self.ylabel or "y"] * len(values)
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
