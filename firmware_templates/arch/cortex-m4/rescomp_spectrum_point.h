/* SPDX-License-Identifier: 0BSD */
/*
 * For rescomp_spectrum_point.h: a complex number stays the word that it is in memory, its real part in the lower half, and the DSP
 * extension computes both parts at once. Parts stay within 16 bits (docs/contract.md), those that are raised by 3 too.
 */
#ifndef RESCOMP_SPECTRUM_POINT_H
#define RESCOMP_SPECTRUM_POINT_H

#include "rescomp_core.h"
#include "rescomp_frontend.h"
#include "rescomp_spectrum_zeros.h"

enum { Q15 = 15, Q14 = 14 };

typedef uint32_t point;
typedef uint32_t turn; /* c - j s: c in the lower half, s in the upper one */

/* rescomp's name for an instruction of two registers, and for one of three. */
#define INSTRUCTION_OF_TWO(name, mnemonic)                                              \
    static inline uint32_t name(uint32_t a, uint32_t b)                                 \
    {                                                                                   \
        uint32_t result;                                                                \
                                                                                        \
        __asm__(mnemonic " %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));                \
        return result;                                                                  \
    }
#define INSTRUCTION_OF_THREE(name, mnemonic)                                            \
    static inline int32_t name(uint32_t a, uint32_t b, int32_t sum)                     \
    {                                                                                   \
        int32_t result;                                                                 \
                                                                                        \
        __asm__(mnemonic " %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));  \
        return result;                                                                  \
    }

INSTRUCTION_OF_TWO(sums, "sadd16")                     /* of lower halves, and of upper ones */
INSTRUCTION_OF_TWO(differences, "ssub16")              /* likewise */
INSTRUCTION_OF_TWO(saturated_differences, "qsub16")    /* likewise */
INSTRUCTION_OF_TWO(times_lower, "smulwb")              /* a times the lower half of b, * 2^-16 */
INSTRUCTION_OF_TWO(times_upper, "smulwt")              /* a times the upper half of b, * 2^-16 */
INSTRUCTION_OF_TWO(half_sum, "shadd16")                /* (a + b) / 2, rounded down */
INSTRUCTION_OF_TWO(half_difference, "shsub16")         /* (a - b) / 2 */
INSTRUCTION_OF_TWO(half_sum_on, "shsax")               /* (a - j b) / 2: lower a + upper b, upper a - lower b */
INSTRUCTION_OF_TWO(half_difference_on, "shasx")        /* (a + j b) / 2 */
INSTRUCTION_OF_TWO(straight, "smuad")                  /* lower a lower b + upper a upper b */
INSTRUCTION_OF_TWO(across_difference, "smusdx")        /* lower a upper b - upper a lower b */
INSTRUCTION_OF_THREE(plus_straight, "smlad")           /* sum + lower a lower b + upper a upper b */
INSTRUCTION_OF_THREE(plus_straight_difference, "smlsd") /* sum + lower a lower b - upper a upper b */
INSTRUCTION_OF_THREE(plus_across, "smladx")            /* sum + lower a upper b + upper a lower b */
INSTRUCTION_OF_THREE(plus_across_difference, "smlsdx") /* sum + lower a upper b - upper a lower b */
INSTRUCTION_OF_THREE(plus_lower, "smlabb")             /* sum + lower a lower b */
INSTRUCTION_OF_THREE(plus_upper_lower, "smlatb")       /* sum + upper a lower b */

/* The lower halves of both. */
static inline uint32_t packed(int32_t lower, int32_t upper)
{
    uint32_t result;

    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(lower), "r"(upper));
    return result;
}

/* The upper halves of both. */
static inline uint32_t packed_upper(int32_t lower, int32_t upper)
{
    uint32_t result;

    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(result) : "r"(upper), "r"(lower));
    return result;
}

/* lower >> 15 and upper >> 15 */
static inline uint32_t packed_by_15(int32_t lower, int32_t upper)
{
    uint32_t result;

    __asm__("pkhtb %0, %1, %2, asr #15" : "=r"(result) : "r"((uint32_t)upper << 1), "r"(lower));
    return result;
}

/* The magnitudes of both halves: ssub16 tells sel which of them are not positive. */
static inline uint32_t magnitudes_of(uint32_t value)
{
    uint32_t result;

    __asm__("ssub16 %0, %2, %1\n\tsel %0, %0, %1" : "=&r"(result) : "r"(value), "r"(0));
    return result;
}

static inline turn turn_of(int32_t c, int32_t s)
{
    return packed(c, s);
}

static inline point point_of(int32_t re, int32_t im)
{
    return packed(re, im);
}

static inline point point_at(const int32_t *word)
{
    return (uint32_t)*word;
}

static inline void write_point(int32_t *word, point value)
{
    *word = (int32_t)value;
}

/* times c - j s: re c + im s, im c - re s */
static inline point turned(point by, turn w)
{
    return packed_by_15(plus_straight(by, w, 1 << 14), plus_across_difference(w, by, 1 << 14));
}

/* times -j (c - j s): im c - re s, -(re c + im s) */
static inline point turned_on(point by, turn w)
{
    return packed_by_15(plus_across_difference(w, by, 1 << 14), (1 << 14) - (int32_t)straight(by, w));
}

/* Both parts greater by `by`: what rounds halves up. */
static inline point raised(point value, int32_t by)
{
    return sums(value, (uint32_t)by * 0x00010001u);
}

/* The upper part is shifted alone, where the lower one would shift bits into it. */
static inline point doubled(point value, uint8_t times)
{
    return packed((int32_t)(value << times), ((int32_t)value >> 16) * (1 << times));
}

static inline int32_t magnitude_of(int32_t value)
{
    return (value ^ (value >> 31)) - (value >> 31);
}

static inline int32_t bits_of(point value)
{
    return (int32_t)magnitudes_of(value);
}

static inline int32_t gathered(int32_t bits)
{
    return (bits | bits >> 16) & 0xffff;
}

#endif
