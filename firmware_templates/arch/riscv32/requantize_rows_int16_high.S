/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_requantize_rows_int16_high
#define BYTES 2

/* In a rescomp_row_scales. */
#define SCALE 4
#define LIFT 8
#define LOW 10
#define HIGH 12

/* a4: scales, a5: lift */
.macro begin
    lw a4, SCALE(a3)
    lbu a5, LIFT(a3)
.endm

/* The upper word of (sum << lift) * scale + 2^31: the highest bit of the lower word rounds. */
.macro scale row
    lw t1, 4 * \row(a4)
    sll t0, t0, a5
    mulh t2, t0, t1
    mul t0, t0, t1
    srli t0, t0, 31
    add t0, t0, t2
.endm

.macro advance rows
    addi a4, a4, 4 * \rows
.endm

#include "rescomp_requantize_rows_rv32.h"
