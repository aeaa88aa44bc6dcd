/* SPDX-License-Identifier: 0BSD */
/*
 * Requantization of rows by shifts on ARMv6-M. The file that includes this one names the function in RESCOMP_KERNEL and the bytes of an
 * output in BYTES.
 */
/* The fields of a rescomp_requantization behind its bias. */
#define SHIFT 4
#define SHIFT_STEP 9
#define LOW 10
#define HIGH 12
#include "rescomp_requantize_two_rows_thumb1.h"

/* r0: accumulators, r2: shifts, both read row after row; r4: the second accumulator of a pair */
output .req r1
zero   .req r5
step   .req r6 /* from a row's shift to that of the next one, 0 or 1 */

/* output[index] = clamp(sum >> shift), the last bit shifted out being the carry that rounds; sum: r3 or r4, lost like r7 */
.macro scale sum, index
.if \index
    ldrb r7, [r2, step]
.else
    ldrb r7, [r2]
.endif
    asrs \sum, r7
    adcs \sum, zero
    add \sum, minus
    clamp \sum, r7
.if BYTES == 2
    strh \sum, [output, #2 * \index]
.else
    strb \sum, [output, #\index]
.endif
.endm

    begin_function RESCOMP_KERNEL
    enter BYTES
    mov minus, r4
    ldr r2, [r3, #SHIFT]
    movs step, #SHIFT_STEP
    ldrb step, [r3, step]
    movs zero, #0
    mov r3, bias
    cmp r3, zero
    bne one_by_one
    cmp output, last
    bhs rest
1:  ldmia r0!, {r3, r4}
    scale r3, 0
    scale r4, 1
    adds r2, step
    adds r2, step
    adds output, #2 * BYTES
    cmp output, last
    blo 1b
rest:
    cmp output, lr
    bhs return
    ldmia r0!, {r3}
    scale r3, 0
return:
    pop_call_saved_and_return

one_by_one:
    cmp output, lr
    bhs return
    ldmia r0!, {r3}
    add_bias r3, r4, r7
    scale r3, 0
    adds r2, step
    adds output, #BYTES
    b one_by_one
    end_function RESCOMP_KERNEL
