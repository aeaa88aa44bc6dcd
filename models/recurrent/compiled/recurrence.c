/* The loop over time of one recurrent cell, forward and backward, for a batch: what models/recurrent/recurrence.py does.

   Compiled once a variant, which macros choose: CELL_FASTGRNN, CELL_FASTRNN, CELL_GRU, CELL_MGU or CELL_LSTM; REAL_BYTES (4 or 8);
   FIXED_POINT (0 or 1); TABLE (1: sigmoid and tanh, in fixed point looked up; 0: piecewise linear); the formats of fixed point as
   `step, low, high`: PREACTIVATION, GATE, UNIT, STATE_0, STATE_1 (of the cell), GATED_PRODUCT (the inner one of a gated sum);
   JOB_BYTES, the size of Job as its writer knows it. The Python says what the cells mean: an operation here is the one of that name in models/arithmetic.py, with the
   straight-through slope of models/fake_quantize.py.

   Threads share out tiles of ROWS sequences, and a tile walks through all of time. No result depends on the number of threads: a
   tile's sums run in a fixed order, and the tiles' shares in the gradients of the constants are added in the order of the tiles. */

#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__FMA__)
#include <immintrin.h>
#endif

#if REAL_BYTES == 8
typedef double real;
typedef uint64_t word;
#define FLOOR floor
#define ABSOLUTE fabs
#define WITH_SIGN copysign
#if defined(FP_FAST_FMA)
#define FUSED fma
#endif
#define SIGNIFICAND_BITS 52
#define EXPONENT_BIAS 1023u
#define ROUNDER 0x1.8p52
#define LOG2_E 0x1.71547652b82fep+0
#define LN2_HIGH 0x1.62e42fefa4p-1
#define LN2_LOW -0x1.8432a1b0e2634p-43
#define EXP_LIMIT 708.0
#define TANH_LIMIT 20.0
#define TERMS 13
#else
typedef float real;
typedef uint32_t word;
#define FLOOR floorf
#define ABSOLUTE fabsf
#define WITH_SIGN copysignf
#if defined(FP_FAST_FMAF)
#define FUSED fmaf
#endif
#define SIGNIFICAND_BITS 23
#define EXPONENT_BIAS 127u
#define ROUNDER 0x1.8p23f
#define LOG2_E 0x1.715476p+0f
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define EXP_LIMIT 87.0f
#define TANH_LIMIT 10.0f
#define TERMS 7
#endif
#if !defined(FUSED)
#define FUSED(a, b, c) ((a) * (b) + (c))
#endif

#if defined(CELL_FASTGRNN)
enum { GATES = 1, STATES = 1, CONSTANTS = 4 };
#elif defined(CELL_FASTRNN)
enum { GATES = 1, STATES = 1, CONSTANTS = 3 };
#elif defined(CELL_GRU)
enum { GATES = 3, STATES = 1, CONSTANTS = 4 };
#elif defined(CELL_MGU)
enum { GATES = 2, STATES = 1, CONSTANTS = 2 };
#elif defined(CELL_LSTM)
enum { GATES = 4, STATES = 2, CONSTANTS = 4 };
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

enum {
    LANES = VECTOR_BYTES / REAL_BYTES,
    PANEL = 2 * LANES, /* columns of a product that are computed together */
    ROWS = 5,          /* of a tile: 2 ROWS sums, two columns and a factor fit into 16 vector registers */
    MAX_STATES = 2,
    MAX_FACTORS = 2,
    ALIGNMENT = 64
};

typedef real vector __attribute__((vector_size(VECTOR_BYTES), may_alias));

typedef struct {
    real step, low, high;
} Format;

#define FORMAT(...) ((Format){__VA_ARGS__})

/* Arrays are row-major and contiguous; gates stands for GATES * hidden. */
typedef struct {
    size_t steps, batch, hidden;
    size_t rank;    /* of U; 0: full */
    size_t threads; /* at least 1 */
    const real *projected;                  /* W x, rounded or not: [steps, batch, gates] */
    const real *constants;                  /* [CONSTANTS, hidden]: the cell's in order, scalars repeated */
    const real *factors[MAX_FACTORS];       /* of U: [gates, hidden]; of a rank: [rank, hidden] and [gates, rank] */
    const real *sigmoid_table, *tanh_table; /* [65536], the first entry for the smallest pre-activation; read if FIXED_POINT and TABLE */
    const real *inner_format;               /* [3]: of the product with the first of two factors */
    const real *begin[MAX_STATES];          /* the states before the first step [batch, hidden]; zeros where NULL */
    real *states[MAX_STATES];               /* [steps, batch, hidden] */
    real *products[MAX_FACTORS];            /* before rounding: [steps, batch, rank or gates]; forward does without where NULL */
    const real *gradients[MAX_STATES];      /* backward: of the states, [steps, batch, hidden] */
    real *of_projected;                     /* backward gives the gradients: [steps, batch, gates] */
    real *of_products[MAX_FACTORS];         /* [steps, batch, rank or gates]; the last may be of_projected where both are equal */
    real *of_constants;                     /* [CONSTANTS, hidden] */
} Job;

