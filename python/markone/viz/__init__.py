"""Pictures with Matplotlib (`pip install markone[viz]`). Each function returns a Figure; no window is opened.

Figures are made without pyplot: they need no display, leave the user's backend alone and are freed like any
object.
"""

from markone.viz.codes import code_history
from markone.viz.confusion import confusion_table
from markone.viz.curves import learning_curve, learning_rates
from markone.viz.decision import Animation, decision_boundary, decision_history
from markone.viz.descents import descents
from markone.viz.figure import save
from markone.viz.images import images
from markone.viz.landscape import Slice, loss_landscape, loss_slice
from markone.viz.lines import bars, lines, panels
from markone.viz.network import network
from markone.viz.roofline import roofline
from markone.viz.sheets import histogram_pairs, surface
from markone.viz.trials import trials
from markone.viz.variance import activation_variance, layer_variances

__all__ = [
    "Animation",
    "Slice",
    "activation_variance",
    "bars",
    "code_history",
    "confusion_table",
    "decision_boundary",
    "decision_history",
    "descents",
    "histogram_pairs",
    "images",
    "layer_variances",
    "learning_curve",
    "learning_rates",
    "lines",
    "loss_landscape",
    "loss_slice",
    "network",
    "panels",
    "roofline",
    "save",
    "surface",
    "trials",
]
