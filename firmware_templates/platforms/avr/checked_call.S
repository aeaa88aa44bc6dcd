/* SPDX-License-Identifier: 0BSD */
/* Calls checked_function with the arguments that it is given itself, on a stack that it leaves alone, and reports in registers_changed
 * whether a register came back changed that avr-gcc's convention tells to keep: r2 to r17, r28 and r29, the zero in r1, and the stack
 * pointer. Those that hold no argument go in with a value of their own, so that two of them swapped do not go unseen.
 */
#include <avr/io.h>

    .section .bss
    .global checked_function
checked_function: .skip 2
    .global registers_changed
registers_changed: .skip 4
saved: .skip 18         /* r2 to r17, r28, r29 */
return_address: .skip 3
stack_pointer: .skip 2

#ifdef __AVR_3_BYTE_PC__
#define ADDRESS_BYTES 3
#else
#define ADDRESS_BYTES 2
#endif

    .text
.macro own_value number
    ldi r30, 0xa0 + \number
    mov r\number, r30
.endm

.macro expect_own number
    ldi r30, 0xa0 + \number
    cpse r\number, r30
    rjmp changed
.endm

.macro expect_saved number, place
    lds r30, saved + \place
    cpse r\number, r30
    rjmp changed
.endm

    .global checked_call
    .type checked_call, @function
checked_call:
    pop r30
    sts return_address, r30
    pop r30
    sts return_address + 1, r30
#if ADDRESS_BYTES == 3
    pop r30
    sts return_address + 2, r30
#endif
    in r30, _SFR_IO_ADDR(SPL)
    sts stack_pointer, r30
    in r30, _SFR_IO_ADDR(SPH)
    sts stack_pointer + 1, r30
    .irp number, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    sts saved + \number - 2, r\number
    .endr
    sts saved + 16, r28
    sts saved + 17, r29
    .irp number, 2, 3, 4, 5, 6, 7, 28, 29
    own_value \number
    .endr
    lds r30, checked_function
    lds r31, checked_function + 1
    icall

    .irp number, 2, 3, 4, 5, 6, 7, 28, 29
    expect_own \number
    .endr
    .irp number, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    expect_saved \number, \number - 2
    .endr
    mov r30, r1
    cpi r30, 0
    brne changed
    in r30, _SFR_IO_ADDR(SPL)
    lds r31, stack_pointer
    cpse r30, r31
    rjmp changed
    in r30, _SFR_IO_ADDR(SPH)
    lds r31, stack_pointer + 1
    cpse r30, r31
    rjmp changed
    rjmp restore
changed:
    ldi r30, 1
    sts registers_changed, r30
    clr r1
    lds r30, stack_pointer
    lds r31, stack_pointer + 1
    out _SFR_IO_ADDR(SPH), r31
    out _SFR_IO_ADDR(SPL), r30
restore:
    .irp number, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    lds r\number, saved + \number - 2
    .endr
    lds r28, saved + 16
    lds r29, saved + 17
#if ADDRESS_BYTES == 3
    lds r30, return_address + 2
    push r30
#endif
    lds r30, return_address + 1
    push r30
    lds r30, return_address
    push r30
    ret
