/* SPDX-License-Identifier: 0BSD */
/* A function's beginning and end on RV32IMC. count: of the registers from s0 on that it keeps, in a stack frame of so many bytes. */
.macro begin_function name
    .section .text.\name, "ax", @progbits
    .balign 4
    .globl \name
    .type \name, @function
\name:
.endm

.macro end_function name
    .size \name, . - \name
.endm

/* lw or sw, of s0, s1, ..., `count` registers, from the word at `base` on */
.macro move_words instruction, count, base
.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
.if \i < \count
    \instruction s\i, 4 * \i(\base)
.endif
.endr
.endm

.macro push_call_saved count, frame
    addi sp, sp, -\frame
    move_words sw, \count, sp
.endm

.macro pop_call_saved_and_return count, frame
    move_words lw, \count, sp
    addi sp, sp, \frame
    ret
.endm
