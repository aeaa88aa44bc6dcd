/* SPDX-License-Identifier: 0BSD */
/*
 * RV32IMC for rescomp_product_ternary_tabled_words_body.h, whose definition and layout it follows. The file that includes this one names
 * the function in RESCOMP_KERNEL, the bytes of an input in BYTES, and defines the macro load_input x, index.
 */
#include "rescomp_call_saved_rv32.h"

#define input a0       /* what of it is still to be read */
#define columns a1     /* of that */
#define weight a3
#define accumulator a4 /* s0..s7: those of a block's 8 rows */
#define table a5
#define groups a2      /* still to come */
#define chunk s8       /* groups of this chunk */
#define blocks s9
#define entry s10      /* where a block enters the loop over quads */
#define back s11       /* how far before its table the first quad would begin, if it were whole */
#define table_end t6   /* of this chunk */

#define CHUNK_GROUPS 16
#define TABLE_BYTES 64 /* of a group */
#define QUAD_WORDS 4
#define FRAME 64
#define TAIL 48 /* in the frame: the last, incomplete group of inputs, padded with zeros */

/* table[..] = base + u, base - v, base + v, base - u in pairs of entries, where u = b + c and v = b - c */
.macro store_sums base, u, v, offset
    add t5, \base, \u
    sw t5, \offset(t0)
    sub t5, \base, \v
    sw t5, \offset + 4(t0)
    add t5, \base, \v
    sw t5, \offset + 8(t0)
    sub t5, \base, \u
    sw t5, \offset + 12(t0)
.endm

/*
 * write_table() of the definition, at t0, for the inputs at t1. Two neighbouring entries lie in one word and are made by one addition:
 * bias + two + a and bias + two - a are a number of 32 bits, and 0x80008000 + a - a * 2^16 + two * 65537 is the same one.
 */
.macro write_table
    load_input s0, 0
    load_input s1, 1
    load_input s2, 2
    load_input s3, 3
    slli t2, s0, 16
    sub t2, s0, t2
    add s0, t2, t4                  /* x0, as a */
    slli t2, s1, 16
    sub t3, s1, t2
    add t3, t3, t4                  /* x1, as a */
    add s1, s1, t2                  /* x1, x2, x3, as b and c */
    slli t2, s2, 16
    add s2, s2, t2
    slli t2, s3, 16
    add s3, s3, t2
    add s4, s2, s3
    sub s5, s2, s3
    store_sums t3, s4, s5, 0
    store_sums s0, s4, s5, 16
    add s4, s1, s3
    sub s5, s1, s3
    store_sums s0, s4, s5, 32
    add s4, s1, s2
    sub s5, s1, s2
    store_sums s0, s4, s5, 48
.endm

/* sum += table[code], the code in bits 1..5 of t2 */
.macro add_entry sum, group
    andi t2, t2, 62
    add t2, t2, t0
    lhu t2, \group * TABLE_BYTES(t2)
    add \sum, \sum, t2
.endm

/* look_up() of the definition: the word of a quad's group in t3, the bytes of the quad in t1, its table at t0 */
.macro add_group group
    lw t3, 4 * \group(weight)
    slli t2, t3, 1
    add_entry s0, \group
    srli t2, t3, 4
    add_entry s1, \group
    srli t2, t3, 9
    add_entry s2, \group
    srli t2, t3, 14
    add_entry s3, \group
    srli t2, t3, 19
    add_entry s4, \group
    srli t2, t3, 24
    add_entry s5, \group
.if \group
    srli t2, t1, 8 * \group - 1
.else
    slli t2, t1, 1
.endif
    add_entry s6, \group
    srli t2, t1, 8 * \group + 2
    srli t3, t3, 29
    xor t2, t2, t3
    add_entry s7, \group
.endm

    begin_function RESCOMP_KERNEL
    push_call_saved 12, FRAME
    addi blocks, a2, 7
    srli blocks, blocks, 3
    beqz blocks, return
    addi groups, columns, 3
    srli groups, groups, 2
    slli t0, groups, 15
    neg t0, t0                      /* the bias of all entries that a row will add */
    mv t1, accumulator
    mv t2, blocks
1:  sw t0, 0(t1)
    sw t0, 4(t1)
    sw t0, 8(t1)
    sw t0, 12(t1)
    sw t0, 16(t1)
    sw t0, 20(t1)
    sw t0, 24(t1)
    sw t0, 28(t1)
    addi t1, t1, 32
    addi t2, t2, -1
    bnez t2, 1b

next_chunk:
    beqz groups, return
    li chunk, CHUNK_GROUPS
    bgeu groups, chunk, 1f
    mv chunk, groups
1:  sub groups, groups, chunk
    mv t0, table
    slli table_end, chunk, 6
    add table_end, table_end, table
    li t4, 0x80008000
tables:
    li t2, 4
    bltu columns, t2, tail
    mv t1, input
    addi input, input, 4 * BYTES
    addi columns, columns, -4
write:
    write_table
    addi t0, t0, TABLE_BYTES
    bne t0, table_end, tables

    neg t0, chunk                   /* groups that the first quad lacks */
    andi t0, t0, QUAD_WORDS - 1
    slli back, t0, 2
    la entry, group0
    beqz t0, 2f
    la entry, group1
    addi t0, t0, -1
    beqz t0, 2f
    la entry, group2
    addi t0, t0, -1
    beqz t0, 2f
    la entry, group3
2:  mv a6, accumulator
    mv a7, blocks
block:
    move_words lw, 8, a6
    slli t0, back, 4
    sub t0, table, t0
    sub weight, weight, back
    lw t1, 4 * QUAD_WORDS(weight)
    jr entry
quad:
    lw t1, 4 * QUAD_WORDS(weight)
group0:
    add_group 0
group1:
    add_group 1
group2:
    add_group 2
group3:
    add_group 3
    addi weight, weight, 4 * QUAD_WORDS + 4
    addi t0, t0, QUAD_WORDS * TABLE_BYTES
    bltu t0, table_end, quad
    move_words sw, 8, a6
    addi a6, a6, 32
    addi a7, a7, -1
    bnez a7, block
    j next_chunk

tail: /* the last group, of one to three inputs */
    sw zero, TAIL(sp)
    sw zero, TAIL + 4(sp)
    addi t1, sp, TAIL
3:  load_input t2, 0, input
    store_tail
    addi input, input, BYTES
    addi t1, t1, BYTES
    addi columns, columns, -1
    bnez columns, 3b
    addi t1, sp, TAIL
    j write

return:
    pop_call_saved_and_return 12, FRAME
    end_function RESCOMP_KERNEL
