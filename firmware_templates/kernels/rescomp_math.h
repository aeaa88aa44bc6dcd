/* SPDX-License-Identifier: 0BSD */
/*
 * The arithmetic of rescomp's integer contract: the only place in the C code that rounds, scales or saturates.
 *
 * Everything is 32-bit: accumulators stay below 2^30 in magnitude (proved when the model is generated), so that
 * no step here can overflow, and no 64-bit multiplication is ever needed.
 */
#ifndef RESCOMP_MATH_H
#define RESCOMP_MATH_H

#include <stdint.h>

/* Raised when a kernel's interface changes, and when any result changes by one bit. */
#define RESCOMP_API_VERSION 4
#define RESCOMP_CONTRACT_VERSION 1

/*
 * Constants stay in flash on AVR, whose data memory is a separate address space; elsewhere const alone does it. GNU C
 * (-std=gnu99) is needed there: in plain C99, which cannot name an address space, they are copied to RAM.
 */
#if defined(__AVR__) && defined(__FLASH) && !defined(__STRICT_ANSI__)
#define RESCOMP_FLASH __flash
#else
#define RESCOMP_FLASH
#endif

/*
 * __flash has 16-bit addresses: constants past 64 KB would be read from elsewhere, without a word. So each file with constants adds
 * what they take, in units of 256 bytes, to a section that is counted by the linker and not loaded, and an instruction before main,
 * which does nothing, holds the sum in 8 bits: where it does not fit, the linker says that it was truncated. Of the 255 units 16 are
 * left for the vectors and the compiler's own tables.
 */
#if defined(__AVR__) && defined(__FLASH) && !defined(__STRICT_ANSI__)
#define RESCOMP_CLAIM_FLASH(bytes) RESCOMP_CLAIM_FLASH_TEXT(bytes)
#define RESCOMP_CLAIM_FLASH_TEXT(bytes) \
    __asm__(".pushsection rescomp_constants_past_64_KB, \"\", @nobits\n\t" \
            ".space (" #bytes " + 255) / 256\n\t" \
            ".popsection\n\t" \
            ".pushsection .init3, \"ax\", @progbits\n\t" \
            "cpi r16, __stop_rescomp_constants_past_64_KB + 16\n\t" \
            ".popsection");
#else
#define RESCOMP_CLAIM_FLASH(bytes)
#endif

/*
 * Bytes that are put together to a word. Of neighbouring ones in flash avr-gcc (5.4, -O2) makes one load, which by mistake reads
 * RAM; it leaves volatile ones alone.
 */
#ifdef __AVR__
#define RESCOMP_FLASH_BYTES volatile RESCOMP_FLASH
#else
#define RESCOMP_FLASH_BYTES RESCOMP_FLASH
#endif

/*
 * What entries, rows, positions and geometries are counted in: 32 bits where an object may have so many bytes, 16 where it may not.
 */
#if SIZE_MAX > UINT16_MAX
typedef uint32_t rescomp_count;
#define RESCOMP_COUNT_BITS 32
#else
typedef uint16_t rescomp_count;
#define RESCOMP_COUNT_BITS 16
#endif

#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define RESCOMP_STATIC_ASSERT(condition, name) _Static_assert(condition, #name)
#else
#define RESCOMP_STATIC_ASSERT(condition, name) typedef char rescomp_assert_##name[(condition) ? 1 : -1]
#endif

RESCOMP_STATIC_ASSERT((-1 >> 1) == -1, right_shift_of_negative_numbers_is_arithmetic);
RESCOMP_STATIC_ASSERT((INT32_C(-3) >> 1) == -2, right_shift_of_negative_numbers_rounds_down);

/*
 * From an accumulator to an output's format, for a row (output channel):
 * saturate(((accumulator + bias) * multiplier + 2^(shift - 1)) >> shift).
 * A step is 1 where there is one entry a row, and 0 where a single entry serves all rows.
 */