_Static_assert(sizeof(Job) == JOB_BYTES, "Job is not what its writer takes it for");

/* ------------------------------------------------------------------------------------------------ element by element */

/* A result, and its derivative by what it was made of. */
typedef struct {
    real value, slope;
} Value;

static inline Value clamp(real value, real low, real high)
{
    real result = value < low ? low : value; /* a NaN stays one */
    result = result > high ? high : result;
    return (Value){result, result == value ? (real)1 : (real)0};
}

static inline Value requantize(real value, Format format)
{
#if FIXED_POINT
    const real rounded = FLOOR((real)0.5 + value * (1 / format.step)) * format.step;
    return clamp(rounded, format.low, format.high);
#else
    (void)format;
    return (Value){value, 1};
#endif
}

/* A new state: it is limited in real numbers too. */
static inline Value limit(real value, Format format)
{
#if FIXED_POINT
    return requantize(value, format);
#else
    return clamp(value, format.low, format.high);
#endif
}

static inline Value add(real left, real right)
{
#if FIXED_POINT
    return clamp(left + right, FORMAT(PREACTIVATION).low, FORMAT(PREACTIVATION).high);
#else
    return (Value){left + right, 1};
#endif
}

#if FIXED_POINT && TABLE

static inline real look_up(const real *table, real value)
{
    const Format format = FORMAT(PREACTIVATION);
    const real shifted = (value - format.low) * (1 / format.step) + ROUNDER; /* the index stands in its lowest bits */
    word bits;
    memcpy(&bits, &shifted, sizeof bits);
    return table[(int32_t)(bits & 0xffff)] + (value - value); /* NaN for a NaN */
}

static inline Value sigmoid(const Job *job, real value)
{
    const real result = look_up(job->sigmoid_table, value);
    return (Value){result, result - result * result};
}

static inline Value tangent(const Job *job, real value)
{
    const real result = look_up(job->tanh_table, value);
    return (Value){result, 1 - result * result};
}

#elif TABLE

/* e^x = scale (1 + rest), |x| <= EXP_LIMIT: x = n ln 2 + r, scale = 2^n, rest = e^r - 1 by its series, |r| <= ln 2 / 2. */
typedef struct {
    real scale, rest;
} Exponential;

static inline Exponential exponential(real x)
{
    static const real series[] = {1,
                                  (real)(1. / 2),
                                  (real)(1. / 6),
                                  (real)(1. / 24),
                                  (real)(1. / 120),
                                  (real)(1. / 720),
                                  (real)(1. / 5040),
                                  (real)(1. / 40320),
                                  (real)(1. / 362880),
                                  (real)(1. / 3628800),
                                  (real)(1. / 39916800),
                                  (real)(1. / 479001600),
                                  (real)(1. / 6227020800)};
    const real shifted = FUSED(x, LOG2_E, ROUNDER); /* n stands in its lowest bits */
    const real n = shifted - ROUNDER;
    const real r = FUSED(n, -LN2_LOW, FUSED(n, -LN2_HIGH, x));
    real rest = series[TERMS - 1], scale;
    word bits;
#pragma GCC unroll 16
    for (int k = TERMS - 2; k >= 0; --k)
        rest = FUSED(rest, r, series[k]);
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + EXPONENT_BIAS) << SIGNIFICAND_BITS;
    memcpy(&scale, &bits, sizeof scale);
    return (Exponential){scale, rest * r};
}

/* 1 / (1 + e^-x) */
static inline Value sigmoid(const Job *job, real value)
{
    const Exponential e = exponential(clamp(-value, -EXP_LIMIT, EXP_LIMIT).value);
    const real result = 1 / (1 + FUSED(e.scale, e.rest, e.scale));
    (void)job;
    return (Value){result, (1 - result) * result};
}

/* (e^2x - 1) / (e^2x + 1) */
static inline Value tangent(const Job *job, real value)
{
    const Exponential e = exponential(2 * clamp(ABSOLUTE(value), 0, TANH_LIMIT).value);
    const real less_one = FUSED(e.scale, e.rest, e.scale - 1);
    const real result = WITH_SIGN(less_one / (less_one + 2), value);
    (void)job;
    return (Value){result, 1 - result * result};
}

#else

static inline Value sigmoid(const Job *job, real value)
{
    const Value result = clamp((value + 1) * (real)0.5, 0, FIXED_POINT ? FORMAT(UNIT).high : 1);
    (void)job;
    return (Value){result.value, result.slope * (real)0.5};
}

