"""A float classifier on statistics of readings that are turned: which calibration of a worn device is worth what."""

from __future__ import annotations

import numpy as np
import torch
from alignment_data import AXES, CHANNELS, Worn

from rescomp.graph.fixed_point import FloatArray, IntArray

FOLDS, EPOCHS_OF_CLASSIFIER = 7, 12


def basis(up: FloatArray, forward: FloatArray) -> FloatArray:
    """Rows: up, the part of `forward` across it, and what stands on both."""
    across = forward - (forward @ up) * up
    across = across / np.linalg.norm(across)
    return np.stack([up, across, np.cross(up, across)])


def directions(walk: IntArray) -> tuple[FloatArray, FloatArray]:
    """(the mean direction of acceleration, the main direction of what is across it), of either sign."""
    mean = walk[:, AXES[:3]].mean(axis=0)
    up = mean / np.linalg.norm(mean)
    deviation = walk[:, AXES[:3]] - mean
    across = deviation - np.outer(deviation @ up, up)
    main: FloatArray = np.linalg.eigh(across.T @ across)[1][:, -1]
    return up, main


def turned_to_both(side: Worn, reference: FloatArray) -> tuple[FloatArray, float]:
    """(readings turned by the mean and the main horizontal direction to those of all recordings, how alike the latter are: 0 to 1)."""
    found, up = {each: directions(walk) for each, walk in side.walks.items()}, reference / np.linalg.norm(reference)
    z = np.array([0, 0, 1.0])
    doubled = {each: np.exp(2j * np.arctan2(*(basis(own, z)[1:] @ main)[::-1])) for each, (own, main) in found.items()}
    mean = np.mean(list(doubled.values()))
    forward = np.array([np.cos(np.angle(mean) / 2), np.sin(np.angle(mean) / 2)]) @ basis(up, z)[1:]
    x = side.x.astype(float)
    for each, (own, main) in found.items():
        rotation = basis(up, forward).T @ basis(own, main if main @ forward > 0 else -main)
        for first in range(0, CHANNELS, 3):
            axes = list(AXES[first : first + 3])
            rows = side.recording == each
            x[np.ix_(rows, range(x.shape[1]), axes)] = side.x[rows][:, :, axes] @ rotation.T
    return x, float(np.abs(mean))


def features_of(x: FloatArray | IntArray) -> FloatArray:
    """Means and logarithms of mean deviations: [windows, 18]."""
    mean = x.mean(axis=1)
    return np.concatenate([mean, np.log2(np.abs(x - mean[:, None]).mean(axis=1) + 0.1)], axis=1)


def classifier_accuracy(features: FloatArray, side: Worn) -> float:
    """Of a float net of 48 units, on subjects held out in FOLDS ways: the mean over the folds, calibrating windows left out."""
    subjects = np.unique(side.subject)
    np.random.default_rng(0).shuffle(subjects)
    y, found = torch.from_numpy(side.y), []
    for fold in range(FOLDS):
        held = np.isin(side.subject, subjects[fold::FOLDS])
        scaled = (features - features[~held].mean(axis=0)) / features[~held].std(axis=0)
        x, tested = torch.from_numpy(scaled.astype(np.float32)), torch.from_numpy(held & ~side.calibrating)
        net = _classifier(x, y, torch.from_numpy(np.flatnonzero(~held)), fold)
        found.append(float((net(x[tested]).argmax(dim=1) == y[tested]).float().mean()))
    return float(np.mean(found))


def _classifier(x: torch.Tensor, y: torch.Tensor, rows: torch.Tensor, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 48), torch.nn.ReLU(), torch.nn.Linear(48, 2))
    optimizer = torch.optim.Adam(net.parameters(), 0.01, weight_decay=1e-4)
    for _ in range(EPOCHS_OF_CLASSIFIER):
        for batch in rows[torch.randperm(len(rows))].split(256):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return net
