/* SPDX-License-Identifier: 0BSD */
/*
 * In place of fastgrnn_update_lookup_int16.c and fastgrnn_update_piecewise_linear_int16.c: the same update. The file that
 * includes it defines KERNEL, the function's name, and LOOKUP, 1 or 0. What is proved of a model is relied on: 0 <= zeta, nu
 * < 2^15, no sum of the gate leaves 32 bits, the state has at most 13 fraction bits, |update| < 2^30; the table does not
 * decrease.
 *
 *   r1:r0            a product
 *   r2               0
 *   r3               entries still to come, in the lowest 8 bits
 *   X, r5:r4, r7:r6, r9:r8   projected, recurrent, state, output
 *   r11:r10, r13:r12 gate_bias, candidate_bias
 *   r15:r14          table
 *   Y                what else is needed, on the stack
 *   r25:r24          projected + recurrent; then a number before its non-linearity; at last the update
 *   r23:r22          candidate
 *   r17:r16          z
 *   r19:r18          gate; then state
 *   r25:r24:r21:r20  gate * candidate + z * state
 */
#include "rescomp_call_saved_avr.h"

#define SPL 0x3d /* the stack pointer as the instruction `in` knows it */
#define SPH 0x3e

/* From Y+1 on: locals, the 18 registers saved, the return address, the arguments that registers have no room for. */
#define COUNT_256 1     /* how often 256 entries follow */
#define OPENING 2       /* (nu << 15) + 2^(29 - fraction_bits), bytes 1..3; byte 0 is 0 */
#define GATE_SHIFT 5    /* 14 - fraction_bits */
#define LOCALS 5
#ifdef __AVR_3_BYTE_PC__
#define ARGUMENTS (LOCALS + 18 + 3 + 1)
#else
#define ARGUMENTS (LOCALS + 18 + 2 + 1)
#endif
#define ZETA (ARGUMENTS + 0)
#define NU (ARGUMENTS + 2)
#define FRACTION_BITS (ARGUMENTS + 4)
#define LOW (ARGUMENTS + 5)
#define HIGH (ARGUMENTS + 7)
#define TABLE (ARGUMENTS + 9)

/* After an addition. */
.macro saturate low, high
	brvc 1f
	ldi  \low, 0xff
	ldi  \high, 0x7f
	brmi 1f
	ldi  \low, 0x00
	ldi  \high, 0x80
1:
.endm

.macro negate low, high
	com  \high
	neg  \low
	sbci \high, -1
.endm

/* T = value < 0; value = min(|value|, 32767) */
.macro split_sign low, high
	bst  \high, 7
	brtc 1f
	negate \low, \high
	brpl 1f
	ldi  \low, 0xff
	ldi  \high, 0x7f
1:
.endm

/* if (T) value = -value */
.macro join_sign low, high
	brtc 1f
	negate \low, \high
1:
.endm

/* r19:r18 = table[index], r21:r20 = table[index + 1] - table[index], Z being table. */
.macro read_interval
	lpm  r18, Z+
	lpm  r19, Z+
	lpm  r20, Z+
	lpm  r21, Z+
	sub  r20, r18
	sbc  r21, r19
.endm

/* r23:r22 = rescomp_lookup_tanh(r17:r16) */
.macro lookup_tanh
	split_sign r16, r17
	movw ZL, r14
	add  ZL, r17
	adc  ZH, r2
	add  ZL, r17
	adc  ZH, r2
	read_interval
	mul  r20, r16 /* (rise * fraction + 128) >> 8, in r20 and r23 */
	movw r22, r0
	mul  r21, r16
	add  r23, r0
	mov  r20, r1
	adc  r20, r2
	lsl  r22
	adc  r23, r2
	adc  r20, r2
	add  r18, r23
	adc  r19, r20
	join_sign r18, r19
	movw r22, r18
.endm