static inline Value tangent(const Job *job, real value)
{
    (void)job;
    return clamp(value, -1, FIXED_POINT ? FORMAT(UNIT).high : 1);
}

#endif

#if !defined(CELL_FASTGRNN)

/* a b + c d; the slope of a b, and that of the sum. */
typedef struct {
    real value, slope_of_product, slope;
} GatedSum;

static inline GatedSum gated_sum(real a, real b, real c, real d, Format format)
{
#if FIXED_POINT && REAL_BYTES == 8
    const Value product = requantize(a * b, FORMAT(GATED_PRODUCT));
#else
    const Value product = {a * b, 1};
#endif
    const Value sum = limit(product.value + c * d, format);
    return (GatedSum){sum.value, product.slope, sum.slope};
}

#endif

/* ------------------------------------------------------------------------------------------------ the cells */

/* What one sequence reads and writes at one step; h: the first state, c: the second. */
typedef struct {
    const real *projected, *recurrent; /* [gates] */
    const real *h, *c;                 /* the old states [hidden] */
    real *new_h, *new_c;               /* forward */
    const real *own_h, *own_c;         /* backward: the gradients of the new states, without what comes through later steps */
    real *later_h, *later_c;           /* what comes through them; replaced by what the old states get unit by unit */
    real *of_projected, *of_recurrent; /* [gates] */
    real *of_constants;                /* [CONSTANTS, hidden], added to */
} Row;

/* Units do not depend on one another. */
#define FOR_UNITS(j, count) _Pragma("GCC ivdep") for (size_t j = 0; j < (count); ++j)

#if defined(CELL_GRU) || defined(CELL_MGU)

typedef struct {
    Value projected, biased, recurrent, sum, opened;
} Gate;

static inline Gate gate(const Job *job, const Row *row, size_t at)
{
    Gate g;
    g.projected = requantize(row->projected[at], FORMAT(PREACTIVATION));
    g.biased = add(g.projected.value, job->constants[at]);
    g.recurrent = requantize(row->recurrent[at], FORMAT(PREACTIVATION));
    g.sum = add(g.biased.value, g.recurrent.value);
    g.opened = sigmoid(job, g.sum.value);
    return g;
}

/* opened: the gradient of the gate. */
static inline void gate_backward(const Row *row, const Gate *g, real opened, size_t at)
{
    const real sum = opened * g->opened.slope * g->sum.slope;
    const real biased = sum * g->biased.slope;
    row->of_projected[at] = biased * g->projected.slope;
    row->of_constants[at] += biased;
    row->of_recurrent[at] = sum * g->recurrent.slope;
}

#endif

#if defined(CELL_FASTGRNN)

typedef struct {
    Value projected, recurrent, sum, for_z, for_c, z, c, gate, h;
} Unit;

static inline Unit unit(const Job *job, const Row *row, size_t j)
{
    const size_t n = job->hidden;
    const real *const gate_bias = job->constants, *const candidate_bias = gate_bias + n;
    const real *const zeta = gate_bias + 2 * n, *const zeta_plus_nu = gate_bias + 3 * n;
    Unit u;
    u.projected = requantize(row->projected[j], FORMAT(PREACTIVATION));
    u.recurrent = requantize(row->recurrent[j], FORMAT(PREACTIVATION));
    u.sum = add(u.projected.value, u.recurrent.value);
    u.for_z = add(u.sum.value, gate_bias[j]);
    u.for_c = add(u.sum.value, candidate_bias[j]);
    u.z = sigmoid(job, u.for_z.value);
    u.c = tangent(job, u.for_c.value);
    u.gate = requantize(zeta_plus_nu[j] - zeta[j] * u.z.value, FORMAT(GATE));
    u.h = limit(u.z.value * row->h[j] + u.gate.value * u.c.value, FORMAT(STATE_0));
    return u;
}

static void backward_row(const Job *job, const Row *row)
{
    const Job local = *job;
    const Row io = *row;
    const size_t n = local.hidden;
    FOR_UNITS (j, n) {
        const Unit u = unit(&local, &io, j);
        const real h = (io.own_h[j] + io.later_h[j]) * u.h.slope;
        const real gate = h * u.c.value * u.gate.slope;
        const real z = (h * io.h[j] - gate * local.constants[2 * n + j]) * u.z.slope * u.for_z.slope;
        const real c = h * u.gate.value * u.c.slope * u.for_c.slope;
        const real sum = (z + c) * u.sum.slope;
        io.later_h[j] = h * u.z.value;
        io.of_projected[j] = sum * u.projected.slope;
        io.of_recurrent[j] = sum * u.recurrent.slope;
        io.of_constants[j] += z;
        io.of_constants[n + j] += c;
        io.of_constants[2 * n + j] -= gate * u.z.value;
        io.of_constants[3 * n + j] += gate;
    }
}

