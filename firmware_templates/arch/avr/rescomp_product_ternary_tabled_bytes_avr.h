/* SPDX-License-Identifier: 0BSD */
/*
 * In place of rescomp_product_ternary_tabled_bytes_body.h: the same product. The file that includes it defines KERNEL, the
 * function's name, and ACTIVATION_BYTES, 1 or 2. Entries of a table are signed here where inputs are int8, and biased by
 * 0x8000 for int16.
 *
 * While a block of 4 rows is worked on:
 *   r0, r14          a look-up's sum, low and high byte
 *   r1               0
 *   r2:r3 .. r8:r9   the low 16 bits of the accumulators of rows 0..3
 *   r10..r13         their top bytes, for int16 inputs
 *   r15              signs that are still to come, the next one in bit 7
 *   r16              low byte of the table's address
 *   r17              pairs of groups still to come, a group alone counting as one
 *   r19:r18          first table of the chunk
 *   r20              pairs of a chunk
 *   r21              flags, below
 *   r23:r22          end of the accumulators
 *   r25:r24          accumulators of the block
 *   X, Y             entries of an odd and an even row
 *   Z                stream of weights
 * T: whether the accumulators hold an earlier chunk's sums.
 */
#include "rescomp_call_saved_avr.h"

#define FLAG_ALONE 0 /* the chunk's first group stands alone */
#define FLAG_LAST 1  /* no chunk follows */
#define TABLE_BYTES 32
#define INDEX 0x1e /* the bits of an index times two */

/* indices = *weight++; X and Y: where the sums of an odd and an even row lie. The table's address is a multiple of 32. */
.macro find_sums
	lpm  YL, Z+
	mov  XL, YL
	swap XL
	andi YL, INDEX
	andi XL, INDEX
	or   YL, r16
	or   XL, r16
.endm

/*
 * accumulator[row] += negative ? -sum : sum, and on to the next sign. The complement of a sum (biased or not) is one less
 * than the negative: the carry, which is the sign and which com sets too, makes up for it.
 */
.macro add_sum low, middle, top
	lsl  r15
	brcc 1f
	com  r0
	com  r14
1:	adc  \low, r0
	adc  \middle, r14
#if ACTIVATION_BYTES == 2
	adc  \top, r1
#endif
.endm

.macro add_even low, middle, top
	ld   r0, Y
	ldd  r14, Y+1
	add_sum \low, \middle, \top
.endm

.macro add_odd low, middle, top
	ld   r0, X+
	ld   r14, X
	add_sum \low, \middle, \top
.endm

/* A group of a block: two bytes of indices, 4 rows. */
.macro add_group
	find_sums
	add_even r2, r3, r10
	add_odd  r4, r5, r11
	find_sums
	add_even r6, r7, r12
	add_odd  r8, r9, r13
.endm

/* The next group's table; `crossed` continues where it begins a page. */
.macro next_table crossed
	subi r16, -TABLE_BYTES
	brcc \crossed
.endm

.macro next_page
	inc  XH
	inc  YH
.endm

/* What a block's rows start with: nothing, or the sums of earlier chunks; less the bias of this chunk's entries. */
.macro load_row low, middle, top, place
	ldd  \low, Y+\place
	ldd  \middle, Y+\place+1
#if ACTIVATION_BYTES == 2
	ldd  \top, Y+\place+2
	add  \middle, r16
	adc  \top, r17
#endif
.endm

.macro clear_rows
#if ACTIVATION_BYTES == 2
	mov  r2, r1
	mov  r3, r16
	mov  r10, r17
	mov  r11, r17
	movw r12, r10
#else
	clr  r2
	clr  r3
#endif
	movw r4, r2
	movw r6, r2
	movw r8, r2
.endm

.macro store_row low, middle, top, place
	std  Y+\place, \low
	std  Y+\place+1, \middle
#if ACTIVATION_BYTES == 2
	std  Y+\place+2, \top
#endif
.endm

/* The sign, in the bytes that the sums do not have. */
.macro store_sign top, place
	lsl  \top
	sbc  \top, \top
#if ACTIVATION_BYTES == 1
	std  Y+\place+2, \top
#endif
	std  Y+\place+3, \top
.endm

/*
 * While a table is made:
 *   r3:r2, r5:r4, r7:r6, r9:r8   inputs 0..3
 *   r11:r10, r13:r12, r15:r14    twice inputs 1..3
 *   r17:r16                      a sum
 *   r20                          tables still to come
 *   r25:r24                      columns left
 *   X, Y                         inputs, table
 */
.macro load_input low, high
	ld   \low, X+
#if ACTIVATION_BYTES == 2
	ld   \high, X+
#else
	mov  \high, \low
	lsl  \high
	sbc  \high, \high
#endif
.endm

.macro double_input low, high, from
	movw \low, \from
	lsl  \low
	rol  \high
.endm

.macro plus low, high
	add  r16, \low
	adc  r17, \high
.endm

.macro minus low, high
	sub  r16, \low
	sbc  r17, \high
.endm

/* `signs` of an index: 1 = the second, 2 = the third of the three inputs kept is subtracted. */
.macro store_sum zero, signs
	std  Y+2*(4*\zero+\signs), r16
	std  Y+2*(4*\zero+\signs)+1, r17
.endm

/* The 16 sums, each of which is the one before with one sign or one input changed. */
.macro make_table
	double_input r10, r11, r4
	double_input r12, r13, r6
	double_input r14, r15, r8
	movw r16, r2
#if ACTIVATION_BYTES == 2
	subi r17, 0x80
