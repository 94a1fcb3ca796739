"""What a reader sees of a chart, as text: labels in reading order, and shapes with their places in percent of the plot.

Margins, gaps and the size of the picture are not in it, colours only as far as they tell series apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from xml.etree import ElementTree as ET

__all__ = ["structure_of"]

_SVG = "{http://www.w3.org/2000/svg}"
_GROUND = "#f7f7f7"  # the fill of the rectangle that a plot is drawn on
_LINE = 12  # pixels of a line of text: a label beside the lower edge has its baseline below it


@dataclass(frozen=True)
class _Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def x_percent(self, x: float) -> int | None:
        return _percent(x - self.left, self.right - self.left)

    def y_percent(self, y: float) -> int | None:
        return _percent(self.bottom - y, self.bottom - self.top)


def structure_of(svg: str) -> str:
    """Return the structure of an SVG text as lines: labels first, then shapes in the order in which they are drawn."""
    root = ET.fromstring(svg)
    heads = [f"{child.tag.removeprefix(_SVG)}: {child.text}" for child in root if child.tag in (f"{_SVG}title", f"{_SVG}desc")]
    plots = [_box(each) for each in root.iter(f"{_SVG}rect") if each.get("fill") == _GROUND]
    return "\n".join([*heads, *_labels(root, plots), *_Shapes(root, plots).lines()]) + "\n"


def _percent(part: float, whole: float) -> int | None:
    """Percent, or None where it is outside; coordinates are rounded to hundredths of a pixel."""
    return round(100 * part / whole) + 0 if -0.02 <= part <= whole + 0.02 else None


def _box(element: ET.Element) -> _Box:
    x, y, width, height = (float(element.attrib[key]) for key in ("x", "y", "width", "height"))
    return _Box(x, y, x + width, y + height)


def _labels(root: ET.Element, plots: list[_Box]) -> list[str]:
    """Each label with the side of the plots on which it stands; a side is read line by line."""
    rows = sorted({(plot.top, plot.bottom) for plot in plots})
    found = []
    for element in root.iter(f"{_SVG}text"):
        x, y = float(element.attrib["x"]), float(element.attrib["y"])
        styles = {"font-weight": " bold", "transform": " slanted"}
        kind = "label" + "".join(name for key, name in styles.items() if key in element.attrib)
        found.append((*_side(x, y, plots, rows), y, x, kind, element.text))
    return [f"{kind}, {side}: {text}" for _, side, _, _, kind, text in sorted(found)]


def _side(x: float, y: float, plots: list[_Box], rows: list[tuple[float, float]]) -> tuple[int, str]:
    """Order and name of the place of a label, by the row of plots that is nearest."""
    if not rows:
        return 0, "alone"
    index = min(range(len(rows)), key=lambda i: max(rows[i][0] - y, y - rows[i][1], 0))
    top, bottom = rows[index]
    if not top <= y <= bottom + _LINE:
        return (3 * index, f"above {index + 1}") if y < top else (3 * index + 2, f"below {index + 1}")
    row = [plot for plot in plots if plot.top == top]
    side = "left of" if x < row[0].left else "right of" if x > row[-1].right else "in"
    return 3 * index + 1, f"{side} {index + 1}"


class _Shapes:
    """Says of each shape where it lies in its plot, or beside which label it stands."""

    def __init__(self, root: ET.Element, plots: list[_Box]) -> None:
        self._root = root
        self._plots = plots
        self._texts = [(float(t.attrib["x"]), float(t.attrib["y"]), t.text) for t in root.iter(f"{_SVG}text")]
        self._colors: dict[str, int] = {}

    def lines(self) -> list[str]:
        describe = {"rect": self._rect, "line": self._line, "circle": self._circle, "polyline": self._path, "polygon": self._path}
        shapes = [each for each in self._root if each.tag.removeprefix(_SVG) in describe]
        assert len(shapes) + len(self._texts) + 2 == len(self._root), "a kind of element that is not read"
        return [self._styled(each, describe[each.tag.removeprefix(_SVG)](each)) for each in shapes[1:]]  # the first is the paper

    def _styled(self, element: ET.Element, place: str) -> str:
        color = element.get("fill") if element.get("fill", "none") != "none" else element.get("stroke")
        number = self._colors.setdefault(str(color), len(self._colors) + 1)
        kind = element.tag.removeprefix(_SVG) + (" dashed" if "stroke-dasharray" in element.attrib else "")
        tooltip = element.find(f"{_SVG}title")
        return f"{kind}, colour {number}{place}" + ("" if tooltip is None else f": {tooltip.text}")

    def _plot_at(self, x: float, y: float) -> _Box | None:
        """The plot around a point, else one that is above or below it or beside it."""
        inside = [p for p in self._plots if p.x_percent(x) is not None and p.y_percent(y) is not None]
        across = [p for p in self._plots if p.x_percent(x) is not None or p.y_percent(y) is not None]
        return next(iter(inside + across), None)

    def _rect(self, element: ET.Element) -> str:
        box = _box(element)
        if element.get("fill") == _GROUND:
            return f", plot {self._plots.index(box) + 1}"
        plot = self._plot_at((box.left + box.right) / 2, (box.top + box.bottom) / 2)
        ys = (plot.y_percent(box.bottom), plot.y_percent(box.top)) if plot else (None, None)
        if plot is None or (ys == (None, None) and element.find(f"{_SVG}title") is None):
            return self._beside(box.right, box.bottom)
        xs = (plot.x_percent(box.left), plot.x_percent(box.right))
        return f", x {xs[0]} to {xs[1]} %" + (f", y {ys[0]} to {ys[1]} %" if ys != (None, None) else "")

    def _line(self, element: ET.Element) -> str:
        x1, y1, x2, y2 = (float(element.attrib[key]) for key in ("x1", "y1", "x2", "y2"))
        plot = self._plot_at((x1 + x2) / 2, (y1 + y2) / 2)
        is_level = y1 == y2
        place = None if plot is None else plot.y_percent(y1) if is_level else plot.x_percent(x1)
        if place is None:
            return self._beside(x2, y2) if is_level else ""
        return f", {'y' if is_level else 'x'} {place} %"

    def _circle(self, element: ET.Element) -> str:
        return f", at {self._point(float(element.attrib['cx']), float(element.attrib['cy']))}"

    def _path(self, element: ET.Element) -> str:
        pairs = [pair.split(",") for pair in element.attrib["points"].split()]
        return ", through " + " ".join(self._point(float(x), float(y)) for x, y in pairs)

    def _point(self, x: float, y: float) -> str:
        plot = self._plot_at(x, y)
        assert plot is not None, "a point outside of all plots"
        return f"{plot.x_percent(x)},{plot.y_percent(y)}"

    def _beside(self, x: float, y: float) -> str:
        """The nearest label."""
        return f", beside {min(self._texts, key=lambda text: hypot(text[0] - x, text[1] - y))[2]}"
