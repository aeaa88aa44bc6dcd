/* SPDX-License-Identifier: 0BSD */
/* A function's beginning and end on Thumb-2. frame: bytes of the stack below the registers that it keeps, r4-r11 and lr, 36 bytes. */
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

.macro push_call_saved frame
    push {r4-r11, lr}
    sub sp, #\frame
.endm

.macro pop_call_saved_and_return frame
    add sp, #\frame
    pop {r4-r11, pc}
.endm
