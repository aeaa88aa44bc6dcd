/* SPDX-License-Identifier: 0BSD */
/*
 * In place of rescomp_product_body.h beside int8 weights: the same product. The file that includes it defines KERNEL, the
 * function's name, and ACTIVATION_BYTES, 1 or 2.
 *
 * Rows are taken in pairs a and b, columns in tiles, whose inputs are loaded once for both rows. Products are added up in 16
 * bits, and what goes over is counted: that is rare, so it is done out of the way. With x = 256 * high + low of an int16
 * input, the products of `low` (unsigned) and of `high` have sums of their own. If columns are no multiple of a tile, the
 * first tile is filled up with inputs of 0 in front; what is read as their weights does not matter. So that 8 bits suffice
 * to count, no more than SPAN_TILES tiles are taken at a time; what further spans give is added to the accumulators.
 *
 * While a tile is worked on:
 *   r1:r0            a product
 *   r4:r3:r2         row a: sum of w * x, or of w * low: 16 bits, and the count of what went over
 *   r7:r6:r5         row a: sum of w * high, likewise
 *   r10:r9:r8        row b: as r4:r3:r2
 *   r13:r12:r11      row b: as r7:r6:r5
 *   r15:r14          weights of row b
 *   r16..r23         int8 inputs (r24: a weight)
 *   r16..r19         low bytes of int16 inputs; r21..r24: high ones (r20: a weight)
 *   r25              tiles still to come
 *   X                inputs
 *   Y                where the weights of row a go on while those of row b are read
 *   Z                weights
 * T: whether the accumulators hold an earlier span's sums. What only pairs of rows need lies on the stack.
 */
#include "rescomp_call_saved_avr.h"

#define SPL 0x3d /* the stack pointer as the instruction `in` knows it */
#define SPH 0x3e
#define SREG 0x3f

/* Above the stack pointer, from Y+1 on. */
#define INPUT 1        /* of this span, as are the next three */
#define WEIGHTS 3
#define REST 5         /* columns of the first tile if it is not full, or 0 */
#define TILES 6
#define LEFT_TILES 7   /* and of those to come */
#define ACCUMULATOR 9  /* of the next pair of rows */
#define LEFT_ROWS 11
#define OTHERS 13      /* columns of a row that are not in this span */
#define COLUMNS 15     /* arguments */
#define ROWS 17
#define ACCUMULATORS 19
#define FRAME 20

#if ACTIVATION_BYTES == 2
#define TILE 4
#define WEIGHT r20
#else
#define TILE 8
#define WEIGHT r24
#endif
#define SPAN_TILES (252 / TILE)

.macro halve low, high
	lsr  \high
	ror  \low
.endm

/* low = 0 or, where `of` is negative, 0xff. */
.macro sign_of low, of
	mov  \low, \of
	lsl  \low
	sbc  \low, \low
.endm

/* One weight of row `row` times input `place`. */
#if ACTIVATION_BYTES == 2
.macro multiply_add row, place, low, high, sum_low, sum_high, upper_low, upper_high
	lpm   WEIGHT, Z+
	mulsu WEIGHT, \low
	add   \sum_low, r0
	adc   \sum_high, r1
	brvs  .Lover_\row\()_\place
.Lback_\row\()_\place:
	muls  WEIGHT, \high
	add   \upper_low, r0
	adc   \upper_high, r1
	brvs  .Lupper_over_\row\()_\place
.Lupper_back_\row\()_\place:
.endm
#else
.macro multiply_add row, place, low, sum_low, sum_high
	lpm   WEIGHT, Z+
	muls  WEIGHT, \low
	add   \sum_low, r0
	adc   \sum_high, r1
	brvs  .Lover_\row\()_\place
.Lback_\row\()_\place:
.endm
#endif

/* A sum has gone over: upwards if it looks negative now. */
.macro count_over over, back, row, place, count
.L\over\()_\row\()_\place:
	brmi 1f
	dec  \count
	rjmp .L\back\()_\row\()_\place
1:	inc  \count
	rjmp .L\back\()_\row\()_\place
.endm

/* Of all products of a row. */
.macro count_row_over row, count, upper_count
#if ACTIVATION_BYTES == 2
.irp place, 0, 1, 2, 3
	count_over over, back, \row, \place, \count
	count_over upper_over, upper_back, \row, \place, \upper_count
.endr
#else
.irp place, 0, 1, 2, 3, 4, 5, 6, 7
	count_over over, back, \row, \place, \count
.endr
#endif
.endm