/* r17:r16 = rescomp_lookup_sigmoid(r25:r24) */
.macro lookup_sigmoid
	split_sign r24, r25
	mov  r16, r25
	andi r16, 0xfe
	movw ZL, r14
	add  ZL, r16
	adc  ZH, r2
	read_interval
	mul  r20, r24 /* r17:r16 = (rise * fraction + 256) >> 9, of which bit 8 of the fraction is bit 0 of r25 */
	mov  r16, r1
	mul  r21, r24
	add  r16, r0
	mov  r17, r1
	adc  r17, r2
	sbrs r25, 0
	rjmp 1f
	add  r16, r20
	adc  r17, r21
1:	subi r16, -1
	sbci r17, -1
	lsr  r17
	ror  r16
	add  r16, r18
	adc  r17, r19
	join_sign r16, r17
	subi r16, lo8(-0x8001) /* (2^15 + tanh + 1) >> 1, all of 16 bits without a sign */
	sbci r17, hi8(-0x8001)
	lsr  r17
	ror  r16
.endm

/* r23:r22 = saturate(8 * r17:r16) */
.macro piecewise_linear_tanh
	lsl  r16
	rol  r17
	brvs 1f
	lsl  r16
	rol  r17
	brvs 1f
	lsl  r16
	rol  r17
	brvc 2f
1:	ldi  r16, 0xff
	ldi  r17, 0x7f
	brcc 2f
	ldi  r16, 0x00
	ldi  r17, 0x80
2:	movw r22, r16
.endm

/* r17:r16 = clamp(4 * (r25:r24 + 4096), 0, 32767) */
.macro piecewise_linear_sigmoid
	ldi  r16, 0xff
	ldi  r17, 0x7f
	subi r25, hi8(-4096)
	brvs 2f
	brmi 1f
	cpi  r25, hi8(8192)
	brsh 2f
	movw r16, r24
	lsl  r16
	rol  r17
	lsl  r16
	rol  r17
	rjmp 2f
1:	ldi  r16, 0
	ldi  r17, 0
2:
.endm

/* r25:r24:r21:r20 += low and high byte of a product, as bytes 1 and 2. */
.macro add_middle
	add  r21, r0
	adc  r24, r1
	adc  r25, r2
.endm

/* r19:r18 = (zeta * (2^15 - r17:r16) + OPENING) >> (16 + GATE_SHIFT) */
.macro open_gate
	ldi  r24, lo8(0x8000)
	ldi  r25, hi8(0x8000)
	sub  r24, r16
	sbc  r25, r17
	ldd  r18, Y+ZETA
	ldd  r19, Y+ZETA+1
	mul  r24, r18 /* bytes 1, 2, 3 of the product: r20, r24, r18 */
	mov  r20, r1
	mul  r24, r19
	add  r20, r0
	mov  r24, r1
	adc  r24, r2
	mul  r25, r18
	add  r20, r0
	adc  r24, r1 /* at most 126 + 127 + 2, for zeta < 2^15 and z >= 0 */
	mul  r25, r19
	add  r24, r0
	mov  r18, r1
	adc  r18, r2
	ldd  r0, Y+OPENING
	add  r20, r0
	ldd  r0, Y+OPENING+1
	adc  r24, r0
	ldd  r19, Y+OPENING+2
	adc  r19, r18
	mov  r18, r24
	ldd  r20, Y+GATE_SHIFT
1:	lsr  r19
	ror  r18
	dec  r20
	brne 1b
.endm

/* r25:r24:r21:r20 = r19:r18 * r23:r22, the former without a sign. */
.macro multiply_gate_candidate
	mul  r18, r22
	movw r20, r0
	mulsu r23, r19
	movw r24, r0
	mulsu r23, r18
	sbc  r25, r2 /* the product's sign */
	add_middle
	mul  r19, r22
	add_middle
.endm

/* r25:r24:r21:r20 += r17:r16 * r19:r18, the former without a sign. */
.macro multiply_add_z_state
	mul  r16, r18
	add  r20, r0
	adc  r21, r1
	adc  r24, r2
	adc  r25, r2
	mulsu r19, r17
	add  r24, r0
	adc  r25, r1
	mulsu r19, r16
	sbc  r25, r2
	add_middle
	mul  r17, r18
	add_middle
