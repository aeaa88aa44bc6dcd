/* SPDX-License-Identifier: 0BSD */
/*
 * In place of rescomp_requantize_rows_body.h and of rescomp_requantize_body.h: the same requantization, of accumulators or
 * of values in another format. The file that includes it defines KERNEL, the function's name, INPUT_BYTES (4: accumulators),
 * 1, 2 or 4, and OUTPUT_BYTES, 1 or 2.
 *
 * The product P = (accumulator + bias) * multiplier has 6 bytes. With s - 1 = 8 * q + t, 0 <= t < 8, the result is
 *     (P + 2^(s - 1)) >> s = (((P >> 8 * q) * 2^(7 - t)) + 128) >> 8,
 * so that no bit is shifted: 3 bytes of P are picked and multiplied by 2^(7 - t). Where they do not hold P >> 8 * q, that is
 * outside of 24 bits and the result outside of 16. Without a multiplier P is accumulator * 2^16, and s is the shift + 16.
 *
 *   r1:r0            a product
 *   r3:r2, r5:r4     low, high
 *   r6               0
 *   r7               rows (channels) still to come, in the lowest 8 bits; the upper 8 lie on the stack
 *   r9:r8, r11:r10, r13:r12   bias, multiplier, shift of the next row
 *   r14              flags, below
 *   r20              2^(7 - t)
 *   r21              the shift
 *   r16              s, once P is known
 *   X, Y             inputs, outputs
 *   Z                what is read from flash
 *   r22, r19, r15, r18        bytes 0..3 of the accumulator
 *   r17:r16          multiplier
 *   r24, r25, r22, r23, r19, r15   bytes 0..5 of P, as they take the accumulator's place
 *   r16..r19         P >> 8 * q times 2^(7 - t); at last r18:r17 is the result
 * T: whether each row has a shift of its own. Neighbours often have the same.
 */
#include "rescomp_call_saved_avr.h"

#define FLAG_BIAS 0
#define FLAG_MULTIPLIER 1
#define FLAG_MULTIPLIER_STEP 2
#define PRE_SHIFT 4 /* three bits, of an input that is no accumulator */

#define SPL 0x3d /* the stack pointer as the instruction `in` knows it */
#define SPH 0x3e

/* Where inputs are no accumulators, from Z+1 on: locals, the 18 registers saved, the return address, the requantization. */
#define POSITIONS 1
#define CHANNELS 3
#ifdef __AVR_3_BYTE_PC__
#define BY (4 + 18 + 3 + 1)
#else
#define BY (4 + 18 + 2 + 1)
#endif

#define P0 r24
#define P1 r25
#define P2 r22
#define P3 r23
#define P4 r19
#define P5 r15

/* r0 = 0 or, where `of` is negative, 0xff. */
.macro sign_of of
	mov  r0, \of
	lsl  r0
	sbc  r0, r0
.endm

/* Continues at .Lsaturate unless `byte` is r0. */
.macro must_be_sign byte
	cpse r0, \byte
	rjmp .Lsaturate
.endm

/* r16 = the next shift, Z = where the one after it lies. */
.macro read_shift
	movw ZL, r12
	lpm  r16, Z+
.endm

/* r21 = the shift, r20 = 2^(7 - t) */
.macro use_shift
	mov  r21, r16
	dec  r16
	ldi  r20, 0x80
	sbrc r16, 1
	ldi  r20, 0x20
	sbrc r16, 0
	lsr  r20
	sbrc r16, 2
	swap r20
.endm

.macro add_bias
	movw ZL, r8
	lpm  r0, Z+
	add  r22, r0
	lpm  r0, Z+
	adc  r19, r0
	lpm  r0, Z+
	adc  r15, r0
	lpm  r0, Z+
	adc  r18, r0
	movw r8, ZL
.endm

.macro read_multiplier
	movw ZL, r10
	lpm  r16, Z+
	lpm  r17, Z+
	sbrc r14, FLAG_MULTIPLIER_STEP
	movw r10, ZL
.endm

