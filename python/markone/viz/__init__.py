"""Pictures with Matplotlib (`pip install markone[viz]`). Each function returns a Figure; no window is opened.

Figures are made without pyplot: they need no display, leave the user's backend alone and are freed like any
object.
"""

from markone.viz.confusion import confusion_table
from markone.viz.curves import learning_curve, learning_rates
from markone.viz.decision import Animation, decision_boundary, decision_history
from markone.viz.figure import save
from markone.viz.images import images
from markone.viz.lines import bars, lines, panels
from markone.viz.network import network
from markone.viz.sheets import histogram_pairs, image_sheet, surface

__all__ = [
    "Animation",
    "bars",
    "confusion_table",
    "decision_boundary",
    "decision_history",
    "histogram_pairs",
    "image_sheet",
    "images",
    "learning_curve",
    "learning_rates",
    "lines",
    "network",
    "panels",
    "save",
    "surface",
]
