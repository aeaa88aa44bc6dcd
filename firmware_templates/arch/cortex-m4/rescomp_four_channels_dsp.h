/* SPDX-License-Identifier: 0BSD */
/*
 * The DSP extension for depthwise_conv2d_int8_int8.c: four channels at once, whose entries lie in one word of the input and one of the
 * weights. SXTB16 makes pairs of halves of each, the SMLA multiplications take one half of each operand.
 */
#ifndef RESCOMP_FOUR_CHANNELS_DSP_H
#define RESCOMP_FOUR_CHANNELS_DSP_H

#include "rescomp_core.h"
#include "rescomp_kernels.h"

/* Of one position, for four_channels; it lies on the stack, where the assembly counts its words (and keeps two of its own in `own`). */
typedef struct {
    const int32_t *bias; /* four, then bias_step bytes on the next four */
    uint32_t bias_step;
    const int8_t *shift; /* likewise; all are 1..31 */
    int8_t *output;
    uint32_t shift_step;
    const int8_t *output_end;      /* a multiple of four channels on */
    uint32_t input_back, weight_back; /* from behind the last row of a patch to the next four channels of its first one */
    uint32_t low, high;            /* the output's range, in each byte of a word */
    uint32_t rows, run;            /* of the patch inside the input, 1 or more: rows, positions in each */
    uint32_t weight_row;
    uint32_t own[2];
} four_channels_position;

/*
 * For each four channels up to output_end, what channel_dot and rescomp_requantize do, with shifts alone: output = clamp((bias + the sum
 * over rows and run of input * weight + 2^(shift - 1)) >> shift). input_row and weight_row: bytes from the beginning of a row to the next
 * one's, or with a run other than 2 and 3 from the end of a row.
 *
 * r0 input, r1 weights; r2 channels, by which the entries of a row are apart; r3 input_row, r12 weight_row; r4-r7 sums, then results;
 * r8-r11 free; lr rows that are left. asrs and adc round half up: the last bit shifted out is the carry.
 */
#define IN_ASSEMBLY __attribute__((unused)) /* which C does not see */
static __attribute__((naked, noinline, used)) void four_channels(IN_ASSEMBLY const int8_t *input, IN_ASSEMBLY const int8_t *weight,
                                                                 IN_ASSEMBLY uint32_t channels, IN_ASSEMBLY uint32_t input_row,
                                                                 IN_ASSEMBLY four_channels_position at)
{
    __asm__(".set BIAS, 36\n" /* behind nine saved registers */
            ".set SHIFT, BIAS + 8\n"
            ".set SHIFT_STEP, BIAS + 16\n"
            ".set OUTPUT_END, BIAS + 20\n"
            ".set BACK, BIAS + 24\n"
            ".set RANGE, BIAS + 32\n"
            ".set ROWS, BIAS + 40\n"
            ".set RUN, BIAS + 44\n"
            ".set WEIGHT_ROW, BIAS + 48\n"
            ".set BODY, BIAS + 52\n" /* what adds up a patch of this run */
            ".set LEFT, BIAS + 56\n" /* of a run */
            /* Four sums += the four entries at r0 and at r1, both `offset` (an index) on. */
            ".macro add_products offset:vararg\n"
            "ldr r8, [r0\\offset]\n"
            "ldr r9, [r1\\offset]\n"
            "sxtb16 r10, r8\n"
            "sxtb16 r11, r9\n"
            "smlabb r4, r10, r11, r4\n"
            "smlatt r6, r10, r11, r6\n"
            "sxtb16 r10, r8, ror #8\n"
            "sxtb16 r11, r9, ror #8\n"
            "smlabb r5, r10, r11, r5\n"
            "smlatt r7, r10, r11, r7\n"
            ".endm\n"
            /* To the next row; \body adds it up. */
            ".macro next_row body\n"
            "add r0, r0, r3\n"
            "add r1, r1, r12\n"
            "subs lr, lr, #1\n"
            "bne \\body\n"
            ".endm\n"
            /* By the lowest byte of r10. */
            ".macro round_half_up_shift sum\n"
            "asrs \\sum, \\sum, r10\n"
            "adc \\sum, \\sum, #0\n"
            "ssat \\sum, #8, \\sum\n"
            ".endm\n"
            "push {r4-r11, lr}\n"
            "ldr r12, [sp, #WEIGHT_ROW]\n"
            "ldr r4, [sp, #RUN]\n"
            "adr.w r5, 30f\n"
            "cmp r4, #3\n"
            "beq 1f\n"
            "adr.w r5, 20f\n"
            "cmp r4, #2\n"
            "beq 1f\n"
            "adr.w r5, 40f\n"
            "1: orr r5, r5, #1\n"
            "str r5, [sp, #BODY]\n"
            "10: ldrd r8, r9, [sp, #BIAS]\n"
            "ldmia r8, {r4-r7}\n"
            "add r8, r8, r9\n"
            "str r8, [sp, #BIAS]\n"
            "ldr lr, [sp, #ROWS]\n"
            "ldr pc, [sp, #BODY]\n"
            ".balign 4\n"
            "20: add_products\n"
            "add_products , r2\n"
            "next_row 20b\n"
            "b 50f\n"
            ".balign 4\n"
            "40: ldr r8, [sp, #RUN]\n" /* any run: three at a time, then the rest */
            "41: str r8, [sp, #LEFT]\n"
            "cmp r8, #3\n"
            "blo 42f\n"
            "add_products\n"
            "add_products , r2\n"
            "add_products , r2, lsl #1\n"
            "add r8, r2, r2, lsl #1\n"
            "add r0, r0, r8\n"
            "add r1, r1, r8\n"
            "ldr r8, [sp, #LEFT]\n"
            "subs r8, r8, #3\n"
            "bne 41b\n"
            "b 43f\n"
            "42: add_products\n"
            "add r0, r0, r2\n"
            "add r1, r1, r2\n"
            "ldr r8, [sp, #LEFT]\n"
            "subs r8, r8, #1\n"
            "str r8, [sp, #LEFT]\n"
            "bne 42b\n"
            "43: next_row 40b\n"
            "b 50f\n"
            ".balign 4\n"
            "30: add_products\n"
            "add_products , r2\n"
            "add_products , r2, lsl #1\n"
            "next_row 30b\n"
            "50: ldrd r8, r9, [sp, #SHIFT]\n"
            "ldr r10, [r8]\n"
            "ldr r11, [sp, #SHIFT_STEP]\n"
            "add r8, r8, r11\n"
            "round_half_up_shift r4\n"
            "lsr r10, r10, #8\n"
            "round_half_up_shift r5\n"
            "lsr r10, r10, #8\n"
            "round_half_up_shift r6\n"
            "lsr r10, r10, #8\n"
            "round_half_up_shift r7\n"
            "bfi r4, r5, #8, #8\n"
            "bfi r4, r6, #16, #8\n"
            "bfi r4, r7, #24, #8\n"
            "ldrd r10, r11, [sp, #RANGE]\n"
            "ssub8 r5, r4, r10\n"
            "sel r4, r4, r10\n"
            "ssub8 r5, r11, r4\n"
            "sel r4, r4, r11\n"
            "str r4, [r9], #4\n"
            "strd r8, r9, [sp, #SHIFT]\n"
            "ldrd r10, r11, [sp, #BACK]\n"
            "sub r0, r0, r10\n"
            "sub r1, r1, r11\n"
            "ldr r10, [sp, #OUTPUT_END]\n"
            "cmp r9, r10\n"
            "bne 10b\n"
            "pop {r4-r11, pc}\n");
}

#endif
