/* SPDX-License-Identifier: 0BSD */
/*
 * A function's beginning and end on Thumb-1, which pushes and pops only the low registers: r4-r11 and lr, 36 bytes. frame: bytes of the
 * stack below them, if there are any.
 */
    .syntax unified
    .thumb

/* In a section of its own, where none is named. binding: .global or .local */
.macro begin_function name, section, binding=.global
.ifb \section
    .section .text.\name, "ax", %progbits
.else
    .section \section, "ax", %progbits
.endif
    .balign 4
    \binding \name
    .type \name, %function
    .thumb_func
\name:
.endm

.macro end_function name
    .size \name, . - \name
.endm

/* Leaves copies of r8-r11 in r4-r7. */
.macro push_call_saved frame
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
.ifnb \frame
    sub sp, #\frame
.endif
.endm

.macro pop_call_saved_and_return frame
.ifnb \frame
    add sp, #\frame
.endif
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
.endm