.endm

/* r25:r24 = clamp((r25:r24:r21:r20 + 2^14) >> 15, low, high) */
.macro round_and_clamp
	lsl  r21
	rol  r24
	rol  r25
	lsl  r21
	adc  r24, r2
	adc  r25, r2
	ldd  r16, Y+HIGH
	ldd  r17, Y+HIGH+1
	cp   r16, r24
	cpc  r17, r25
	brlt 1f
	ldd  r16, Y+LOW
	ldd  r17, Y+LOW+1
	cp   r24, r16
	cpc  r25, r17
	brge 2f
1:	movw r24, r16
2:
.endm

/*
 * void KERNEL(const int16_t *projected, const int16_t *recurrent, const int16_t *state, int16_t *output, uint16_t count,
 *             const __flash int16_t *gate_bias, const __flash int16_t *candidate_bias, rescomp_fastgrnn_cell cell
 *             [, const __flash int16_t *table])
 * in r25:r24, r23:r22, r21:r20, r19:r18, r17:r16, r15:r14, r13:r12; the others on the stack: zeta, nu (2 bytes each),
 * fraction_bits (1), low, high, table (2 each)
 */
	begin_function KERNEL
	save_registers
	movw XL, r24
	movw r4, r22
	movw r6, r20
	movw r8, r18
	movw r10, r14
	clr  r2
	in   YL, SPL
	in   YH, SPH
	sbiw YL, LOCALS
	ldd  r18, Y+FRACTION_BITS
	ldi  r19, 14
	sub  r19, r18
	push r19
	ldd  r23, Y+NU
	ldd  r24, Y+NU+1
	ldi  r22, 0
	lsr  r24 /* r24:r23:r22 = (nu << 15) >> 8 */
	ror  r23
	ror  r22
	ldi  r20, 1 /* r21:r20 = 2^(29 - fraction_bits) >> 16 */
	ldi  r21, 0
	rjmp 2f
1:	lsl  r20
	rol  r21
2:	dec  r19
	brne 1b
	add  r23, r20
	adc  r24, r21
	push r24
	push r23
	push r22
	mov  r3, r16
	subi r16, 1 /* (count - 1) / 256 */
	sbci r17, 0
	push r17
#if LOOKUP
	ldd  r14, Y+TABLE
	ldd  r15, Y+TABLE+1
#endif

.Lelement:
	ld   r24, X+
	ld   r25, X+
	movw ZL, r4
	ld   r0, Z+
	ld   r1, Z+
	movw r4, ZL
	add  r24, r0
	adc  r25, r1
	saturate r24, r25
	movw ZL, r12
	lpm  r16, Z+
	lpm  r17, Z+
	movw r12, ZL
	add  r16, r24
	adc  r17, r25
	saturate r16, r17
#if LOOKUP
	lookup_tanh
#else
	piecewise_linear_tanh
#endif
	movw ZL, r10
	lpm  r0, Z+
	lpm  r1, Z+
	movw r10, ZL
	add  r24, r0
	adc  r25, r1
	saturate r24, r25
#if LOOKUP
	lookup_sigmoid
#else
	piecewise_linear_sigmoid
#endif
	open_gate
	multiply_gate_candidate
	movw ZL, r6
	ld   r18, Z+
	ld   r19, Z+
	movw r6, ZL
	multiply_add_z_state
	round_and_clamp
	movw ZL, r8
	st   Z+, r24
	st   Z+, r25
	movw r8, ZL
	dec  r3
	breq .Lcounted
	rjmp .Lelement
.Lcounted:
	ldd  r16, Y+COUNT_256
	subi r16, 1
	std  Y+COUNT_256, r16
	brcs .Ldone
	rjmp .Lelement
.Ldone:
.rept LOCALS
	pop  r0
.endr
	clr  r1
	restore_registers_and_return
	end_function KERNEL
