"""What the templates need to know to write the C of one model: constants, layers, functions, buffers."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from .. import __version__
from ..graph.alignment import ALIGNMENT_STATE, MOST_CALIBRATED, align_of
from ..graph.decide import NO_DECISION, UNKNOWN_DECISION, decision_of
from ..graph.ir import IntegerModel
from ..graph.ops import Align
from ..graph.serialize import CONTRACT, digest
from ..targets.kernel_choice import Target
from ..targets.scratch import WORD
from .c_declarations import CODE_WIDTH, ConstArray, FunctionBody, LayerCode, Parameter, Tap, commented
from .c_literals import fraction_bits, quoted, sensor_numbers
from .kernel_table import HEADERS, kernels_of

API_VERSION = 4
"""RESCOMP_API_VERSION of the kernels that generated code calls."""
_COUNTERS = 6
"""Bytes of the three counters of a stream."""
_LISTENER_COUNTERS = 12
"""Of those of a listener."""
_STREAM_LISTENER_COUNTERS = 20
"""Of those of a stream's listener."""


@dataclass(frozen=True, eq=False)
class Source:
    """All that the templates need to write the C of one model.

    states: of the step; decide_states: of a decision, if there is one. wide: the scratch is one of whole words.
    """

    model: IntegerModel
    inputs: tuple[Parameter, ...]
    states: tuple[Parameter, ...]
    scores: Parameter
    functions: Mapping[str, FunctionBody]
    constants: tuple[ConstArray, ...]
    target: Target | None = None
    decide_states: tuple[Parameter, ...] = ()
    wide: bool = False
    api_version: int = API_VERSION
    most_calibrated: int = MOST_CALIBRATED
    contract_version: int = CONTRACT
    rescomp_version: str = __version__

    @property
    def name(self) -> str:
        """Prefix of every function."""
        return self.model.name

    @property
    def macro(self) -> str:
        """Prefix of every macro."""
        return self.model.name.upper()

    @property
    def sha256(self) -> str:
        """Of the integer graph."""
        return digest(self.model)

    @property
    def layers(self) -> tuple[LayerCode, ...]:
        """All layers in execution order."""
        return tuple(layer for function in self.functions.values() for layer in function.layers)

    @property
    def name_width(self) -> int:
        """Columns of the longest layer's name in the table of layers."""
        return max([24, *(len(layer.name) for layer in self.layers)])

    @property
    def graph_width(self) -> int:
        """Columns of the longest graph's name there."""
        return max([5, *map(len, self.functions)])

    @property
    def taps(self) -> tuple[Tap, ...]:
        """All tapped values in execution order."""
        return tuple(tap for layer in self.layers for tap in layer.taps)

    @property
    def tap_macros(self) -> list[str]:
        """The layers' numbers as lines of C, their comments aligned."""
        lines = [f"#define {tap.macro} {tap.index}" for tap in self.taps]
        return commented(lines, [tap.type for tap in self.taps])

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of the kernels called, sorted."""
        return tuple(sorted({call.kernel for layer in self.layers for call in layer.calls}))

    @property
    def kept(self) -> tuple[Parameter, ...]:
        """All states."""
        return self.states + self.decide_states

    @property
    def streamed_states(self) -> int:
        """How many states a stream steps."""
        return self.model.policy.states if self.model.policy else 1

    @property
    def stream_padding(self) -> int:
        """Bytes at the end of a stream, so that no compiler adds any."""
        return -(_COUNTERS + self.inputs[0].type.nbytes) % (WORD if self.wide else 2)

    @property
    def stream_bytes(self) -> int:
        """Of a stream: its states with their scratch, three counters, the last reading."""
        kept = self.streamed_states * (self.state_bytes + self.scratch_bytes)
        return kept + _COUNTERS + self.inputs[0].type.nbytes + self.stream_padding

    @property
    def heard_padding(self) -> int:
        """Bytes behind the samples and features at hand of whoever is pushed samples, so that no compiler adds any."""
        return -(self.model.samples.type.nbytes + self.model.input.type.nbytes) % WORD

    @property
    def _heard_bytes(self) -> int:
        return self.model.samples.type.nbytes + self.model.input.type.nbytes + self.heard_padding

    @property
    def stream_listener_padding(self) -> int:
        """Bytes between a stream and the counters of what listens to it."""
        return -self.stream_bytes % WORD

    @property
    def listener_bytes(self) -> int:
        """Of a state with its scratch, three counters, and the samples and features at hand, of a model that reads samples."""
        return self.state_bytes + self.scratch_bytes + _LISTENER_COUNTERS + self._heard_bytes

    @property
    def stream_listener_bytes(self) -> int:
        """Of a stream, five counters, and the samples and features at hand, of a model with a policy that reads samples."""
        return self.stream_bytes + self.stream_listener_padding + _STREAM_LISTENER_COUNTERS + self._heard_bytes

    @property
    def ram_bytes(self) -> int:
        """That a device keeps of one stream: of the state with its scratch, or of what is around it: the listener of a model that reads
        samples, the stream of one with a policy, the listener of that.
        """
        if self.model.reads_samples and self.model.policy:
            return self.stream_listener_bytes
        if self.model.reads_samples:
            return self.listener_bytes
        return self.stream_bytes if self.model.policy else self.state_bytes + self.scratch_bytes

    @property
    def further_headers(self) -> list[str]:
        """That declare what is called, beside rescomp_kernels.h, in the order of the table of kernels."""
        others = list(HEADERS)[1:]
        named = [name for name in others if not {kernel.name for kernel in kernels_of(name)}.isdisjoint(self.kernels)]
        return [*named, *(["rescomp_alignment.h"] if self.align else [])]

    @property
    def align(self) -> Align | None:
        """The rotation before a step, of a model that is worn."""
        return align_of(self.model)

    @property
    def alignment_field(self) -> str:
        """Where the state keeps it."""
        places = dict(zip((value.name for value in self.model.states("step")), self.states, strict=True))
        return places[ALIGNMENT_STATE].identifier

    @property
    def decision_summary(self) -> str:
        """What the decision does, in lines of a comment."""
        decision = decision_of(self.model.graphs["decide"])
        assert decision is not None
        means = f"Smoothed over 2^{decision.smoothing} scores" if decision.smoothing else "Not smoothed"
        rest = f", and rests for {decision.refractory} steps" if decision.refractory else ""
        floor = "; below its threshold a class is unknown" if decision.thresholds else ""
        text = f"{means}, it changes to what is better by more than {decision.margin} for {decision.hold} steps{rest}{floor}."
        return "\n * ".join(textwrap.wrap(text, CODE_WIDTH - 4))

    @property
    def fields(self) -> list[str]:
        """The states as they lie in memory, as lines of C: the widest entries first, so that all lie at multiples of their size."""
        states = sorted(self.kept, key=lambda state: -state.type.format.numpy_dtype.itemsize)
        lines = [f"{state.c_type} {state.identifier}[{state.type.size}];" for state in states]
        return commented(lines, [state.type for state in states])

    @property
    def padding_bytes(self) -> int:
        """After the states, where what follows them in the struct, or in an array of structs, has wider entries."""
        nbytes = sum(state.type.nbytes for state in self.kept)
        if self.decide_states or (self.wide and self.scratch_bytes):
            return -nbytes % WORD
        return nbytes % 2 if self.scratch_bytes or len({state.c_type for state in self.states}) > 1 else 0

    @property
    def state_bytes(self) -> int:
        """Of what is kept between steps, padding included."""
        return sum(state.type.nbytes for state in self.kept) + self.padding_bytes

    @property
    def scratch_bytes(self) -> int:
        """Of the arena that all functions share (a struct in C must not be empty)."""
        needed = max(function.arena_bytes for function in self.functions.values())
        if self.wide:
            return -(-needed // WORD) * WORD if needed or self.states else WORD
        return needed if needed or self.states else 2

    @property
    def values_bytes(self) -> int:
        """What the arena would take without the kernels' own needs."""
        return min(self.scratch_bytes, max(function.values_bytes for function in self.functions.values()))

    @property
    def constant_bytes(self) -> int:
        """Of all const data."""
        return sum(constant.array.nbytes for constant in self.constants)

    @property
    def history(self) -> int:
        """Steps after which every row of every state is new: one for cells, whose states are vectors."""
        return max([1, *(state.type.shape[0] for state in self.states if len(state.type.shape) == 2)])

    @property
    def header_numbers(self) -> dict[str, int]:
        """Every number that the header defines, by its macro."""
        m = self.macro
        numbers = {f"{m}_CONTRACT_VERSION": self.contract_version, f"{m}_API_VERSION": self.api_version}
        numbers |= {f"{m}_{each.macro}_SIZE": each.type.size for each in self.inputs} | {f"{m}_CLASSES": self.scores.type.size}
        read = [(f"{m}_{each.macro}", each.type.format, self.model.input_channel_bits) for each in self.inputs]
        for prefix, format, channel_bits in (*read, (f"{m}_SCORE", self.scores.type.format, ())):
            numbers |= fraction_bits(prefix, channel_bits or format.fraction_bits)
            numbers |= {f"{prefix}_LOW": format.low, f"{prefix}_HIGH": format.high}
        numbers |= {f"{m}_UNKNOWN": UNKNOWN_DECISION, f"{m}_NO_DECISION": NO_DECISION} if self.decide_states else {}
        numbers |= {f"{m}_MOST_CALIBRATED": self.most_calibrated} if self.align else {}
        if self.model.policy:
            policy = self.model.policy
            numbers |= {f"{m}_GAP": policy.gap, f"{m}_RAIL": policy.rail, f"{m}_HALF_WINDOW": policy.half_window}
            numbers[f"{m}_STREAM_BYTES"] = self.stream_bytes
        if self.model.reads_samples:
            samples, features = self.model.samples.type, self.model.features.type
            numbers |= {f"{m}_SPAN": samples.shape[0], f"{m}_CHANNELS": samples.shape[1], f"{m}_HOP": self.model.hop}
            numbers |= {f"{m}_FEATURES": features.size, f"{m}_FRAMES": self.model.frames_an_input}
            numbers[f"{m}_LISTENER_BYTES"] = self.listener_bytes
            numbers |= {f"{m}_STREAM_LISTENER_BYTES": self.stream_listener_bytes} if self.model.policy else {}
            sampling = self.model.sampling
            numbers |= {f"{m}_SAMPLE_RATE": sampling.rate} if sampling else {}
            numbers |= fraction_bits(f"{m}_SAMPLE", self.model.channel_bits or (sampling.fraction_bits if sampling else ()))
        numbers |= sensor_numbers(self.sensor_macro, self.model.sensor)
        numbers |= {f"{m}_STATE_BYTES": self.state_bytes, f"{m}_SCRATCH_BYTES": self.scratch_bytes}
        numbers |= {f"{m}_CONST_BYTES": self.constant_bytes, f"{m}_LAYERS": len(self.taps)}
        return numbers | {tap.macro: tap.index for tap in self.taps}

    @property
    def formats(self) -> list[tuple[Parameter, str]]:
        """Inputs and scores, each with what the real value of an integer is."""
        powers = ", ".join(f"2^{bits}" for bits in self.model.input_channel_bits)
        read = [f"integer / ({powers}), channel by channel"] if powers else []
        values = (*self.inputs, self.scores)
        return list(zip(values, [*read, *(f"integer / 2^{value.type.format.fraction_bits}" for value in values[len(read) :])], strict=True))

    @property
    def summary(self) -> str:
        """What the model is, in a phrase."""
        reads = " and ".join(f"{each.identifier} ({self.model.type_text(each.type)})" for each in self.inputs)
        keeps = " and ".join(f"{each.identifier} ({each.type})" for each in self.states)
        answers = f"scores ({self.scores.type}){' and decides' if self.decide_states else ''}"
        return f"reads {reads} a step, keeps {keeps}, answers {answers}" if keeps else f"reads {reads}, answers {answers}"

    @property
    def index_type(self) -> str:
        """Of a class: what counts up to their number."""
        return "uint16_t" if self.scores.type.size < 1 << 16 else "uint32_t"

    @property
    def largest_value(self) -> int:
        """Entries of the value that has most of them."""
        return max(type.size for graph in self.model.graphs.values() for type in graph.types().values())

    @property
    def sensor_macro(self) -> str:
        """What macros about the sensor begin with: of samples, or of the input."""
        return f"{self.macro}_SAMPLE" if self.model.reads_samples else f"{self.macro}_{self.inputs[0].macro}"

    @property
    def quoted_unit(self) -> str:
        """The sensor's unit as a C string literal in plain ASCII."""
        return quoted(self.model.sensor.unit if self.model.sensor else "")

    @property
    def quoted_channels(self) -> list[str]:
        """The names of its channels likewise."""
        return [quoted(name) for name in (self.model.sensor.channels if self.model.sensor else ())]

    @property
    def quoted_classes(self) -> list[str]:
        """The class labels as C string literals in plain ASCII."""
        return [quoted(label) for label in self.model.classes]