/* P = accumulator * multiplier. A byte of P is kept where a byte of the accumulator is no longer needed. */
.macro multiply
	mul  r22, r16
	movw P0, r0
	mul  r22, r17
	add  P1, r0
	mov  P2, r1
	adc  P2, r6
	mul  r19, r16
	add  P1, r0
	adc  P2, r1
	mov  P3, r6
	adc  P3, r6
	mul  r19, r17
	add  P2, r0
	adc  P3, r1
	mul  r15, r16
	add  P2, r0
	adc  P3, r1
	mov  P4, r6
	adc  P4, r6
	mul  r15, r17
	add  P3, r0
	adc  P4, r1
	mulsu r18, r16
	sbc  P5, P5
	add  P3, r0
	adc  P4, r1
	adc  P5, r6
	mulsu r18, r17
	add  P4, r0
	adc  P5, r1
.endm

/* P = accumulator * 2^16, r16 = s */
.macro move_up
	mov  P3, r19
	mov  P4, r15
	mov  P5, r18
	mov  P1, r6
	mov  r16, r21
	subi r16, -16
.endm

/* r19:r18:r17 = (P4:P3:P2 * 2^(7 - t) + 128) >> 8 */
.macro scale
	mul  P2, r20
	movw r16, r0
	mulsu P4, r20
	movw r18, r0
	mul  P3, r20
	add  r17, r0
	adc  r18, r1
	adc  r19, r6
	lsl  r16
	adc  r17, r6
	adc  r18, r6
	adc  r19, r6
.endm

/* r9:r8, r11:r10, r13:r12 from the requantization, Z being the stack pointer. */
.macro read_pointers
.irp register, 8, 9, 10, 11, 12, 13
	ldd  r\register, Z+BY+\register-8
.endr
.endm

/* r7 and the byte on the stack from r21:r20. */
.macro count_rows
	mov  r7, r20
	subi r20, 1
	sbci r21, 0
	push r21
.endm

/* r14 and T from what is known of the requantization, and from r16. */
.macro set_flags
	cp   r8, r6
	cpc  r9, r6
	breq 1f
	ori  r16, 1 << FLAG_BIAS
1:	cp   r10, r6
	cpc  r11, r6
	breq 1f
	ori  r16, 1 << FLAG_MULTIPLIER
1:	sbrc r14, 0
	ori  r16, 1 << FLAG_MULTIPLIER_STEP
	mov  r14, r16
	bst  r15, 0
.endm

/* The accumulator of a row. */
.macro load_accumulator
	ld   r22, X+
#if INPUT_BYTES == 4
	ld   r19, X+
	ld   r15, X+
	ld   r18, X+
#else
#if INPUT_BYTES == 2
	ld   r19, X+
#else
	sign_of r22
	mov  r19, r0
#endif
	sign_of r19
	mov  r15, r0
	mov  r18, r0
	mov  r16, r14
	swap r16
	andi r16, 7
	breq 2f
1:	lsl  r22
	rol  r19
	rol  r15
	dec  r16
	brne 1b
2:
#endif
.endm

#if INPUT_BYTES == 4
/*
 * void KERNEL(const int32_t *accumulator, output *output, uint16_t rows, rescomp_requantization by)
 * in r25:r24, r23:r22, r21:r20; by.bias r9:r8, .multiplier r11:r10, .shift r13:r12, .multiplier_step r14, .shift_step r15,
 * .low r17:r16, .high r19:r18
 */
	begin_function KERNEL
	save_registers
	movw XL, r24
	movw YL, r22
	movw r2, r16
	movw r4, r18
	clr  r6
	ldi  r16, 0
	count_rows
	set_flags
