/* SPDX-License-Identifier: 0BSD */
/* A function's first and last instructions on Thumb-1, which pushes and pops only the low registers: r4-r11 and lr, 36 bytes. */

/* Leaves copies of r8-r11 in r4-r7. */
.macro push_call_saved
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
.endm

.macro pop_call_saved_and_return
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
.endm
