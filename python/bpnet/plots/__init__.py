"""Pictures, by matplotlib (the extra ``plots``), which is imported when the first of them is drawn.

Each function returns a ``matplotlib.figure.Figure`` that a notebook shows without further commands, and writes it to
``path`` where one is given, in the format that its suffix names (``.png``, ``.pdf``, ``.svg``).
"""

from bpnet.plots.boundary import plot_decision_boundary
from bpnet.plots.confusion import plot_confusion_matrix
from bpnet.plots.figure import check_format, require_matplotlib
from bpnet.plots.filters import plot_filters
from bpnet.plots.history import plot_gradient_norms, plot_history
from bpnet.plots.network import plot_network
from bpnet.plots.surface import LossSurface, loss_surface, plot_loss_surface
from bpnet.plots.trace import plot_trace

__all__ = [
    "LossSurface",
    "check_format",
    "loss_surface",
    "plot_confusion_matrix",
    "plot_decision_boundary",
    "plot_filters",
    "plot_gradient_norms",
    "plot_history",
    "plot_loss_surface",
    "plot_network",
    "plot_trace",
    "require_matplotlib",
]
