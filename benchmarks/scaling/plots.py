"""A figure for each axis: time and memory against size, as SVG. Needs the extra `benchmarks`."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.measuring.figures import cost
from benchmarks.measuring.results import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which differ for the colour-blind too; dark enough on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A6A00", "#56B4E9", "#000000")
_MARKERS = "osD^vPX"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and sharp at any size
    "svg.hashsalt": "tfartifacts",  # the same figures give the same file
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
}


def write(curves: Sequence[Curve], folder: str, *, kind: str = "svg") -> list[str]:
    """One file for each axis that was measured; gives their names, in order."""
    import matplotlib as mpl

    names = []
    with mpl.rc_context(_STYLE):
        os.makedirs(folder, exist_ok=True)
        for axis in dict.fromkeys(curve.axis for curve in curves if curve.points):
            figure = _figure(axis, [c for c in curves if c.axis == axis and c.points])
            name = f"{axis.replace(' ', '-')}.{kind}"
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(os.path.join(folder, name), format=kind, metadata=metadata)
            names.append(name)
    return names


def _figure(axis: str, curves: Sequence[Curve]) -> Figure:
    """Time on the left with a guide to what is linear, peak memory on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    _panel(left, axis, curves, "seconds", [[cost(p.runs) for p in c.points] for c in curves])
    _guide(left, curves)
    memory = [[max(r.peak_bytes for r in p.runs) / 2**20 for p in c.points] for c in curves]
    _panel(right, axis, curves, "peak memory, MiB", memory)
    right.set_ylim(bottom=min(8.0, *(min(values) for values in memory)))
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _panel(
    axes: Axes, axis: str, curves: Sequence[Curve], what: str, values: Sequence[Sequence[float]]
) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    for number, (curve, costs) in enumerate(zip(curves, values, strict=True)):
        axes.plot(
            [point.size for point in curve.points],
            costs,
            color=_COLOURS[number % len(_COLOURS)],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=5,
            linewidth=1.6,
            label=curve.work,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(axis)
    axes.set_title(what, loc="left", fontsize=10)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = (pick(map(pick, values)) for pick in (min, max))
    # Less than two decades would have one label or none.
    if high < 100 * low:
        axes.yaxis.set_minor_formatter(FuncFormatter(_some))
        axes.tick_params(axis="y", which="minor", labelsize=8)
    else:
        axes.yaxis.set_minor_locator(NullLocator())


def _guide(axes: Axes, curves: Sequence[Curve]) -> None:
    """A dashed line of slope one above the rest: what is steeper is more than linear."""
    sizes = [point.size for curve in curves for point in curve.points]
    first, last = min(sizes), max(sizes)
    bottom, _ = axes.get_ylim()
    top = max(cost(curve.points[-1].runs) for curve in curves) * 1.6
    axes.plot(
        [first, last],
        [top * first / last, top],
        color="#888888",
        linestyle=(0, (5, 4)),
        linewidth=1.2,
        label="linear: ten times the size, ten times the time",
        zorder=1,
    )
    axes.set_ylim(bottom, top * 1.2)


def _short(value: float) -> str:
    """`0.01`, `100`, `10 k`, `1 M`."""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def _some(value: float, _: int) -> str:
    """Twice and five times the powers of ten."""
    digit = round(value / 10 ** math.floor(math.log10(value)))
    return _short(value) if digit in {2, 5} else ""
