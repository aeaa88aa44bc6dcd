"""Seconds a training epoch of recurrent layers: ours by both of its loops, plain loops, and torch's own.

    python benchmarks/recurrent_training.py [--batches 74] [--repeats 20] [--threads 1 2] [--output docs/training_speed.md]

One epoch: `batches` updates of forward, backward and Adam on random data of batch 100, T = 128, D = 9, H = 80 (UCI HAR has 7,352
windows: 74 batches). The variants take turns, batch by batch, so that a busy machine slows all alike; the median batch counts.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from rescomp.compress import anneal, calibrate, constrain
from rescomp.models import build, use_loop
from rescomp.models.recurrent import compiled
from rescomp.recipe import Loop, ModelSection, Ternary
from rescomp.train import keep_freed_memory

HIDDEN, STEPS, CHANNELS, BATCH, CLASSES = 80, 128, 9, 100, 2
REFERENCE = "FastGRNN, ours, compiled"
QUANTIZED = "FastGRNN, ours, ternary, piecewise linear"


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
    """A net of rescomp, all sequences of full length; `ternary`: in fixed point, halfway through Arenas, piecewise linear."""

    def __init__(self, kind: str, loop: Loop, *, ternary: bool = False) -> None:
        super().__init__()
        net = build(ModelSection(kind=kind, hidden_size=HIDDEN, nonlinearity="piecewise_linear" if ternary else "table"), CHANNELS, CLASSES)
        if ternary:
            net = constrain(net, [Ternary(arenas=True)])
            calibrate(net, torch.randn(BATCH, STEPS, CHANNELS), torch.full((BATCH,), STEPS), 12)
            anneal(net, 1, 2)
        use_loop(net, loop)
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x, torch.full((len(x),), x.shape[1]))


VARIANTS: dict[str, Callable[[], nn.Module]] = {
    REFERENCE: partial(Ours, "fastgrnn", "compiled"),
    "FastGRNN, ours, torch": partial(Ours, "fastgrnn", "torch"),
    f"{QUANTIZED}, compiled": partial(Ours, "fastgrnn", "compiled", ternary=True),
    f"{QUANTIZED}, torch": partial(Ours, "fastgrnn", "torch", ternary=True),
    **{f"{name}, ours, {loop}": partial(Ours, name.lower(), loop) for name in ("FastRNN", "GRU", "LSTM") for loop in ("compiled", "torch")},
    "FastGRNN, plain loop, list of states": lambda: Classifier(AppendedStates()),
    "FastGRNN, plain loop, slices of a result": lambda: Classifier(WrittenSlices()),
    "torch.nn.GRU": lambda: Classifier(LastOutput(nn.GRU)),
    "torch.nn.LSTM": lambda: Classifier(LastOutput(nn.LSTM)),
}
PROFILED = (REFERENCE, f"{QUANTIZED}, compiled", "GRU, ours, compiled")
PARTS: Mapping[str, tuple[str, ...]] = {
    "C, forward": ("_Recurrence",),
    "C, backward": ("_RecurrenceBackward",),
    "torch's products": ("aten::mm", "aten::addmm", "aten::bmm"),
    "Adam": ("Optimizer.step#Adam.step",),
}
"""Names of torch's profiler. The first three by their own time, Adam with what it calls."""


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
    """Median seconds an update by variant; the first two of each only warm up."""
    torch.set_num_threads(threads)
    running = {name: updates(make) for name, make in VARIANTS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in running}
    for turn in range(count + 2):
        for name, sequence in running.items():
            taken = next(sequence)
            if turn > 1:
                seconds[name].append(taken)
    return {name: statistics.median(values) for name, values in seconds.items()}


def shares(make: Callable[[], nn.Module], count: int) -> dict[str, float]:
    """The share of PARTS in the processor time of an update, by one thread."""
    torch.set_num_threads(1)
    sequence = updates(make)
    next(sequence)
    next(sequence)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(count):
            next(sequence)
    events = profiler.key_averages()
    whole = sum(event.self_cpu_time_total for event in events)
    times = {event.key: event.cpu_time_total if event.key in PARTS["Adam"] else event.self_cpu_time_total for event in events}
    found = {part: sum(times.get(name, 0) for name in names) / whole for part, names in PARTS.items()}
    return {**found, "the rest": 1 - sum(found.values())}


def speeds(results: Mapping[int, Mapping[str, float]], batches: int) -> Iterator[str]:
    """The table of every variant at every number of threads."""
    columns = [f"{threads} thread{'s' * (threads > 1)}, s an epoch | times the first" for threads in results]
    yield f"| layer | {' | '.join(columns)} |\n|---|{'---:|---:|' * len(results)}"
    for name in VARIANTS:
        cells = [f"{result[name] * batches:.2f} | {result[name] / result[REFERENCE]:.2f}" for result in results.values()]
        yield f"| {name} | {' | '.join(cells)} |"


def parts(count: int) -> Iterator[str]:
    """The table of where the time of the compiled loop's updates goes."""
    yield f"| share of an update, 1 thread | {' | '.join((*PARTS, 'the rest'))} |\n|---|{'---:|' * (len(PARTS) + 1)}"
    for name in PROFILED:
        yield f"| {name} | {' | '.join(f'{share:.0%}' for share in shares(VARIANTS[name], count).values())} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=74, help="updates an epoch")
    parser.add_argument("--repeats", type=int, default=20, help="updates measured for each variant")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--output", type=Path, help="write Markdown there instead of printing it")
    options = parser.parse_args()
    keep_freed_memory()
    results = {threads: measure(threads, options.repeats) for threads in options.threads}
    lines = [
        "# Training speed",
        "",
        "`train.loop` chooses between two loops over time. `torch` is the reference; `compiled` is C with the same states and gradients",
        "(tests/models/recurrent/test_compiled.py). It needs gcc, and keeps what that makes for the machine in `$XDG_CACHE_HOME/rescomp`,",
        "by default `~/.cache/rescomp`: some 40 KB for every kind of cell and arithmetic.",
        "",
        *speeds(results, options.batches),
        "",
        *parts(options.repeats),
        "",
        f"H = {HIDDEN}, T = {STEPS}, D = {CHANNELS}, batch {BATCH}; an epoch is {options.batches} times the median of {options.repeats}.",
        "All variants run with freed memory kept (train/memory.py).",
        "C: the loop over time, with its products U h and all that works element by element.",
        "torch's products: W x, and the gradients of W and U.",
        "",
        f"torch {torch.__version__}, Python {platform.python_version()}, {compiled.compiler_version()}, {_processor()}.",
        "",
        f"    python {' '.join(sys.argv)}",
    ]
    text = "\n".join(lines) + "\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


def _processor() -> str:
    """The processor's name where Linux tells it."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
