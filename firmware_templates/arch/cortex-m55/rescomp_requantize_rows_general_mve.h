/* SPDX-License-Identifier: 0BSD */
/*
 * Helium for rescomp_requantize_rows_body.h, four rows at a time where each has its own scale and, with multipliers, none a
 * shift below 16; the code of other cores does the rest. The file that includes it names the function in RESCOMP_KERNEL and
 * what that header asks for, and defines VECTOR_STORE, which stores the low parts of four words.
 */
#define FUNCTION scalar_rows
#define BINDING .local
#include "rescomp_requantize_rows_general_thumb2.h"

/* Behind the saved registers: fields of rescomp_requantization. */
#define BY 16

/* void RESCOMP_KERNEL(accumulator: r0, output: r1, rows: r2, by: r3 and the stack) */
    begin_function RESCOMP_KERNEL, .text
    push {r4-r6, lr}
    ldr r4, [sp, #BY]
    ldr r5, [sp, #BY + 4]
    ldrh r6, [sp, #BY + 8]      @ both steps
    cbnz r4, 1f
    orr r6, r6, #0x01           @ without multipliers their step does not matter
1:  movw r12, #0x0101
    cmp r6, r12
    bne .Lelsewhere
    movs r6, #1                 @ r6: 1 + the bits that products lose
    cbz r4, 3f
    movs r6, #127
    mov r12, r5
    dlstp.8 lr, r2
2:  vldrb.s8 q0, [r12], #16
    vminv.s8 r6, q0
    letp lr, 2b
    cmp r6, #16
    blt .Lelsewhere
    movs r6, #16

    /* r0 accumulators; r1 output; r3 biases or NULL; r4 multipliers or NULL; r5 shifts; r12 high; q0 rows; q1, q2 free; q3 low */
3:  ldrsh r12, [sp, #BY + 10]
    vdup.32 q3, r12
    ldrsh r12, [sp, #BY + 12]
    dlstp.32 lr, r2
.Lvector:
    vldrw.u32 q0, [r0], #16
    cbz r3, 4f
    vldrw.u32 q1, [r3], #16
    vadd.i32 q0, q0, q1
4:  vldrb.s32 q2, [r5], #4
    vmvn q2, q2                 @ -shift - 1
    vadd.i32 q2, q2, r6
    cbz r4, 5f
    vldrh.u32 q1, [r4], #8
    vshl.i32 q1, q1, #16
    vqdmulh.s32 q0, q0, q1      @ (2 * value * multiplier * 2^16) >> 32
5:  vqrshl.s32 q0, q0, q2       @ to the right, rounding half up, and without multipliers to the left, saturating
    vdup.32 q1, r12
    vmax.s32 q0, q0, q3
    vmin.s32 q0, q0, q1
    VECTOR_STORE q0, [r1], #4 * OUTPUT_BYTES
    letp lr, .Lvector
    pop {r4-r6, pc}

.Lelsewhere:
    pop {r4-r6, lr}
    b scalar_rows
    end_function RESCOMP_KERNEL