#elif defined(CELL_FASTRNN)

typedef struct {
    Value projected, recurrent, sum, for_c, c;
    GatedSum h;
} Unit;

static inline Unit unit(const Job *job, const Row *row, size_t j)
{
    const size_t n = job->hidden;
    const real *const bias = job->constants, *const alpha = bias + n, *const beta = bias + 2 * n;
    Unit u;
    u.projected = requantize(row->projected[j], FORMAT(PREACTIVATION));
    u.recurrent = requantize(row->recurrent[j], FORMAT(PREACTIVATION));
    u.sum = add(u.projected.value, u.recurrent.value);
    u.for_c = add(u.sum.value, bias[j]);
    u.c = tangent(job, u.for_c.value);
    u.h = gated_sum(alpha[j], u.c.value, beta[j], row->h[j], FORMAT(STATE_0));
    return u;
}

static void backward_row(const Job *job, const Row *row)
{
    const Job local = *job;
    const Row io = *row;
    const size_t n = local.hidden;
    FOR_UNITS (j, n) {
        const Unit u = unit(&local, &io, j);
        const real h = (io.own_h[j] + io.later_h[j]) * u.h.slope;
        const real product = h * u.h.slope_of_product;
        const real c = product * local.constants[n + j] * u.c.slope * u.for_c.slope;
        const real sum = c * u.sum.slope;
        io.later_h[j] = h * local.constants[2 * n + j];
        io.of_projected[j] = sum * u.projected.slope;
        io.of_recurrent[j] = sum * u.recurrent.slope;
        io.of_constants[j] += c;
        io.of_constants[n + j] += product * u.c.value;
        io.of_constants[2 * n + j] += h * io.h[j];
    }
}

#elif defined(CELL_GRU)

typedef struct {
    Gate r, z;
    Value projected, biased, recurrent, recurrent_biased, reset, sum, n;
    GatedSum h;
} Unit;

static inline Unit unit(const Job *job, const Row *row, size_t j)
{
    const size_t candidate = 2 * job->hidden + j;
    Unit u;
    u.r = gate(job, row, j);
    u.z = gate(job, row, job->hidden + j);
    u.projected = requantize(row->projected[candidate], FORMAT(PREACTIVATION));
    u.biased = add(u.projected.value, job->constants[candidate]);
    u.recurrent = requantize(row->recurrent[candidate], FORMAT(PREACTIVATION));
    u.recurrent_biased = add(u.recurrent.value, job->constants[3 * job->hidden + j]);
    u.reset = requantize(u.r.opened.value * u.recurrent_biased.value, FORMAT(PREACTIVATION));
    u.sum = add(u.biased.value, u.reset.value);
    u.n = tangent(job, u.sum.value);
    u.h = gated_sum(1 - u.z.opened.value, u.n.value, u.z.opened.value, row->h[j], FORMAT(STATE_0));
    return u;
}

static void backward_row(const Job *job, const Row *row)
{
    const Job local = *job;
    const Row io = *row;
    const size_t hidden = local.hidden;
    FOR_UNITS (j, hidden) {
        const Unit u = unit(&local, &io, j);
        const real h = (io.own_h[j] + io.later_h[j]) * u.h.slope;
        const real product = h * u.h.slope_of_product;
        const real n = product * (1 - u.z.opened.value) * u.n.slope * u.sum.slope;
        const real reset = n * u.reset.slope;
        const real recurrent_biased = reset * u.r.opened.value * u.recurrent_biased.slope;
        const real biased = n * u.biased.slope;
        gate_backward(&io, &u.r, reset * u.recurrent_biased.value, j);
        gate_backward(&io, &u.z, h * io.h[j] - product * u.n.value, hidden + j);
        io.later_h[j] = h * u.z.opened.value;
        io.of_projected[2 * hidden + j] = biased * u.projected.slope;
        io.of_recurrent[2 * hidden + j] = recurrent_biased * u.recurrent.slope;
        io.of_constants[2 * hidden + j] += biased;
        io.of_constants[3 * hidden + j] += recurrent_biased;
    }
}

#elif defined(CELL_MGU)

typedef struct {
    Gate f;
    Value projected, biased, recurrent, reset, sum, n;
    GatedSum h;
} Unit;

static inline Unit unit(const Job *job, const Row *row, size_t j)
{
    const size_t candidate = job->hidden + j;
    Unit u;
    u.f = gate(job, row, j);
    u.projected = requantize(row->projected[candidate], FORMAT(PREACTIVATION));
    u.biased = add(u.projected.value, job->constants[candidate]);
    u.recurrent = requantize(row->recurrent[candidate], FORMAT(PREACTIVATION));
    u.reset = requantize(u.f.opened.value * u.recurrent.value, FORMAT(PREACTIVATION));
    u.sum = add(u.biased.value, u.reset.value);
    u.n = tangent(job, u.sum.value);
    u.h = gated_sum(1 - u.f.opened.value, u.n.value, u.f.opened.value, row->h[j], FORMAT(STATE_0));
    return u;
}

