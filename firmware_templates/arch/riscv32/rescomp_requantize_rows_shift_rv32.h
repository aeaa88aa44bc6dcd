/* SPDX-License-Identifier: 0BSD */
/* Requantization by shifts on RV32IMC. The file that includes this one names the function and the bytes of an output. */

/* In a rescomp_requantization. */
#define SHIFT 8
#define SHIFT_STEP 13
#define LOW 14
#define HIGH 16

/* a4: the next shift, a5: bytes to the one after it, 1 or 0 */
.macro begin
    lw a4, SHIFT(a3)
    lbu a5, SHIFT_STEP(a3)
.endm

/* One bit is left for rounding. Goes on to the next row's shift. */
.macro scale row
    lb t1, 0(a4)
    add a4, a4, a5
    addi t1, t1, -1
    sra t0, t0, t1
    addi t0, t0, 1
    srai t0, t0, 1
.endm

.macro advance rows
.endm

#include "rescomp_requantize_rows_rv32.h"
