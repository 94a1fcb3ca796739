"""SVG elements as text, with what comes from a model escaped."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from tinyfoa_rt.names import visible

__all__ = ["circle", "document", "line", "polygon", "polyline", "rect", "text", "text_width"]

Point = tuple[float, float]

_FONT = "Helvetica, Arial, sans-serif"


def document(size: tuple[float, float], title: str, description: str, body: list[str]) -> str:
    """Return a whole SVG file on white ground; ``size`` is width and height in pixels."""
    width, height = (_number(value) for value in size)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="title desc" font-family="{_FONT}" font-size="12" fill="#222222">'
    )
    named = (f'<title id="title">{_escaped(title)}</title>', f'<desc id="desc">{_escaped(description)}</desc>')
    return "\n".join((head, *named, rect(0, 0, *size, fill="#ffffff"), *body, "</svg>")) + "\n"


def rect(x: float, y: float, width: float, height: float, *, tooltip: str | None = None, **style: object) -> str:
    """Return a rectangle; ``style`` holds attributes, ``_`` standing for ``-``."""
    shape = " ".join(f'{k}="{_number(v)}"' for k, v in (("x", x), ("y", y), ("width", width), ("height", height)))
    if tooltip is None:
        return f"<rect {shape}{_attributes(style)}/>"
    return f"<rect {shape}{_attributes(style)}><title>{_escaped(tooltip)}</title></rect>"


def line(start: tuple[float, float], end: tuple[float, float], **style: object) -> str:
    points = zip(("x1", "y1", "x2", "y2"), (*start, *end))
    return f"<line {' '.join(f'{key}={quoteattr(_number(value))}' for key, value in points)}{_attributes(style)}/>"


def polyline(points: Sequence[Point], **style: object) -> str:
    """Return a line through all points, without an area."""
    return f'<polyline points="{_points(points)}" fill="none"{_attributes(style)}/>'


def polygon(points: Sequence[Point], *, tooltip: str | None = None, **style: object) -> str:
    shape = f'<polygon points="{_points(points)}"{_attributes(style)}'
    return f"{shape}/>" if tooltip is None else f"{shape}><title>{_escaped(tooltip)}</title></polygon>"


def circle(center: Point, radius: float, *, tooltip: str, **style: object) -> str:
    shape = " ".join(f'{k}="{_number(v)}"' for k, v in zip(("cx", "cy", "r"), (*center, radius)))
    return f"<circle {shape}{_attributes(style)}><title>{_escaped(tooltip)}</title></circle>"


def text(x: float, y: float, content: str, **style: object) -> str:
    return f'<text x="{_number(x)}" y="{_number(y)}"{_attributes(style)}>{_escaped(content)}</text>'


def text_width(content: str, size: float = 12) -> float:
    """Return about how many pixels ``content`` takes in letters of ``size`` pixels, rather too many than too few."""
    return 0.6 * size * len(content)


def _attributes(style: dict[str, object]) -> str:
    return "".join(f" {key.replace('_', '-')}={quoteattr(str(value))}" for key, value in style.items())


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    """Two decimals are finer than a screen, and keep the file the same on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _escaped(content: str) -> str:
    return escape(visible(content))
