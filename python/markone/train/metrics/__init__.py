"""Running figures over an epoch, each updated batch by batch from Tensors or arrays; computed in float64."""

from markone.train.metrics.base import Metric, as_numpy
from markone.train.metrics.classification import (
    Accuracy,
    ConfusionMatrix,
    F1Score,
    MeanIoU,
    Perplexity,
    PixelAccuracy,
    Precision,
    Recall,
    TopKAccuracy,
)
from markone.train.metrics.curves import AUROC, AveragePrecision, precision_recall_curve, roc_curve
from markone.train.metrics.detection import MeanAveragePrecision, box_ious, voc_ap
from markone.train.metrics.regression import BLEU, MeanAbsoluteError, MeanSquaredError, R2Score

__all__ = [
    "AUROC",
    "BLEU",
    "Accuracy",
    "AveragePrecision",
    "ConfusionMatrix",
    "F1Score",
    "MeanAbsoluteError",
    "MeanAveragePrecision",
    "MeanIoU",
    "MeanSquaredError",
    "Metric",
    "Perplexity",
    "PixelAccuracy",
    "Precision",
    "R2Score",
    "Recall",
    "TopKAccuracy",
    "as_numpy",
    "box_ious",
    "precision_recall_curve",
    "roc_curve",
    "voc_ap",
]