/* *accumulator++ = (or += for a later span) sum + 65536 * count + 256 * (the same of w * high); r16..r20 are free. */
.macro store_row low, high, count, upper_low, upper_high, upper_count
	sign_of r16, \high
	sign_of r17, \count
	add  \count, r16
	adc  r17, r16
#if ACTIVATION_BYTES == 2
	sign_of r16, \upper_high
	add  \upper_count, r16
	add  \high, \upper_low
	adc  \count, \upper_high
	adc  r17, \upper_count
#endif
	brtc 1f
	ld   r16, X+
	ld   r18, X+
	ld   r19, X+
	ld   r20, X
	sbiw XL, 3
	add  \low, r16
	adc  \high, r18
	adc  \count, r19
	adc  r17, r20
1:	st   X+, \low
	st   X+, \high
	st   X+, \count
	st   X+, r17
.endm

/* The next input, if the first tile has at least `least` of them. */
.macro load_rest least, low, high
	cpi  r25, \least
	brlo 1f
	ld   \low, X+
#if ACTIVATION_BYTES == 2
	ld   \high, X+
#endif
1:
.endm

/*
 * void KERNEL(const activation *input, uint16_t columns, uint16_t rows, const __flash int8_t *weight, int32_t *accumulator)
 * in r25:r24, r23:r22, r21:r20, r19:r18, r17:r16
 */
	begin_function KERNEL
	save_registers
.irp register, 17, 16, 21, 20, 23, 22
	push r\register
.endr
	in   YL, SPL
	in   YH, SPH
	sbiw YL, FRAME - 6
	in   r0, SREG
	cli
	out  SPH, YH
	out  SREG, r0
	out  SPL, YL
	std  Y+INPUT, r24
	std  Y+INPUT+1, r25
	std  Y+WEIGHTS, r18
	std  Y+WEIGHTS+1, r19
	movw r16, r22 /* (columns - 1) / TILE + 1 */
	andi r22, TILE - 1
	std  Y+REST, r22
	subi r16, 1
	sbci r17, 0
	halve r16, r17
	halve r16, r17
#if TILE == 8
	halve r16, r17
#endif
	subi r16, -1
	sbci r17, -1
	clt

.Lspan: /* r17:r16: tiles left. */
	std  Y+LEFT_TILES, r16
	std  Y+LEFT_TILES+1, r17
	cpi  r16, SPAN_TILES + 1
	cpc  r17, r1
	brlo .Ltiles_known
	ldi  r16, SPAN_TILES
.Ltiles_known:
	std  Y+TILES, r16
	lsl  r16 /* columns of this span: tiles * TILE less what the first tile lacks */
	lsl  r16
#if TILE == 8
	lsl  r16
#endif
	ldd  r18, Y+REST
	add  r16, r18
	cpse r18, r1
	subi r16, TILE
	ldd  r18, Y+COLUMNS
	ldd  r19, Y+COLUMNS+1
	sub  r18, r16
	sbc  r19, r1
	std  Y+OTHERS, r18
	std  Y+OTHERS+1, r19
	ldd  r14, Y+WEIGHTS
	ldd  r15, Y+WEIGHTS+1
	ldd  XL, Y+ACCUMULATORS
	ldd  XH, Y+ACCUMULATORS+1
	ldd  r24, Y+ROWS
	ldd  r25, Y+ROWS+1
	rjmp .Lpair

	count_row_over a, r4, r7
.Ltile:
#if ACTIVATION_BYTES == 2
	ld   r16, X+
	ld   r21, X+
	ld   r17, X+
	ld   r22, X+
	ld   r18, X+
	ld   r23, X+
	ld   r19, X+
	ld   r24, X+
.Lmultiply:
	multiply_add a, 0, r16, r21, r2, r3, r5, r6
	multiply_add a, 1, r17, r22, r2, r3, r5, r6
	multiply_add a, 2, r18, r23, r2, r3, r5, r6
	multiply_add a, 3, r19, r24, r2, r3, r5, r6
	movw YL, ZL
	movw ZL, r14
	multiply_add b, 0, r16, r21, r8, r9, r11, r12
	multiply_add b, 1, r17, r22, r8, r9, r11, r12
	multiply_add b, 2, r18, r23, r8, r9, r11, r12
	multiply_add b, 3, r19, r24, r8, r9, r11, r12
#else
	ld   r16, X+
	ld   r17, X+
	ld   r18, X+
	ld   r19, X+
	ld   r20, X+
	ld   r21, X+
	ld   r22, X+
	ld   r23, X+
