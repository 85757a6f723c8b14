"""What a figure is, how methods are drawn everywhere, and the formats it is written in."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from secateur.report.data import DENSE, ReportData, Variant
from secateur.report.format import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 7.2
"""Inches: the text width of an A4 page. Texts are at least 9 points at this width."""

PNG_DPI = 200

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "svg.hashsalt": "secateur",
    "svg.fonttype": "none",
    "text.parse_math": False,  # names are not formulas
    "text.usetex": False,
    "axes.unicode_minus": True,
}


LINES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")
"""Series of one method (another comparison group, say) differ in their lines."""


@dataclass(frozen=True)
class Style:
    """How a method is drawn.

    Args:
        colour: From Okabe and Ito's palette, told apart by colour-blind readers; a method's published form is a darker
            one of the same hue.
        marker: Told apart without colour; a published form's is its method's, turned.
        first: Which of ``LINES`` its first series has.
    """

    colour: str
    marker: str
    first: int = 0

    def lines(self, series: int) -> Literal["-", "--", ":", "-."]:
        """The line of its ``series``-th series."""
        return LINES[(self.first + series) % len(LINES)]


DENSE_STYLE = Style("#000000", "*")

METHOD_STYLES: dict[str, Style] = {
    "random": Style("#E69F00", "s"),
    "random-pia": Style("#8A5F00", "D", 1),
    "magnitude": Style("#0072B2", "^"),
    "magnitude-pia": Style("#003A5C", "v", 1),
    "wanda": Style("#D55E00", "o"),
    "wanda-pia": Style("#7A2E00", "h", 1),
    "sparsegpt": Style("#009E73", "X"),
    "rtn": Style("#56B4E9", "P"),
}
"""The same colour and marker in every figure of every report."""

_SPARE = (
    Style("#882255", "p"),
    Style("#44AA99", "<"),
    Style("#999933", ">"),
    Style("#332288", "8"),
    Style("#661100", "H"),
    Style("#888888", "d"),
)

BROKEN_FACE = "white"
"""A hollow marker is a number that does not say what it is called: broken, or no better than guessing."""


@dataclass(frozen=True)
class Figure:
    """A figure with what must stand beside it.

    Args:
        name: Of its files.
        title: Its heading.
        caption: What to conclude, sentences made from the numbers.
        alt: What is drawn, for those who cannot see it.
        canvas: The drawing; ``None`` where there is nothing to draw.
        empty: Why there is nothing to draw.
    """

    name: str
    title: str
    caption: tuple[str, ...]
    alt: str
    canvas: Canvas | None
    empty: str = ""


@contextmanager
def drawing() -> Iterator[None]:
    """Draw and write inside this: fixed settings, whatever the user's own are, and no state left behind."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)  # type: ignore[arg-type]
        # A name may have characters that the packaged font lacks; it is then shown with boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def canvas(n_rows: int, n_columns: int, *, height: float, **options: Any) -> tuple[Canvas, list[list[Axes]]]:
    """A figure of panels, ``height`` inches tall."""
    figure = Canvas(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **options)
    return figure, [list(row) for row in axes]


def styles(methods: Iterable[str]) -> dict[str, Style]:
    """The style of each method; those not in ``METHOD_STYLES`` get spare ones, in the order of their names."""
    names = set(methods)
    spare = {name: _SPARE[k % len(_SPARE)] for k, name in enumerate(sorted(names - {DENSE, *METHOD_STYLES}))}
    return {name: DENSE_STYLE if name == DENSE else METHOD_STYLES.get(name) or spare[name] for name in names}


def series_of(data: ReportData, model: str) -> dict[str, list[Variant]]:
    """The variants of a model that are drawn as one line, by achieved sparsity; those never made are left out."""
    found: dict[str, list[Variant]] = {}
    for variant in data.of_model(model):
        if not variant.dense and variant.axis is not None:
            found.setdefault(variant.series, []).append(variant)
    return {name: sorted(variants, key=lambda v: v.axis or 0.0) for name, variants in found.items()}


def _settle(figure: Canvas) -> None:
    """Lay the panels out once, for all formats alike."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)  # with any engine, even one that does nothing, writing draws twice


def to_svg(figure: Canvas) -> bytes:
    """The figure as SVG: equal figures give equal bytes."""
    out = io.BytesIO()
    _settle(figure)
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def to_png(figure: Canvas) -> bytes:
    """The figure as PNG: equal figures give equal bytes on the same machine."""
    out = io.BytesIO()
    _settle(figure)
    figure.savefig(out, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return out.getvalue()


FORMATS: dict[str, Callable[[Canvas], bytes]] = {"svg": to_svg, "png": to_png}
"""File ending -> how a figure is written."""

_PROLOG = re.compile(r"\A.*?(?=<svg)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_ID = re.compile(r'(\bid="|href="#|url\(#)')


def inline_svg(svg: bytes, *, name: str, alt: str) -> str:
    """The SVG as part of a page: ids of its own, a title for screen readers, no prolog, comments or metadata."""
    from markupsafe import escape

    text = _COMMENT.sub("", _METADATA.sub("", _PROLOG.sub("", svg.decode("utf-8"))))
    text = _ID.sub(rf"\g<1>{name}-", text)
    label = f'<title id="{name}-title">{escape(clean(alt))}</title>'
    return re.sub(
        r"<svg ([^>]*)>",
        rf'<svg role="img" aria-labelledby="{name}-title" \1>' + label.replace("\\", r"\\"),
        text,
        count=1,
    )
