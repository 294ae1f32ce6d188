"""Training: the Trainer, its callbacks and metrics, and checkpoints that survive anything."""

from markone.train.callbacks import (
    EDITOR,
    READER,
    WRITER,
    Callback,
    Checkpoint,
    EarlyStopping,
    LearningCurve,
    Progress,
)
from markone.train.checkpoint import CheckpointError, load_model
from markone.train.diagnosis import Diagnosis, diagnose
from markone.train.ema import EMA
from markone.train.interruption import Interrupted
from markone.train.loggers import CSVLogger, JSONLogger, TensorBoardLogger
from markone.train.metrics import Accuracy, ConfusionMatrix, Metric
from markone.train.nan_guard import NonFiniteError, trace_non_finite
from markone.train.rate_finder import LRFinder, lr_find
from markone.train.summary import Summary, summary
from markone.train.trainer import Trainer

__all__ = [
    "EDITOR",
    "EMA",
    "READER",
    "WRITER",
    "Accuracy",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "ConfusionMatrix",
    "Diagnosis",
    "EarlyStopping",
    "Interrupted",
    "JSONLogger",
    "LRFinder",
    "LearningCurve",
    "Metric",
    "NonFiniteError",
    "Progress",
    "Summary",
    "TensorBoardLogger",
    "Trainer",
    "diagnose",
    "load_model",
    "lr_find",
    "summary",
    "trace_non_finite",
]