static void backward_row(const Job *job, const Row *row)
{
    const Job local = *job;
    const Row io = *row;
    const size_t hidden = local.hidden;
    FOR_UNITS (j, hidden) {
        const Unit u = unit(&local, &io, j);
        const real h = (io.own_h[j] + io.later_h[j]) * u.h.slope;
        const real product = h * u.h.slope_of_product;
        const real n = product * (1 - u.f.opened.value) * u.n.slope * u.sum.slope;
        const real reset = n * u.reset.slope;
        const real biased = n * u.biased.slope;
        gate_backward(&io, &u.f, h * io.h[j] - product * u.n.value + reset * u.recurrent.value, j);
        io.later_h[j] = h * u.f.opened.value;
        io.of_projected[hidden + j] = biased * u.projected.slope;
        io.of_recurrent[hidden + j] = reset * u.f.opened.value * u.recurrent.slope;
        io.of_constants[hidden + j] += biased;
    }
}

#elif defined(CELL_LSTM)

typedef struct {
    Value projected, recurrent, sum, biased;
} Gate;

typedef struct {
    Gate of_i, of_f, of_g, of_o;
    Value i, f, g, o, tangent, h;
    GatedSum c;
} Unit;

static inline Gate gate(const Job *job, const Row *row, size_t at)
{
    Gate g;
    g.projected = requantize(row->projected[at], FORMAT(PREACTIVATION));
    g.recurrent = requantize(row->recurrent[at], FORMAT(PREACTIVATION));
    g.sum = add(g.projected.value, g.recurrent.value);
    g.biased = add(g.sum.value, job->constants[at]);
    return g;
}

static inline Unit unit(const Job *job, const Row *row, size_t j)
{
    const size_t n = job->hidden;
    Unit u;
    u.of_i = gate(job, row, j);
    u.of_f = gate(job, row, n + j);
    u.of_g = gate(job, row, 2 * n + j);
    u.of_o = gate(job, row, 3 * n + j);
    u.i = sigmoid(job, u.of_i.biased.value);
    u.f = sigmoid(job, u.of_f.biased.value);
    u.g = tangent(job, u.of_g.biased.value);
    u.o = sigmoid(job, u.of_o.biased.value);
    u.c = gated_sum(u.i.value, u.g.value, u.f.value, row->c[j], FORMAT(STATE_1));
    u.tangent = tangent(job, u.c.value);
    u.h = requantize(u.o.value * u.tangent.value, FORMAT(STATE_0));
    return u;
}

/* biased: the gradient of the gate's input. */
static inline void gate_backward(const Row *row, const Gate *g, real biased, size_t at)
{
    const real inside = biased * g->biased.slope;
    const real sum = inside * g->sum.slope;
    row->of_projected[at] = sum * g->projected.slope;
    row->of_constants[at] += inside;
    row->of_recurrent[at] = sum * g->recurrent.slope;
}

static void backward_row(const Job *job, const Row *row)
{
    const Job local = *job;
    const Row io = *row;
    const size_t n = local.hidden;
    FOR_UNITS (j, n) {
        const Unit u = unit(&local, &io, j);
        const real h = (io.own_h[j] + io.later_h[j]) * u.h.slope;
        const real c = (io.own_c[j] + io.later_c[j] + h * u.o.value * u.tangent.slope) * u.c.slope;
        const real product = c * u.c.slope_of_product;
        io.later_h[j] = 0; /* h' reads h through U alone */
        io.later_c[j] = c * u.f.value;
        gate_backward(&io, &u.of_i, product * u.g.value * u.i.slope, j);
        gate_backward(&io, &u.of_f, c * io.c[j] * u.f.slope, n + j);
        gate_backward(&io, &u.of_g, product * u.i.value * u.g.slope, 2 * n + j);
        gate_backward(&io, &u.of_o, h * u.tangent.value * u.o.slope, 3 * n + j);
    }
}

#endif

static void forward_row(const Job *job, const Row *row)
{
    const Job local = *job;
    const Row io = *row;
    FOR_UNITS (j, local.hidden) {
        const Unit u = unit(&local, &io, j);
        io.new_h[j] = u.h.value;
#if defined(CELL_LSTM)
        io.new_c[j] = u.c.value;
#endif
    }
}

/* ------------------------------------------------------------------------------------------------ products */

static size_t round_up(size_t count, size_t unit_size)
{
    return (count + unit_size - 1) / unit_size * unit_size;
}

