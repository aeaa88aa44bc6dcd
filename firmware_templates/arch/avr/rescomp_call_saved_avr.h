/* SPDX-License-Identifier: 0BSD */
/*
 * avr-gcc's calling convention: arguments from r25 downward; r0 is scratch, r1 is 0 on entry and on return; r2..r17 and r28,
 * r29 belong to the caller, the others to the function called.
 */
.macro begin_function name
	.section .text.\name, "ax", @progbits
	.balign 2
	.global \name
	.type \name, @function
\name:
.endm

.macro end_function name
	.size \name, . - \name
.endm

.macro save_registers
.irp register, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29
	push r\register
.endr
.endm

.macro restore_registers_and_return
.irp register, 29, 28, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2
	pop r\register
.endr
	ret
.endm
