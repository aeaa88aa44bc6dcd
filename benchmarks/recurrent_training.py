"""Seconds a training epoch of recurrent layers: ours with its hand-written backward pass, plain loops, and torch's own.

    python benchmarks/recurrent_training.py [--batches 74] [--repeats 20] [--threads 1 2]

One epoch: `batches` updates of forward, backward and Adam on random data of batch 100, T = 128, D = 9, H = 80 (UCI HAR has 7,352
windows: 74 batches). The variants take turns, batch by batch, so that a busy machine slows all alike; the median batch counts.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from rescomp.models import build
from rescomp.recipe import ModelSection

HIDDEN, STEPS, CHANNELS, BATCH, CLASSES = 80, 128, 9, 100, 2
REFERENCE = "FastGRNN, ours"


class PlainFastGrnn(nn.Module):
    """The FastGRNN cell without formats, its loop over time differentiated by autograd. Gives the last state [batch, hidden]."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(0.1 * torch.randn(HIDDEN, CHANNELS))
        self.u = nn.Parameter(0.1 * torch.randn(HIDDEN, HIDDEN))
        self.gate_bias, self.candidate_bias = (nn.Parameter(torch.ones(HIDDEN)) for _ in range(2))
        self.zeta, self.nu = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(-4.0))

    def step(self, x: Tensor, h: Tensor) -> Tensor:
        p = x @ self.w.T + h @ self.u.T
        z, c = torch.sigmoid(p + self.gate_bias), torch.tanh(p + self.candidate_bias)
        return (torch.sigmoid(self.zeta) * (1 - z) + torch.sigmoid(self.nu)) * c + z * h


class AppendedStates(PlainFastGrnn):
    """States appended to a list."""

    def forward(self, x: Tensor) -> Tensor:
        states = [x.new_zeros(len(x), HIDDEN)]
        for t in range(x.shape[1]):
            states.append(self.step(x[:, t], states[-1]))
        return torch.stack(states)[-1]


class WrittenSlices(PlainFastGrnn):
    """States written into slices of one result tensor, as EdgeML's released code does."""

    def forward(self, x: Tensor) -> Tensor:
        states = x.new_zeros(x.shape[1], len(x), HIDDEN)
        h = x.new_zeros(len(x), HIDDEN)
        for t in range(x.shape[1]):
            h = self.step(x[:, t], h)
            states[t] = h
        return states[-1]


class Classifier(nn.Module):
    """A module that gives the last state, and class scores."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.last, self.scores = last, nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.last(x))


class LastOutput(nn.Module):
    """torch.nn.GRU or torch.nn.LSTM: the last output."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.layer = kind(CHANNELS, HIDDEN, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0][:, -1]


class Ours(nn.Module):
    """A net of rescomp, all sequences of full length."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.net = build(ModelSection(kind=kind, hidden_size=HIDDEN), CHANNELS, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x, torch.full((len(x),), x.shape[1]))


VARIANTS: dict[str, Callable[[], nn.Module]] = {
    REFERENCE: lambda: Ours("fastgrnn"),
    "FastRNN, ours": lambda: Ours("fastrnn"),
    "GRU, ours": lambda: Ours("gru"),
    "LSTM, ours": lambda: Ours("lstm"),
    "FastGRNN, plain loop, list of states": lambda: Classifier(AppendedStates()),
    "FastGRNN, plain loop, slices of a result": lambda: Classifier(WrittenSlices()),
    "torch.nn.GRU": lambda: Classifier(LastOutput(nn.GRU)),
    "torch.nn.LSTM": lambda: Classifier(LastOutput(nn.LSTM)),
}


def updates(make: Callable[[], nn.Module]) -> Iterator[float]:
    """The seconds of one update after the other."""
    torch.manual_seed(0)
    net = make()
    optimizer = torch.optim.Adam(net.parameters())
    x, y = torch.randn(BATCH, STEPS, CHANNELS), torch.randint(CLASSES, (BATCH,))
    while True:
        start = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        yield time.perf_counter() - start


def measure(threads: int, count: int) -> dict[str, float]:
    """Median seconds an update by variant; the first of each only warms up."""
    torch.set_num_threads(threads)
    running = {name: updates(make) for name, make in VARIANTS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in running}
    for turn in range(count + 1):
        for name, sequence in running.items():
            taken = next(sequence)
            if turn:
                seconds[name].append(taken)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=74, help="updates an epoch")
    parser.add_argument("--repeats", type=int, default=20, help="updates measured for each variant")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    results = {threads: measure(threads, options.repeats) for threads in options.threads}
    columns = [f"{threads} thread{'s' * (threads > 1)}, s an epoch | times ours" for threads in results]
    print(f"| layer | {' | '.join(columns)} |\n|---|{'---:|---:|' * len(results)}")
    for name in VARIANTS:
        cells = [f"{result[name] * options.batches:.2f} | {result[name] / result[REFERENCE]:.2f}" for result in results.values()]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\nH = {HIDDEN}, T = {STEPS}, D = {CHANNELS}, batch {BATCH}, {options.batches} batches an epoch, median of {options.repeats};")
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}, {_processor()};")
    print(f"`python {' '.join(sys.argv)}`")


def _processor() -> str:
    """The processor's name where Linux tells it."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