/* A matrix that rows are multiplied with: panels of PANEL columns, [depth, PANEL] each, zeros after the last column. */
typedef struct {
    size_t depth, columns;
    real *panels;
} Packed;

static size_t packed_size(size_t depth, size_t columns)
{
    return depth * round_up(columns, PANEL);
}

/* From a matrix whose entry (k, j) stands at source[k * down + j * right]. */
static void pack(const Packed *packed, const real *source, size_t down, size_t right)
{
    real *target = packed->panels;
    for (size_t start = 0; start < packed->columns; start += PANEL)
        for (size_t k = 0; k < packed->depth; ++k)
            for (size_t j = start; j < start + PANEL; ++j)
                *target++ = j < packed->columns ? source[k * down + j * right] : 0;
}

static inline vector multiply_add(real a, vector b, vector c)
{
    const vector factor = a - (vector){0};
#if defined(__FMA__) && VECTOR_BYTES == 64 && REAL_BYTES == 8
    return (vector)_mm512_fmadd_pd((__m512d)factor, (__m512d)b, (__m512d)c);
#elif defined(__FMA__) && VECTOR_BYTES == 64
    return (vector)_mm512_fmadd_ps((__m512)factor, (__m512)b, (__m512)c);
#elif defined(__FMA__) && VECTOR_BYTES == 32 && REAL_BYTES == 8
    return (vector)_mm256_fmadd_pd((__m256d)factor, (__m256d)b, (__m256d)c);
#elif defined(__FMA__) && VECTOR_BYTES == 32
    return (vector)_mm256_fmadd_ps((__m256)factor, (__m256)b, (__m256)c);
#else
    return factor * b + c;
#endif
}

/* out [ROWS, columns rounded up to panels] = left [ROWS, depth] times the matrix; rows of left and out lie `stride` apart. */
static void multiply(const Packed *packed, const real *left, real *out, size_t stride)
{
    const real *panel = packed->panels;
    for (size_t start = 0; start < packed->columns; start += PANEL) {
        vector sums[ROWS][2];
        for (int m = 0; m < ROWS; ++m)
            sums[m][0] = sums[m][1] = (vector){0};
        for (size_t k = 0; k < packed->depth; ++k, panel += PANEL) {
            const vector first = *(const vector *)panel, second = *(const vector *)(panel + LANES);
#pragma GCC unroll 8
            for (int m = 0; m < ROWS; ++m) {
                const real factor = left[(size_t)m * stride + k];
                sums[m][0] = multiply_add(factor, first, sums[m][0]);
                sums[m][1] = multiply_add(factor, second, sums[m][1]);
            }
        }
        for (size_t m = 0; m < ROWS; ++m) {
            *(vector *)(out + m * stride + start) = sums[m][0];
            *(vector *)(out + m * stride + start + LANES) = sums[m][1];
        }
    }
}

/* ------------------------------------------------------------------------------------------------ tiles */

/* A job with its factors packed, and the share of every tile in the gradients of the constants. */
typedef struct {
    const Job *job;
    size_t count; /* of factors */
    size_t gates, stride;
    Packed packed[MAX_FACTORS];
    real *of_constants; /* backward: [tiles, CONSTANTS, hidden] */
} Plan;

static size_t rows_of_factor(const Plan *plan, size_t index)
{
    return index + 1 == plan->count ? plan->gates : plan->job->rank;
}

static size_t columns_of_factor(const Plan *plan, size_t index)
{
    return index == 0 ? plan->job->hidden : plan->job->rank;
}

/* A thread's own memory; every matrix [ROWS, stride]. */
typedef struct {
    real *values[MAX_FACTORS + 1]; /* h or its gradient, then what each factor makes of it */
    real *later[MAX_STATES];
    real *zeros; /* [stride] */
    real *all;
} Scratch;

static int allocate(const Plan *plan, Scratch *scratch)
{
    const size_t matrix = ROWS * plan->stride, count = MAX_FACTORS + 1 + MAX_STATES;
    real *next = aligned_alloc(ALIGNMENT, round_up((count * matrix + plan->stride) * sizeof(real), ALIGNMENT));
    scratch->all = next;
    if (next == NULL)
        return -1;
    for (size_t i = 0; i <= MAX_FACTORS; ++i, next += matrix)
        scratch->values[i] = next;
    for (size_t i = 0; i < MAX_STATES; ++i, next += matrix)
        scratch->later[i] = next;
    scratch->zeros = next;
    memset(scratch->all, 0, (count * matrix + plan->stride) * sizeof(real));
    return 0;
}

static void copy(real *target, const real *source, size_t count)
{
    memcpy(target, source, count * sizeof(real));
}

/* Where entry (step, row, 0) of an array [steps, batch, width] is. */
static size_t place_of(const Job *job, size_t step, size_t row, size_t width)
{
    return (step * job->batch + row) * width;
}