typedef struct {
    const RESCOMP_FLASH int32_t *bias;       /* in units of the accumulator; NULL: none */
    const RESCOMP_FLASH int16_t *multiplier; /* 2^14 <= multiplier < 2^15; NULL: the factor is 2^-shift alone */
    const RESCOMP_FLASH int8_t *shift;       /* 8..45 with a multiplier, -6..31 without one */
    uint8_t multiplier_step;
    uint8_t shift_step;
    int16_t low; /* the output's range, both ends included */
    int16_t high;
} rescomp_requantization;

/*
 * Structs of parameters come from functions, not from initialisers: compilers then build them in registers, instead of
 * copying an image of them from flash.
 */
static inline rescomp_requantization rescomp_requantize_by(const RESCOMP_FLASH int32_t *bias,
                                                           const RESCOMP_FLASH int16_t *multiplier,
                                                           uint8_t multiplier_step,
                                                           const RESCOMP_FLASH int8_t *shift, uint8_t shift_step,
                                                           int16_t low, int16_t high)
{
    rescomp_requantization by;

    by.bias = bias;
    by.multiplier = multiplier;
    by.multiplier_step = multiplier_step;
    by.shift = shift;
    by.shift_step = shift_step;
    by.low = low;
    by.high = high;
    return by;
}

static inline int32_t rescomp_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static inline int16_t rescomp_saturate_int16(int32_t value)
{
    return (int16_t)rescomp_clamp(value, INT16_MIN, INT16_MAX);
}

/* floor(value / 2^shift + 1/2): ties go up, below zero too. 1 <= shift <= 31, and |value| + 2^(shift - 1) < 2^31. */
static inline int32_t rescomp_round_half_up_shift(int32_t value, int shift)
{
    return (value + (INT32_C(1) << (shift - 1))) >> shift;
}

/*
 * a * b + c * d with a, b, c in Q15 and d in Q(fraction_bits), at most 14; so is the result. |a * b| <= 2^30, and the sum was
 * proved to stay below 2^30.
 */
static inline int32_t rescomp_gated_sum(int32_t a, int32_t b, int32_t c, int32_t d, uint8_t fraction_bits)
{
    return rescomp_round_half_up_shift(rescomp_round_half_up_shift(a * b, 15 - fraction_bits) + c * d, 15);
}

/* accumulator * 2^-shift, -6 <= shift <= 31. Where it would leave int32 it is only right after saturation to int16. */
static inline int32_t rescomp_scale_by_power_of_two(int32_t accumulator, int shift)
{
    if (shift > 0) {
        return rescomp_round_half_up_shift(accumulator, shift);
    }
    return rescomp_clamp(accumulator, INT16_MIN, INT16_MAX) * (INT32_C(1) << -shift);
}

/*
 * accumulator * multiplier * 2^-shift, |accumulator| < 2^30, 8 <= shift <= 45, by splitting accumulator = high * 2^15 + low:
 * flooring the low product's 15 surplus bits first does not change the floor of the sum.
 * Where the result would leave int32 it is only right after saturation to int16.
 */
static inline int32_t rescomp_scale_by_multiplier(int32_t accumulator, int32_t multiplier, int shift)
{
    const int32_t high_product = (accumulator >> 15) * multiplier;
    const int32_t low_product = (accumulator & 0x7fff) * multiplier;

    if (shift > 15) {
        return rescomp_round_half_up_shift(high_product + (low_product >> 15), shift - 15);
    }
    if (shift == 15) {
        return high_product + rescomp_round_half_up_shift(low_product, 15);
    }
    /* The factor is 1 or more: an accumulator outside int16 saturates anyway. */
    return rescomp_round_half_up_shift(rescomp_clamp(accumulator, INT16_MIN, INT16_MAX) * multiplier, shift);
}

static inline int16_t rescomp_requantize(int32_t accumulator, const rescomp_requantization *by, rescomp_count row)
{
    const int shift = by->shift[row * by->shift_step];

    if (by->bias) {
        accumulator += by->bias[row];
    }
    accumulator = by->multiplier ? rescomp_scale_by_multiplier(accumulator, by->multiplier[row * by->multiplier_step], shift)
                                 : rescomp_scale_by_power_of_two(accumulator, shift);
    return (int16_t)rescomp_clamp(accumulator, by->low, by->high);
}

#endif
