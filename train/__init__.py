"""Training in torch: the loop, its schedule, metrics, checkpoints and determinism."""

from __future__ import annotations

from .checkpoint import CheckpointFile, encode_net, load_net, save_net
from .determinism import Determinism, make_deterministic
from .early_stopping import BestEpoch
from .evaluate import accuracy, confusion, scores
from .loop import DivergedError, fit
from .memory import keep_freed_memory
from .metrics import EpochReport, Metrics, metrics_file
from .schedule import Schedule, quantize_schedule, train_schedule

__all__ = [
    "BestEpoch",
    "CheckpointFile",
    "Determinism",
    "DivergedError",
    "EpochReport",
    "Metrics",
    "Schedule",
    "accuracy",
    "confusion",
    "encode_net",
    "fit",
    "keep_freed_memory",
    "load_net",
    "make_deterministic",
    "metrics_file",
    "quantize_schedule",
    "save_net",
    "scores",
    "train_schedule",
]