/* The old state. */
static const real *before(const Job *job, const Scratch *scratch, size_t state, size_t step, size_t row)
{
    if (step > 0)
        return job->states[state] + place_of(job, step - 1, row, job->hidden);
    return job->begin[state] != NULL ? job->begin[state] + row * job->hidden : scratch->zeros;
}

/* Of the product with the first of two factors. */
static Format inner_format(const Job *job)
{
    return (Format){job->inner_format[0], job->inner_format[1], job->inner_format[2]};
}

/* U h, from the h in the first of the scratch values to the last of them, before it is rounded. */
static void multiply_forward(const Plan *plan, const Scratch *scratch, size_t step, size_t first, size_t rows)
{
    const Job *job = plan->job;
    for (size_t i = 0; i < plan->count; ++i) {
        real *const out = scratch->values[i + 1];
        const size_t width = rows_of_factor(plan, i);
        multiply(&plan->packed[i], scratch->values[i], out, plan->stride);
        for (size_t m = 0; m < rows; ++m) {
            if (job->products[i] != NULL)
                copy(job->products[i] + place_of(job, step, first + m, width), out + m * plan->stride, width);
            for (size_t j = 0; i + 1 < plan->count && j < width; ++j)
                out[m * plan->stride + j] = requantize(out[m * plan->stride + j], inner_format(job)).value;
        }
    }
}

static void forward_tile(const Plan *plan, const Scratch *scratch, size_t first, size_t rows)
{
    const Job *job = plan->job;
    memset(scratch->values[0], 0, ROWS * plan->stride * sizeof(real));
    for (size_t m = 0; m < rows; ++m)
        copy(scratch->values[0] + m * plan->stride, before(job, scratch, 0, 0, first + m), job->hidden);
    for (size_t step = 0; step < job->steps; ++step) {
        multiply_forward(plan, scratch, step, first, rows);
        for (size_t m = 0; m < rows; ++m) {
            const size_t place = place_of(job, step, first + m, job->hidden);
            Row row = {.projected = job->projected + place_of(job, step, first + m, plan->gates)};
            row.recurrent = scratch->values[plan->count] + m * plan->stride;
            row.h = before(job, scratch, 0, step, first + m);
            row.new_h = job->states[0] + place;
            if (STATES > 1) {
                row.c = before(job, scratch, 1, step, first + m);
                row.new_c = job->states[1] + place;
            }
            forward_row(job, &row);
            copy(scratch->values[0] + m * plan->stride, row.new_h, job->hidden);
        }
    }
}

/* The gradient of h in the first of the scratch values, from that of U h, before it is rounded, in the last of them. */
static void multiply_backward(const Plan *plan, const Scratch *scratch, size_t step, size_t first, size_t rows)
{
    const Job *job = plan->job;
    for (size_t i = plan->count; i-- > 0;) {
        multiply(&plan->packed[i], scratch->values[i + 1], scratch->values[i], plan->stride);
        for (size_t m = 0; i > 0 && m < rows; ++m) {
            const size_t place = place_of(job, step, first + m, job->rank);
            real *const row = scratch->values[i] + m * plan->stride;
            for (size_t j = 0; j < job->rank; ++j)
                row[j] *= requantize(job->products[0][place + j], inner_format(job)).slope;
            copy(job->of_products[0] + place, row, job->rank);
        }
    }
}

static void backward_tile(const Plan *plan, const Scratch *scratch, size_t first, size_t rows)
{
    const Job *job = plan->job;
    const size_t last = plan->count - 1;
    for (size_t i = 0; i < STATES; ++i)
        memset(scratch->later[i], 0, ROWS * plan->stride * sizeof(real));
    for (size_t step = job->steps; step-- > 0;) {
        for (size_t m = 0; m < rows; ++m) {
            const size_t place = place_of(job, step, first + m, job->hidden), wide = place_of(job, step, first + m, plan->gates);
            Row row = {.projected = job->projected + wide, .recurrent = job->products[last] + wide};
            row.h = before(job, scratch, 0, step, first + m);
            row.own_h = job->gradients[0] + place;
            row.later_h = scratch->later[0] + m * plan->stride;
            if (STATES > 1) {
                row.c = before(job, scratch, 1, step, first + m);
                row.own_c = job->gradients[1] + place;
                row.later_c = scratch->later[1] + m * plan->stride;
            }
            row.of_projected = job->of_projected + wide;
            row.of_recurrent = scratch->values[plan->count] + m * plan->stride;
            row.of_constants = plan->of_constants + first / ROWS * CONSTANTS * job->hidden;
            backward_row(job, &row);
            if (job->of_products[last] != job->of_projected)
                copy(job->of_products[last] + wide, row.of_recurrent, plan->gates);
        }
        multiply_backward(plan, scratch, step, first, rows);
        for (size_t m = 0; m < rows; ++m)
            for (size_t j = 0; j < job->hidden; ++j)
                scratch->later[0][m * plan->stride + j] += scratch->values[0][m * plan->stride + j];
    }
}