#else
/*
 * void KERNEL(const input *input, output *output, uint16_t positions, uint16_t channels, uint8_t pre_shift,
 * rescomp_requantization by) in r25:r24, r23:r22, r21:r20, r19:r18, r16; by on the stack
 */
	begin_function KERNEL
	save_registers
	movw XL, r24
	movw YL, r22
	clr  r6
	push r19
	push r18
	push r21
	push r20
	in   ZL, SPL
	in   ZH, SPH
	ldd  r14, Z+BY+6
	ldd  r15, Z+BY+7
	ldd  r2, Z+BY+8
	ldd  r3, Z+BY+9
	ldd  r4, Z+BY+10
	ldd  r5, Z+BY+11
	swap r16
	movw r20, r18
	read_pointers
	count_rows
	set_flags
#endif
	read_shift
	use_shift

.Lrow:
	brtc .Lshift_known
	read_shift
	movw r12, ZL
	cp   r16, r21
	breq .Lshift_known
	use_shift
.Lshift_known:
	load_accumulator
	sbrc r14, FLAG_BIAS
	rjmp .Ladd_bias
.Lbias_added:
	sbrs r14, FLAG_MULTIPLIER
	rjmp .Lno_multiplier
	read_multiplier
	multiply
	mov  r16, r21
.Lproduct:
	cpi  r16, 8 * 3 + 1
	brsh .Lmore_bytes
	cpi  r16, 8 * 2 + 1
	brlo .Llower_bytes
	sign_of P4
	must_be_sign P5
.Lscale:
	scale
	sign_of r18
	cpse r0, r19
	rjmp .Lsaturate_scaled
	cp   r4, r17
	cpc  r5, r18
	brlt .Lhigh
	cp   r17, r2
	cpc  r18, r3
	brlt .Llow
.Lstore:
	st   Y+, r17
#if OUTPUT_BYTES == 2
	st   Y+, r18
#endif
	dec  r7
	breq .Lcounted
	rjmp .Lrow
.Lmore_bytes:
	rjmp .Lupper_bytes
.Llower_bytes: /* q = 1, 0 */
	cpi  r16, 8 * 1 + 1
	brlo 1f
	sign_of P3
	must_be_sign P4
	must_be_sign P5
	mov  P4, P3
	mov  P3, P2
	mov  P2, P1
	rjmp .Lscale
1:	sign_of P2
	must_be_sign P3
	must_be_sign P4
	must_be_sign P5
	mov  P4, P2
	mov  P3, P1
	mov  P2, P0
	rjmp .Lscale

.Lsaturate:
	mov  r19, P5
.Lsaturate_scaled:
	sbrc r19, 7
	rjmp .Llow
.Lhigh:
	mov  r17, r4
	mov  r18, r5
	rjmp .Lstore
.Llow:
	mov  r17, r2
	mov  r18, r3
	rjmp .Lstore
.Lcounted:
	pop  r16
	subi r16, 1
	brcs .Ldone
	push r16
	rjmp .Lrow
.Ldone:
#if INPUT_BYTES != 4
	in   ZL, SPL
	in   ZH, SPH
	ldd  r16, Z+POSITIONS
	ldd  r17, Z+POSITIONS+1
	subi r16, 1
	sbci r17, 0
	breq .Lpositions_done
	std  Z+POSITIONS, r16
	std  Z+POSITIONS+1, r17
	ldd  r20, Z+CHANNELS
	ldd  r21, Z+CHANNELS+1
	read_pointers
	count_rows
	read_shift
	use_shift
	rjmp .Lrow
.Lpositions_done:
	pop  r0
	pop  r0
	pop  r0
	pop  r0
#endif
	clr  r1
	restore_registers_and_return

.Ladd_bias:
	add_bias
	rjmp .Lbias_added

.Lno_multiplier:
	move_up
	rjmp .Lproduct

.Lupper_bytes: /* q = 3, 4, 5 */
	cpi  r16, 8 * 4 + 1
	brsh 1f
	mov  P2, P3
	mov  P3, P4
	mov  P4, P5
	rjmp .Lscale
1:	sign_of P5
	mov  P2, P4
	mov  P3, P5
	mov  P4, r0
	cpi  r16, 8 * 5 + 1
	brlo 2f
	mov  P2, P5
	mov  P3, r0
2:	rjmp .Lscale
	end_function KERNEL
