/* Calls checked_function with the arguments that it is given itself, on a stack that it leaves alone, and reports in registers_changed
 * whether a register came back changed that the procedure call standard tells to keep. Thumb-1. */
    .syntax unified
    .thumb

    .bss
    .align 2
    .global checked_function
checked_function: .space 4
    .global registers_changed
registers_changed: .space 4
saved: .space 40

    .text
.macro expect_high register, low
    mov r0, \register
    cmp r0, r\low
    bne changed
.endm

    .global checked_call
    .type checked_call, %function
    .thumb_func
    .align 2
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
    ldr r4, =checked_function
    ldr r4, [r4]
    mov r12, r4
    movs r4, #0xa4
    movs r5, #0xa5
    movs r6, #0xa6
    movs r7, #0xa7
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    blx r12

    cmp r4, #0xa4
    bne changed
    cmp r5, #0xa5
    bne changed
    cmp r6, #0xa6
    bne changed
    cmp r7, #0xa7
    bne changed
    expect_high r8, 4
    expect_high r9, 5
    expect_high r10, 6
    expect_high r11, 7
    ldr r0, =saved + 36
    ldr r0, [r0]
    cmp r0, sp
    beq restore
changed:
    ldr r0, =registers_changed
    movs r1, #1
    str r1, [r0]
restore:
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
