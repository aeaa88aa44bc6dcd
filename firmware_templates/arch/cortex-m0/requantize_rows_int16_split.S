/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
/* The fields of a rescomp_row_scales behind its bias. */
#define SCALE 0
#define LIFT 4
#define LOW 6
#define HIGH 8
#include "rescomp_requantize_two_rows_thumb1.h"

/* r0: accumulators, r2: scales, both read row after row */
output .req r1
lift   .req r7

/* output[index] = clamp((((sum << lift) * multiplier >> 16 >> shift) + 1) >> 1), the sum being in r3 */
.macro scale index
    ldmia r2!, {r4}                 /* multiplier << 16 | shift */
    lsrs r5, r4, #16
    asrs r6, r3, #16                /* (upper half * multiplier) + (lower half * multiplier >> 16) */
    uxth r3, r3
    muls r6, r5
    muls r3, r5
    lsrs r3, #16
    adds r3, r6
    asrs r3, r4
    add r3, minus
    asrs r3, #1
    clamp r3, r4
    strh r3, [output, #2 * \index]
.endm

.macro row index, is_lifted
    ldmia r0!, {r3}
.if \is_lifted
    lsls r3, lift
.endif
    scale \index
.endm

/* Pairs of rows, up to the last one if that is single. */
.macro pairs is_lifted
    cmp output, last
    bhs 2f
1:  row 0, \is_lifted
    row 1, \is_lifted
    adds output, #4
    cmp output, last
    blo 1b
2:
.endm

    begin_function rescomp_requantize_rows_int16_split
    enter 2
    lsls r4, #1
    adds r4, #1                     /* and a half, by which the result is rounded */
    mov minus, r4
    ldr r2, [r3, #SCALE]
    ldrb lift, [r3, #LIFT]
    mov r3, bias
    cmp r3, #0
    bne one_by_one
    cmp lift, #0
    bne lifted
    pairs 0
    b rest
lifted:
    pairs 1
rest:
    cmp output, lr
    bhs return
    row 0, 1
return:
    pop_call_saved_and_return

one_by_one:
    cmp output, lr
    bhs return
    ldmia r0!, {r3}
    add_bias r3, r4, r5
    lsls r3, lift
    scale 0
    adds output, #2
    b one_by_one
    end_function rescomp_requantize_rows_int16_split