/* ------------------------------------------------------------------------------------------------ threads */

typedef void Walk(const Plan *, const Scratch *, size_t first, size_t rows);

typedef struct {
    const Plan *plan;
    Walk *walk;
    size_t begin, end; /* tiles */
    int started, failed;
    pthread_t thread;
} Share;

static size_t tiles(const Job *job)
{
    return (job->batch + ROWS - 1) / ROWS;
}

static void *work(void *argument)
{
    Share *const share = argument;
    const size_t batch = share->plan->job->batch;
    Scratch scratch;
    share->failed = allocate(share->plan, &scratch);
    for (size_t tile = share->begin; !share->failed && tile < share->end; ++tile) {
        const size_t first = tile * ROWS;
        share->walk(share->plan, &scratch, first, batch - first < ROWS ? batch - first : ROWS);
    }
    free(scratch.all);
    return NULL;
}

/* All tiles, shared out among the job's threads, of which the caller is the first. */
static int walk_all(const Plan *plan, Walk *walk)
{
    const size_t count = tiles(plan->job);
    const size_t threads = plan->job->threads < count ? plan->job->threads : count ? count : 1;
    Share *const shares = calloc(threads, sizeof *shares);
    int failed = 0;
    if (shares == NULL)
        return -1;
    for (size_t i = 0; i < threads; ++i)
        shares[i] = (Share){.plan = plan, .walk = walk, .begin = i * count / threads, .end = (i + 1) * count / threads};
    for (size_t i = 1; i < threads; ++i)
        shares[i].started = pthread_create(&shares[i].thread, NULL, work, &shares[i]) == 0;
    for (size_t i = 0; i < threads; ++i)
        if (!shares[i].started)
            work(&shares[i]);
    for (size_t i = 0; i < threads; ++i) {
        if (shares[i].started)
            pthread_join(shares[i].thread, NULL);
        failed |= shares[i].failed;
    }
    free(shares);
    return failed;
}

/* Makes a plan, whose memory the caller frees; NULL where there is none. backward: multiply with U, not with its transpose. */
static real *prepare(Plan *plan, const Job *job, int backward)
{
    size_t size = 0, widest;
    real *all, *next;
    plan->job = job;
    plan->count = job->rank ? 2 : 1;
    plan->gates = GATES * job->hidden;
    widest = plan->gates > job->rank ? plan->gates : job->rank;
    plan->stride = round_up(widest, PANEL);
    for (size_t i = 0; i < plan->count; ++i) {
        const size_t rows = rows_of_factor(plan, i), columns = columns_of_factor(plan, i);
        plan->packed[i] = backward ? (Packed){rows, columns, NULL} : (Packed){columns, rows, NULL};
        size += packed_size(plan->packed[i].depth, plan->packed[i].columns);
    }
    size += backward ? tiles(job) * CONSTANTS * job->hidden : 0;
    all = next = aligned_alloc(ALIGNMENT, round_up(size * sizeof(real), ALIGNMENT));
    if (all == NULL)
        return NULL;
    memset(all, 0, size * sizeof(real));
    for (size_t i = 0; i < plan->count; ++i) {
        const size_t columns = columns_of_factor(plan, i);
        plan->packed[i].panels = next;
        next += packed_size(plan->packed[i].depth, plan->packed[i].columns);
        if (backward)
            pack(&plan->packed[i], job->factors[i], columns, 1);
        else
            pack(&plan->packed[i], job->factors[i], 1, columns);
    }
    plan->of_constants = next;
    return all;
}

/* Both give 0, or another number when memory is short. */

int rescomp_forward(const Job *job);
int rescomp_backward(const Job *job);

/* Fills states, and products where they are not NULL. */
int rescomp_forward(const Job *job)
{
    Plan plan;
    real *const memory = prepare(&plan, job, 0);
    const int failed = memory == NULL || walk_all(&plan, forward_tile);
    free(memory);
    return failed;
}

/* Fills the gradients, from what rescomp_forward filled. */
int rescomp_backward(const Job *job)
{
    Plan plan;
    real *const memory = prepare(&plan, job, 1);
    const int failed = memory == NULL || walk_all(&plan, backward_tile);
    const size_t size = CONSTANTS * job->hidden;
    memset(job->of_constants, 0, size * sizeof(real));
    for (size_t tile = 0; !failed && tile < tiles(job); ++tile)
        for (size_t j = 0; j < size; ++j)
            job->of_constants[j] += plan.of_constants[tile * size + j];
    free(memory);
    return failed;
}
