"""Readings turned before a torch net by the alignment in a model's state, carried exactly in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..graph.alignment import ALIGNMENT_STATE
from ..graph.evaluate import Trajectory
from ..graph.fixed_point import IntArray
from ..graph.ops import Align
from .witness import Job


def turned(job: Job, op: Align) -> IntArray:
    """The readings of a job [sequences, longest, *input shape] as the net behind the alignment reads them."""
    x = torch.from_numpy(job.x.astype(np.float64)).reshape(len(job.x), -1, op.channels)
    axes = list(op.axes)
    vectors = x[:, :, axes].reshape(*x.shape[:2], -1, 3)
    sums = torch.einsum("nij,nrsj->nrsi", _rotations(job), vectors)
    x[:, :, axes] = torch.floor(sums + 0.5).clamp(op.output.low, op.output.high).flatten(2)
    found: IntArray = x.reshape(job.x.shape).numpy().astype(np.int64)
    return found


def with_alignment_kept(trajectory: Trajectory, job: Job) -> Trajectory:
    """The states of a net with what is kept of the alignment behind them, the same after every step.

    Before a front-end it is kept as it is; a step clamps it.
    """
    states = trajectory.states
    kept = torch.ldexp(_rotations(job) - torch.eye(3, dtype=torch.float64), torch.tensor(14)).reshape(len(states), 1, 9).numpy()
    if job.model.reads_samples:
        kept = job.states()[ALIGNMENT_STATE].reshape(len(states), 1, 9)
    columns = np.broadcast_to(kept.astype(np.int16), (*states.shape[:2], 9))
    return replace(trajectory, states=np.concatenate([states, columns], axis=2))


def _rotations(job: Job) -> torch.Tensor:
    """Of each sequence, float64 [sequences, 3, 3]."""
    alignment = torch.from_numpy(job.states()[ALIGNMENT_STATE].astype(np.float64)).reshape(-1, 3, 3)
    return (torch.ldexp(alignment, torch.tensor(-14)) + torch.eye(3, dtype=torch.float64)).clamp(-1, 1)
