"""Training: the Trainer, its callbacks and metrics, and checkpoints that survive anything."""

from markone.train.callbacks import (
    EDITOR,
    READER,
    WRITER,
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    LearningCurve,
    Progress,
)
from markone.train.checkpoint import CheckpointError, load_model
from markone.train.metrics import Accuracy, ConfusionMatrix, Metric
from markone.train.nan_guard import NonFiniteError
from markone.train.trainer import Interrupted, Trainer

__all__ = [
    "EDITOR",
    "READER",
    "WRITER",
    "Accuracy",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "ConfusionMatrix",
    "EarlyStopping",
    "Interrupted",
    "LearningCurve",
    "Metric",
    "NonFiniteError",
    "Progress",
    "Trainer",
    "load_model",
]
