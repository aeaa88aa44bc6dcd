"""The kernels of firmware_templates/kernels: an op x the type of its tensors x the storage of its weights, and how each is declared.

`python benchmarks/make_kernels.py` writes from it the headers' declarations, and the sources that do nothing but include a body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .kernel_rows import ACTIVATION, Kernel, KernelRow, sparse

BOTH, INT16 = ("int16", "int8"), ("int16",)

INPUT_PARAMETER = "const {type} *input"
IN_OUT = f"{INPUT_PARAMETER}, {{type}} *output"
PAIR = "const {type} *a, const {type} *b, {type} *output"
MATRIX = "rescomp_count columns, rescomp_count rows"
WEIGHT = "const RESCOMP_FLASH {weight_type} *weight"
BY = "rescomp_requantization by"
FULLY_CONNECTED = f"{IN_OUT}, {MATRIX}, {WEIGHT}, {BY}"
PRODUCT = f"{INPUT_PARAMETER}, {MATRIX}, {WEIGHT}, int32_t *accumulator"
TABLE = "uint16_t *table"
ACCUMULATORS = "const int32_t *accumulator, {type} *output, rescomp_count rows"
KERNEL_WINDOW = f"{IN_OUT}, rescomp_conv2d_shape shape"
CONV2D = f"{KERNEL_WINDOW}, {WEIGHT}, {BY}"
IM2COL = f"{CONV2D}, {{type}} *patch, int32_t *accumulator"
CHANNELS = "rescomp_count positions, rescomp_count channels"
SAMPLED_CHANNELS = "rescomp_count samples, rescomp_count channels"
COUNT = "rescomp_count count"
LOOKUP_TABLE = "const RESCOMP_FLASH int16_t *table"
CELL = "rescomp_fastgrnn_cell cell"
UPDATE = (
    f"const {{type}} *projected, const {{type}} *recurrent, const {{type}} *state, {{type}} *output, {COUNT}, "
    f"const RESCOMP_FLASH int16_t *gate_bias, const RESCOMP_FLASH int16_t *candidate_bias, {CELL}"
)
CANDIDATE = "const {type} *candidate, const {type} *state, {type} *output, rescomp_count count"
FORMAT = "rescomp_state_format format"
"""Parameters."""
PATCHES = {
    **ACTIVATION,
    "WEIGHT": "{weight_type}",
    "PRODUCT": "rescomp_product_{dtype}_{form}",
    "REQUANTIZE_ROWS": "rescomp_requantize_rows_{dtype}",
}
TABLED_PATCHES = {**PATCHES, "TABLE": ""}
"""What the body of an im2col kernel wants to know."""

INT4 = "The same with int4 weights, two to a byte, each row padded to whole bytes."
TERNARY = "The same with 3:4 ternary weights, packed as rescomp_ternary.h says. |input| <= 10922."


def _requantize(source: str, target: str) -> KernelRow:
    """To another type, or to another scale of the same."""
    parameters = f"{INPUT_PARAMETER}, {target}_t *output, {CHANNELS}, uint8_t pre_shift, {BY}"
    defines = {"INPUT": "{type}", "OUTPUT": f"{target}_t"}
    return KernelRow("requantize", "" if source == target else target, (source,), parameters, ("requantize_body",), defines)


Section = Sequence[str | KernelRow]
_FULLY_CONNECTED: Section = (
    "output[row] = requantize(weight[row] . input). weight: int8, row after row.",
    KernelRow("fully_connected", "int8", BOTH, FULLY_CONNECTED, ("dot_int8", "fully_connected_body")),
    TERNARY,
    KernelRow("fully_connected", "ternary", BOTH, FULLY_CONNECTED, ("fully_connected_ternary_body",)),
    INT4,
    KernelRow("fully_connected", "int4", BOTH, FULLY_CONNECTED, ("dot_int4", "fully_connected_body")),
    "The same with weights of +1 and -1, which rescomp_fully_connected_seeded_body.h draws from `seed`: they take no memory.",
    KernelRow("fully_connected", "seeded", BOTH, f"{IN_OUT}, {MATRIX}, uint32_t seed, {BY}", ("fully_connected_seeded_body",)),
    "The same with 3:4 ternary weights of few rows, packed as rescomp_fully_connected_ternary_rows_body.h says.",
    KernelRow("fully_connected", "ternary_rows", INT16, FULLY_CONNECTED, ("fully_connected_ternary_rows_body",)),
    "The same with only the weights that are not zero, in the streams that rescomp_sparse.h describes.",
    *sparse("fully_connected", BOTH, FULLY_CONNECTED, "bitmap", "delta", "rows"),
)
_PRODUCTS: Section = (
    "The products of named cores: accumulator[row] = weight[row] . input, for rescomp_requantize_rows_*. The accumulator has room for\n"
    "rows padded to a multiple of 8; what is written past the last row means nothing. It is scratch of the caller's, as is a table.",
    "weight: int8, row after row.",
    KernelRow("product", "int8", BOTH, PRODUCT, ("dot_int8", "product_body")),
    INT4,
    KernelRow("product", "int4", BOTH, PRODUCT, ("dot_int4", "product_body")),
    TERNARY,
    KernelRow("product", "ternary", BOTH, PRODUCT, ("product_ternary_body",)),
    "The same for 32-bit cores, by tables of partial sums, in the order of rescomp_product_ternary_tabled_words_body.h.\n"
    "table: 32 entries for every 4 columns, but never more than 512; it and the accumulator are aligned to 4 bytes.",
    KernelRow("product", "ternary_tabled_words", BOTH, f"{PRODUCT}, {TABLE}", ("product_ternary_tabled_words_body",)),
    "The same for AVR, by tables of partial sums, in the order of rescomp_product_ternary_tabled_bytes_body.h, whose first byte is the\n"
    "number of groups of a chunk. columns <= 340 for int8, 1024 for int16. table: 16 entries for every group of a chunk, and 16 more.",
    KernelRow("product", "ternary_tabled_bytes", BOTH, f"{PRODUCT}, {TABLE}", ("product_ternary_tabled_bytes_body",)),
    "output[row] = requantize(accumulator[row]): what follows a product that only accumulates.",
    KernelRow("requantize_rows", "", BOTH, f"{ACCUMULATORS}, {BY}", ("requantize_rows_body",)),
    "The same where every factor is 2^-shift and every shift is 1..31. by.multiplier is not read.",
    KernelRow("requantize_rows", "shift", BOTH, f"{ACCUMULATORS}, {BY}", ("requantize_rows_shift_body",)),
)
_ROWS_OF_OWN_SCALES: Section = (
    "The same for cores that multiply 32 by 32 to 64 bits: scale = multiplier * 2^(32 - shift - lift) < 2^31, so that the result\n"
    "is the upper word of (accumulator + bias) * 2^lift * scale + 2^31.",
    KernelRow("requantize_rows", "high", INT16, f"{ACCUMULATORS}, rescomp_row_scales by"),
    "The same for cores that multiply 32 by 32 to 32 bits: scale = multiplier * 2^16 + shift + lift - 17, at least 0 beside it.",
    KernelRow("requantize_rows", "split", INT16, f"{ACCUMULATORS}, rescomp_row_scales by"),
)
_WINDOWS: Section = (
    "output[y][x][row] = requantize(weight[row] . patch(y, x)). weight: [rows][kernel_height][kernel_width][channels].",
    KernelRow("conv2d", "int8", BOTH, CONV2D, ("dot_int8", "conv2d_body")),
    INT4,
    KernelRow("conv2d", "int4", BOTH, CONV2D, ("dot_int4", "conv2d_body")),
    "The same with 3:4 ternary weights over patches in that order, packed as rescomp_ternary.h says. |input| <= 10922.",
    KernelRow("conv2d", "ternary", BOTH, CONV2D, ("conv2d_ternary_body",)),
    "The same with only the weights that are not zero, or whole kernels or rows, in the streams that rescomp_sparse.h describes.",
    *sparse("conv2d", BOTH, CONV2D, "bitmap", "delta", "kernels", "rows"),
    "The same for named cores, by rescomp_product_* and rescomp_requantize_rows_*: patches are put together in `patch` (room for one)\n"
    "where they do not lie in one piece in the input. patch, accumulator and table are scratch of the caller's, as the products need it.",
    KernelRow("im2col", "int8", BOTH, IM2COL, ("im2col_body",), PATCHES),
    KernelRow("im2col", "int4", BOTH, IM2COL, ("im2col_body",), PATCHES),
    KernelRow("im2col", "ternary", BOTH, IM2COL, ("im2col_body",), PATCHES),
    KernelRow("im2col", "ternary_tabled_words", BOTH, f"{IM2COL}, {TABLE}", ("im2col_body",), TABLED_PATCHES),
    KernelRow("im2col", "ternary_tabled_bytes", BOTH, f"{IM2COL}, {TABLE}", ("im2col_body",), TABLED_PATCHES),
    "output[y][x][c] = requantize(weight[..][..][c] . patch(y, x)[..][..][c]). weight: [kernel_height][kernel_width][channels].",
    KernelRow("depthwise_conv2d", "int8", BOTH, CONV2D, ("depthwise_conv2d_body",)),
    "output[y][x][c] = requantize(sum of patch(y, x)[..][..][c]), one requantization for all channels.",
    KernelRow("average_pool", "", BOTH, f"{KERNEL_WINDOW}, {BY}", ("average_pool_body",)),
    "output[y][x][c] = max of patch(y, x)[..][..][c], of what lies inside the input; pad < kernel on every side.",
    KernelRow("max_pool", "", BOTH, KERNEL_WINDOW, ("max_pool_body",)),
)
_ENTRY_BY_ENTRY: Section = (
    "output = requantize(input * 2^pre_shift), row = channel. Readings side by side are as many positions. In place where input and\n"
    "output have one type.",
    _requantize("int16", "int16"),
    _requantize("int16", "int8"),
    _requantize("int8", "int16"),
    _requantize("int8", "int8"),
    "output = the last `count` entries of state[count], input[new_count]. The output may be the state, not the input.",
    KernelRow("shift_in", "", BOTH, f"const {{type}} *state, {IN_OUT}, {COUNT}, rescomp_count new_count", ("shift_in_body",)),
    "output = a + b, clamped to low..high; a low of 0 makes it a sum and a ReLU. In place.",
    KernelRow("add", "", BOTH, f"{PAIR}, {COUNT}, int16_t low, int16_t high", ("add_body",)),
    "output = saturate(a * b * 2^-shift) in low..high, 1 <= shift <= 30. a * b < 2^30. In place.",
    KernelRow("mul", "", INT16, f"{PAIR}, {COUNT}, uint8_t shift, int16_t low, int16_t high"),
    "output = saturate(input + bias), one bias a channel. In place.",
    KernelRow("bias_add", "", INT16, f"{IN_OUT}, {CHANNELS}, const RESCOMP_FLASH {{type}} *bias"),
    "output = max(input, 0). In place.",
    KernelRow("relu", "", BOTH, f"{IN_OUT}, {COUNT}", ("relu_body",)),
    "output = min(|input|, high). In place.",
    KernelRow("abs", "", BOTH, f"{IN_OUT}, {COUNT}, int16_t high", ("abs_body",)),
    "Q12 -> Q15 by linear interpolation in the half table of tanh described in rescomp_half_table.h. In place.",
    KernelRow("lookup_sigmoid", "", INT16, f"{IN_OUT}, {COUNT}, {LOOKUP_TABLE}"),
    KernelRow("lookup_tanh", "", INT16, f"{IN_OUT}, {COUNT}, {LOOKUP_TABLE}"),
    "Q12 -> Q15: clip((x + 1) / 2, 0, 1) and clip(x, -1, 1). In place.",
    KernelRow("piecewise_linear_sigmoid", "", INT16, f"{IN_OUT}, {COUNT}"),
    KernelRow("piecewise_linear_tanh", "", INT16, f"{IN_OUT}, {COUNT}"),
)
_FASTGRNN: Section = (
    "output = z * state + (zeta * (1 - z) + nu) * candidate, z and candidate in Q15. In place.",
    KernelRow("fastgrnn_gate", "", INT16, f"const {{type}} *z, {CANDIDATE}, {CELL}"),
    "The whole update after the two products, with s = saturate(projected + recurrent): the gate above of\n"
    "z = sigmoid(saturate(s + gate_bias)) and candidate = tanh(saturate(s + candidate_bias)). The state has at most 13 fraction\n"
    "bits. The output may be the state, but must not overlap the other inputs.\n"
    "lookup: table is the half table of tanh; mirrored_lookup: its mirror image, then the table itself, 257 entries in all.",
    KernelRow("fastgrnn_update_lookup", "", INT16, f"{UPDATE}, {LOOKUP_TABLE}"),
    KernelRow("fastgrnn_update_mirrored_lookup", "", INT16, f"{UPDATE}, {LOOKUP_TABLE}"),
    KernelRow("fastgrnn_update_piecewise_linear", "", INT16, UPDATE),
)
_GATED_SUMS: Section = (
    "The updates below are gated sums (rescomp_math.h): gates and candidates in Q15, the state in its own format. In place.",
    "output = alpha * candidate + beta * state, alpha and beta in Q15.",
    KernelRow("fastrnn_state", "", INT16, f"{CANDIDATE}, int16_t alpha, int16_t beta, {FORMAT}"),
    "output = (1 - z) * candidate + z * state.",
    KernelRow("gru_state", "", INT16, f"const {{type}} *z, {CANDIDATE}, {FORMAT}"),
    "output = input_gate * candidate + forget_gate * cell.",
    KernelRow(
        "lstm_cell",
        "",
        INT16,
        "const {type} *input_gate, const {type} *forget_gate, const {type} *candidate, const {type} *cell, {type} *output, "
        f"{COUNT}, {FORMAT}",
    ),
)
_AVERAGES: Section = (
    "output = average - average * 2^-smoothing + score, the average with `smoothing` more fraction bits than the scores and clamped "
    "to\ntheir range first: it may hold any bits. 0 <= smoothing <= 14. The output may be the average.",
    KernelRow(
        "exponential_average",
        "",
        BOTH,
        f"const int32_t *average, const {{type}} *score, int32_t *output, {COUNT}, uint8_t smoothing",
        ("exponential_average_body",),
        {**ACTIVATION, "BITS": "{bits}"},
    ),
)
_DECISIONS: Section = (
    "memory and output: the decision (0: none yet, 1: unknown, 2 + class), the candidate likewise, the steps for which it has stood, "
    "and\nthe steps of rest that remain. The memory may hold any bits: each entry is clamped to its range first. The output may be "
    "the memory.",
    KernelRow(
        "decide",
        "",
        ("int32",),
        "const {type} *average, const int16_t *memory, int16_t *output, rescomp_count classes, rescomp_decision_rule rule",
    ),
)
BLOCK_STEPS = "const int16_t *block_steps"
_BLOCKS: Section = (
    "block_steps: how many steps of its block a value holds, 1 .. length. A step after the last one begins the next block. What is kept\n"
    "may hold any bits: it is clamped first. The output may be what is kept: block_steps, sum, maximum.",
    KernelRow("block_count", "", INT16, f"{BLOCK_STEPS}, {{type}} *output, int16_t length"),
    "output = sum + input, the sum clamped to what a step less can come to, +-(block_steps - 1) * bound. block_steps * bound < 2^30.",
    KernelRow(
        "block_sum", "", ("int32",), f"const {{type}} *sum, const int16_t *input, {BLOCK_STEPS}, {{type}} *output, {COUNT}, int32_t bound"
    ),
    "output = the larger of maximum, clamped to low..high, and input; input alone where a block begins, block_steps <= 1.",
    KernelRow(
        "block_maximum",
        "",
        INT16,
        f"const {{type}} *maximum, {INPUT_PARAMETER}, {BLOCK_STEPS}, {{type}} *output, {COUNT}, int16_t low, int16_t high",
    ),
    "output = sum / block_steps, rounded half up, in low..high. length < 2^15 steps of values within +-bound <= 2^15 were summed up.",
    KernelRow(
        "block_mean",
        "",
        ("int32",),
        f"const {{type}} *sum, {BLOCK_STEPS}, int16_t *output, {COUNT}, int16_t length, int32_t bound, int16_t low, int16_t high",
    ),
)
_SIDE_BY_SIDE: Section = (
    "output[i] = a[i], b[i], position after position.",
    KernelRow("concat", "", BOTH, f"{PAIR}, rescomp_count positions, rescomp_count a_channels, rescomp_count b_channels", ("concat_body",)),
)
_SPECTRA: Section = (
    "magnitude = that of each frequency of a frame input[samples][channels], size / 2 a channel, 0 for frequency 0; times 2^-doublings of "
    "its\nchannel. The magnitudes serve as memory for the transform.",
    KernelRow(
        "spectrum", "", INT16, "const {type} *input, int32_t *magnitude, int16_t *doublings, rescomp_count channels, rescomp_frame frame"
    ),
)
_BANDS: Section = (
    "output[channel][j] = sum of weight[i] * input[channel][first[j] + i], count[j] weights for each band. Sums stay below 2^31. The\n"
    "output may be the input where first[j] >= j for every band.",
    KernelRow(
        "band_sum",
        "",
        ("int32",),
        "const {type} *input, {type} *output, rescomp_count channels, rescomp_count bins, rescomp_count bands, "
        "const RESCOMP_FLASH int16_t *first, const RESCOMP_FLASH int16_t *count, const RESCOMP_FLASH int8_t *weight",
    ),
    "output = log2(input) - doublings of its channel + offset of its band, in Q10, at least floor. table: log2(1 + i / 32), 33 entries.",
    KernelRow(
        "log2",
        "",
        ("int32",),
        "const {type} *input, const int16_t *doublings, int16_t *output, rescomp_count channels, rescomp_count bands, "
        "const RESCOMP_FLASH int16_t *table, const RESCOMP_FLASH int16_t *offset, int16_t floor",
    ),
)
_STATISTICS: Section = (
    "output[channel] = those of the statistics of input[samples][channels] that are wanted, side by side. 2 to 1024 samples.",
    KernelRow("statistics", "", INT16, f"{IN_OUT}, {SAMPLED_CHANNELS}, uint8_t wanted"),
    "sum = that of |d|^power of each channel, d its samples less their mean in sixteenths, doubled while all stay below 2^20, then times\n"
    "2^-shift, rounded; 2^-doublings of it. power 1 has shift 0. Sums stay below 2^31.",
    KernelRow(
        "deviation_sum", "", INT16, f"{INPUT_PARAMETER}, int32_t *sum, int16_t *doublings, {SAMPLED_CHANNELS}, uint8_t power, uint8_t shift"
    ),
)
_ALIGNMENT: Section = (
    "output = input[readings][channels], but for `turned` channels named by axes, three of each sensor: turned by the rotation that\n"
    "an alignment of any bits stands for, within low..high. kept = the alignment within its range; it may lie where the alignment does.",
    KernelRow(
        "align",
        "",
        INT16,
        f"{INPUT_PARAMETER}, const int16_t *alignment, {{type}} *output, int16_t *kept, rescomp_count readings, rescomp_count channels, "
        "const RESCOMP_FLASH int16_t *axes, rescomp_count turned, int16_t low, int16_t high",
    ),
)

HEADERS: Mapping[str, Mapping[str, Section]] = {
    "rescomp_kernels.h": {
        "fully_connected": _FULLY_CONNECTED,
        "products": _PRODUCTS,
        "rows_of_own_scales": _ROWS_OF_OWN_SCALES,
        "windows": _WINDOWS,
        "entry_by_entry": _ENTRY_BY_ENTRY,
        "fastgrnn": _FASTGRNN,
        "gated_sums": _GATED_SUMS,
    },
    "rescomp_decision.h": {"averages": _AVERAGES, "decisions": _DECISIONS},
    "rescomp_readout.h": {"blocks": _BLOCKS, "side_by_side": _SIDE_BY_SIDE},
    "rescomp_frontend.h": {"spectra": _SPECTRA, "bands": _BANDS, "statistics": _STATISTICS, "alignment": _ALIGNMENT},
}
"""What each header declares, by the names of its template's gaps (<header>.j2): comments, and the kernels that they are about."""


def kernels_of(header: str) -> list[Kernel]:
    """All that a header declares, in its order."""
    rows = [row for section in HEADERS[header].values() for row in section if isinstance(row, KernelRow)]
    return [kernel for row in rows for kernel in row.kernels()]
