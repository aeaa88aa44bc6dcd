/* SPDX-License-Identifier: 0BSD */
/* Calls checked_function with the arguments that it is given itself, on a stack that it leaves alone, and reports in registers_changed
 * whether a register came back changed that the procedure call standard tells to keep. Each such register goes in with a value of its own,
 * other in every byte, so that neither two of them swapped nor a part of one go unseen; the stack pointer must be what it was.
 * ARMv6-M and later, with the high half of the floating-point registers where there are some; RISC-V without floating point.
 */
#if defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
#define HAS_FLOAT_REGISTERS 1
#else
#define HAS_FLOAT_REGISTERS 0
#endif
#define KEPT_4 0xa4b4c4d4
#define KEPT_5 0xa5b5c5d5
#define KEPT_6 0xa6b6c6d6
#define KEPT_7 0xa7b7c7d7
#define KEPT_8 0xa8b8c8d8
#define KEPT_9 0xa9b9c9d9
#define KEPT_10 0xaabacada
#define KEPT_11 0xabbbcbdb

    .bss
    .balign 4
    .global checked_function
checked_function: .space 4
    .global registers_changed
registers_changed: .space 4

#ifdef __thumb__
    .syntax unified
    .thumb

saved: .space 40

#if HAS_FLOAT_REGISTERS
    .fpu fpv5-sp-d16
    .balign 8
floats_saved: .space 64
floats_found: .space 64

    .section .rodata
    .balign 8
floats_kept:
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7
    .word 0xd0e0f000 + 0x01010101 * \number, 0x0d0e0f00 + 0x10101010 * \number
    .endr
#endif

    .text
/* \register against the value that it went in with; r0, r1: lost */
.macro expect register, value
    ldr r0, =\value
    mov r1, \register
    cmp r0, r1
    bne changed
.endm

    .global checked_call
    .type checked_call, %function
    .thumb_func
    .balign 4
checked_call:
    mov r12, r4
    ldr r4, =saved
    stmia r4!, {r5, r6, r7}
    mov r5, r8
    mov r6, r9
    mov r7, r10
    stmia r4!, {r5, r6, r7}
    mov r5, r11
    mov r6, lr
    mov r7, r12
    stmia r4!, {r5, r6, r7}
    mov r5, sp
    stmia r4!, {r5}
#if HAS_FLOAT_REGISTERS
    ldr r4, =0xe000ed88 /* the core's floating-point registers answer to coprocessors 10 and 11 */
    ldr r5, [r4]
    orr r5, r5, #0xf << 20
    str r5, [r4]
    dsb
    isb
    ldr r4, =floats_saved
    vstmia r4, {d8-d15}
    ldr r4, =floats_kept
    vldmia r4, {d8-d15}
#endif
    ldr r4, =checked_function
    ldr r4, [r4]
    mov r12, r4
    ldr r4, =KEPT_8
    mov r8, r4
    ldr r4, =KEPT_9
    mov r9, r4
    ldr r4, =KEPT_10
    mov r10, r4
    ldr r4, =KEPT_11
    mov r11, r4
    ldr r4, =KEPT_4
    ldr r5, =KEPT_5
    ldr r6, =KEPT_6
    ldr r7, =KEPT_7
    blx r12

    expect r4, KEPT_4
    expect r5, KEPT_5
    expect r6, KEPT_6
    expect r7, KEPT_7
    expect r8, KEPT_8
    expect r9, KEPT_9
    expect r10, KEPT_10
    expect r11, KEPT_11
#if HAS_FLOAT_REGISTERS
    ldr r0, =floats_found
    vstmia r0, {d8-d15}
    ldr r1, =floats_kept
    movs r2, #16
next_float:
    ldmia r0!, {r3}
    ldmia r1!, {r4}
    cmp r3, r4
    bne changed
    subs r2, #1
    bne next_float
#endif
    ldr r0, =saved + 36
    ldr r0, [r0]
    mov r1, sp
    cmp r0, r1
    beq restore
changed:
    ldr r0, =registers_changed
    movs r1, #1
    str r1, [r0]
restore:
#if HAS_FLOAT_REGISTERS
    ldr r4, =floats_saved
    vldmia r4, {d8-d15}
#endif
    ldr r4, =saved + 36
    ldr r5, [r4]
    mov sp, r5
    subs r4, #24
    ldmia r4!, {r5, r6, r7}
    mov r8, r5
    mov r9, r6
    mov r10, r7
    ldmia r4!, {r5, r6, r7}
    mov r11, r5
    mov lr, r6
    mov r12, r7
    subs r4, #36
    ldmia r4!, {r5, r6, r7}
    mov r4, r12
    bx lr
    .ltorg

#else /* RISC-V */
saved: .space 64

    .text
/* \register against the value that it went in with; t0: lost */
.macro expect register, value
    li t0, \value
    bne \register, t0, changed
.endm

/* \instruction of every register that a function keeps, at its place behind t0 */
.macro every instruction
    \instruction ra, 0(t0)
    \instruction sp, 4(t0)
    \instruction gp, 8(t0)
    \instruction tp, 12(t0)
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \instruction s\number, 16 + 4 * \number(t0)
    .endr
.endm

    .global checked_call
    .type checked_call, %function
    .balign 4
checked_call:
    la t0, saved
    every sw
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    li s\number, 0xa0b0c0d0 + 0x01010101 * \number
    .endr
    la t1, checked_function
    lw t1, 0(t1)
    jalr t1

    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    expect s\number, 0xa0b0c0d0 + 0x01010101 * \number
    .endr
    la t1, saved
    lw t0, 4(t1)
    bne sp, t0, changed
    lw t0, 8(t1)
    bne gp, t0, changed
    lw t0, 12(t1)
    beq tp, t0, restore
changed:
    la t0, registers_changed
    li t1, 1
    sw t1, 0(t0)
restore:
    la t0, saved
    every lw
    ret
#endif