.Lmultiply:
	multiply_add a, 0, r16, r2, r3
	multiply_add a, 1, r17, r2, r3
	multiply_add a, 2, r18, r2, r3
	multiply_add a, 3, r19, r2, r3
	multiply_add a, 4, r20, r2, r3
	multiply_add a, 5, r21, r2, r3
	multiply_add a, 6, r22, r2, r3
	multiply_add a, 7, r23, r2, r3
	movw YL, ZL
	movw ZL, r14
	multiply_add b, 0, r16, r8, r9
	multiply_add b, 1, r17, r8, r9
	multiply_add b, 2, r18, r8, r9
	multiply_add b, 3, r19, r8, r9
	multiply_add b, 4, r20, r8, r9
	multiply_add b, 5, r21, r8, r9
	multiply_add b, 6, r22, r8, r9
	multiply_add b, 7, r23, r8, r9
#endif
	movw r14, ZL
	movw ZL, YL
	dec  r25
	breq 1f
	rjmp .Ltile
1:	rjmp .Lpair_done
	count_row_over b, r10, r13

.Lpair: /* r15:r14: weights of row a; X: its accumulator; r25:r24: rows left. */
	std  Y+ACCUMULATOR, XL
	std  Y+ACCUMULATOR+1, XH
	std  Y+LEFT_ROWS, r24
	std  Y+LEFT_ROWS+1, r25
	ldd  XL, Y+INPUT
	ldd  XH, Y+INPUT+1
	movw ZL, r14
	sbiw r24, 1
	breq .Lrows_known /* a single row: it is row b too */
	ldd  r16, Y+COLUMNS
	ldd  r17, Y+COLUMNS+1
	add  r14, r16
	adc  r15, r17
.Lrows_known:
	clr  r2
	clr  r3
	movw r4, r2
	movw r6, r2
	movw r8, r2
	movw r10, r2
	movw r12, r2
	ldd  r25, Y+REST
	cpi  r25, 0
	brne .Lrest
	ldd  r25, Y+TILES
	rjmp .Ltile
.Lrest: /* The weights of the first tile begin that much earlier: REST - TILE. */
	mov  r16, r25
	subi r16, TILE
	ldi  r17, 0xff
	add  ZL, r16
	adc  ZH, r17
	add  r14, r16
	adc  r15, r17
	movw r16, r2
	movw r18, r2
	movw r22, r2
#if ACTIVATION_BYTES == 2
	mov  r21, r2
	load_rest 3, r17, r22
	load_rest 2, r18, r23
	load_rest 1, r19, r24
#else
	movw r20, r2
	load_rest 7, r17
	load_rest 6, r18
	load_rest 5, r19
	load_rest 4, r20
	load_rest 3, r21
	load_rest 2, r22
	load_rest 1, r23
#endif
	ldd  r25, Y+TILES
	rjmp .Lmultiply

.Lpair_done:
	in   YL, SPL
	in   YH, SPH
	ldd  XL, Y+ACCUMULATOR
	ldd  XH, Y+ACCUMULATOR+1
	store_row r2, r3, r4, r5, r6, r7
	ldd  r24, Y+LEFT_ROWS
	ldd  r25, Y+LEFT_ROWS+1
	sbiw r24, 1
	breq .Lspan_done
	store_row r8, r9, r10, r11, r12, r13
	sbiw r24, 1
	breq .Lspan_done
	ldd  r16, Y+OTHERS
	ldd  r17, Y+OTHERS+1
	add  r14, r16
	adc  r15, r17
	rjmp .Lpair

.Lspan_done:
	clr  r1
	ldd  r18, Y+TILES
	ldd  r16, Y+LEFT_TILES
	ldd  r17, Y+LEFT_TILES+1
	sub  r16, r18
	sbc  r17, r1
	breq .Ldone
	std  Y+REST, r1
	ldd  r18, Y+COLUMNS
	ldd  r20, Y+OTHERS
	sub  r18, r20
#if ACTIVATION_BYTES == 2
.irp place, INPUT, INPUT, WEIGHTS
#else
.irp place, INPUT, WEIGHTS
#endif
	ldd  r20, Y+\place
	ldd  r21, Y+\place+1
	add  r20, r18
	adc  r21, r1
	std  Y+\place, r20
	std  Y+\place+1, r21
.endr
	set
	rjmp .Lspan

.Ldone:
	adiw YL, FRAME
	in   r0, SREG
	cli
	out  SPH, YH
	out  SREG, r0
	out  SPL, YL
	restore_registers_and_return
	end_function KERNEL