#endif
	plus  r4, r5
	plus  r6, r7
	store_sum 3, 0
	minus r12, r13
	store_sum 3, 2
	minus r10, r11
	store_sum 3, 3
	plus  r12, r13
	store_sum 3, 1
	minus r6, r7
	plus  r8, r9
	store_sum 2, 1
	plus  r10, r11
	store_sum 2, 0
	minus r14, r15
	store_sum 2, 2
	minus r10, r11
	store_sum 2, 3
	plus  r4, r5
	plus  r6, r7
	store_sum 1, 2
	minus r12, r13
	store_sum 1, 3
	plus  r14, r15
	store_sum 1, 1
	plus  r12, r13
	store_sum 1, 0
	plus  r4, r5
	minus r2, r3
	store_sum 0, 0
	minus r14, r15
	store_sum 0, 2
	minus r12, r13
	store_sum 0, 3
	plus  r14, r15
	store_sum 0, 1
.endm

/*
 * void KERNEL(const activation *input, uint16_t columns, uint16_t rows, const __flash uint8_t *weight, int32_t *accumulator,
 *             uint16_t *table)
 * in r25:r24, r23:r22, r21:r20, r19:r18, r17:r16, r15:r14
 */
	begin_function KERNEL
	save_registers
	movw XL, r24
	movw ZL, r18
	movw r24, r22
	movw r18, r14 /* the table, aligned */
	subi r18, lo8(-(TABLE_BYTES - 1))
	sbci r19, hi8(-(TABLE_BYTES - 1))
	andi r18, lo8(-TABLE_BYTES)
	subi r20, -3 /* the end of the accumulators: 16 bytes for 4 rows */
	sbci r21, -1
	andi r20, 0xfc
	lsl  r20
	rol  r21
	lsl  r20
	rol  r21
	movw r22, r16
	add  r22, r20
	adc  r23, r21
	push r16
	push r17
	lpm  r0, Z+
	push r0
	clt

.Lchunk: /* On the stack: the accumulators (low byte, high byte), groups of a chunk. */
	pop  r20
	push r20
	movw r16, r24 /* groups left, (columns + 3) / 4, which is 256 at most */
	subi r16, -3
	sbci r17, -1
	lsr  r17
	ror  r16
	lsr  r17
	ror  r16
	clr  r21
	cp   r20, r16
	cpc  r1, r17
	brlo .Lgroups_known
	ori  r21, 1 << FLAG_LAST
	mov  r20, r16
.Lgroups_known:
	sbrc r20, 0
	ori  r21, 1 << FLAG_ALONE
	mov  r0, r20
	inc  r0
	lsr  r0
	push r0 /* pairs */
	movw YL, r18
	rjmp .Ltable

.Lshort_group: /* The last group where columns are no multiple of 4; r24 is how many it has, less 4. */
	clr  r4
	clr  r5
	movw r6, r4
	movw r8, r4
	load_input r2, r3
	cpi  r24, lo8(1 - 4)
	breq .Lsums
	load_input r4, r5
	cpi  r24, lo8(2 - 4)
	breq .Lsums
	load_input r6, r7
	rjmp .Lsums

.Ltable:
	sbiw r24, 4
	brlo .Lshort_group
	load_input r2, r3
	load_input r4, r5
	load_input r6, r7
	load_input r8, r9
.Lsums:
	make_table
	adiw YL, TABLE_BYTES
	dec  r20
	breq .Lblocks
	rjmp .Ltable

.Lblocks:
	pop  r20
	pop  r0
	pop  r15
	pop  r14
	push r14
	push r15
	push r0
	push XL
	push XH
	push r24
	push r25
	movw r24, r14
.Lblock:
	movw YL, r24
#if ACTIVATION_BYTES == 2
	ldi  r16, 0 /* r17:r16: the two upper bytes of -0x8000 * groups */
	sbrc r21, FLAG_ALONE
	ldi  r16, 0x80
	mov  r17, r20
	neg  r17
#endif
	brts .Lload
	clear_rows
	rjmp .Lfirst_table
.Lload:
	load_row r2, r3, r10, 0
	load_row r4, r5, r11, 4
	load_row r6, r7, r12, 8
	load_row r8, r9, r13, 12
.Lfirst_table:
	mov  r16, r18
	mov  XH, r19
	mov  YH, r19
	mov  r17, r20
	lpm  r15, Z+
	sbrc r21, FLAG_ALONE
	rjmp .Lsecond
.Lfirst:
	add_group
	next_table .Lfirst_crossed
.Lsecond:
	add_group
	next_table .Lsecond_crossed
.Lpair_done:
	dec  r17
	breq .Lstore
	lpm  r15, Z+
	rjmp .Lfirst
.Lfirst_crossed:
	next_page
	rjmp .Lsecond
.Lsecond_crossed:
	next_page
	rjmp .Lpair_done

.Lstore:
	movw YL, r24
	store_row r2, r3, r10, 0
	store_row r4, r5, r11, 4
	store_row r6, r7, r12, 8
	store_row r8, r9, r13, 12
	sbrs r21, FLAG_LAST
	rjmp .Lblock_done
#if ACTIVATION_BYTES == 2
	store_sign r10, 0
	store_sign r11, 4
	store_sign r12, 8
	store_sign r13, 12
#else
	store_sign r3, 0
	store_sign r5, 4
	store_sign r7, 8
	store_sign r9, 12
#endif
.Lblock_done:
	adiw r24, 16
	cp   r24, r22
	cpc  r25, r23
	breq .Lchunk_done
	rjmp .Lblock
.Lchunk_done:
	pop  r25
	pop  r24
	pop  XH
	pop  XL
	set
	sbrs r21, FLAG_LAST
	rjmp .Lchunk
	pop  r0
	pop  r0
	pop  r0
	restore_registers_and_return
	end_function KERNEL
