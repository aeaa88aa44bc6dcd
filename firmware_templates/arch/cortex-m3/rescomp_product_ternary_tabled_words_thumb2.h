/* SPDX-License-Identifier: 0BSD */
/*
 * Thumb-2 for rescomp_product_ternary_tabled_words_body.h, whose definition and layout it follows. The file that includes it
 * names the function in RESCOMP_KERNEL, the bytes of an input in INPUT_BYTES, and defines the macro load_input.
 */
#include "rescomp_call_saved_thumb2.h"

#define CHUNK_GROUPS 16
#define TABLE_BYTES 64 /* of a group */
#define BIAS 0x80008000

/* The stack frame; what stands in one line is loaded by one instruction. */
#define TABLE 0
#define NEXT_BLOCK 4 /* the accumulators of the next block of rows */
#define ROWS_END 8   /* the end of all accumulators */
#define SHORT_BYTES 12 /* how far behind a block's beginning the bytes of its first quad lie */
#define ENTRY 16       /* where a block enters the loop over quads */
#define TABLE_END 20   /* of this chunk */
#define INPUT 24       /* what of the input is still to be read */
#define GROUPS 28      /* groups still to come, the tail among them */
#define TAIL_TABLE 32  /* bytes of tables that the tail takes: 0 or TABLE_BYTES */
#define TAIL 36        /* the input's last, incomplete group, padded with zeros */
#define FRAME_BYTES 44
#define ACCUMULATOR (FRAME_BYTES + 36) /* arguments, behind nine saved registers */
#define TABLE_ARGUMENT (FRAME_BYTES + 40)

/* *table++ = base + u, base - v, base + v, base - u, where u = b + c and v = b - c; w3 may be the base. Registers rise. */
.macro store_sums base, u, v, w0, w1, w2, w3
    add \w0, \base, \u
    sub \w1, \base, \v
    add \w2, \base, \v
    sub \w3, \base, \u
    stmia r0!, {\w0, \w1, \w2, \w3}
.endm

/* accumulator_a += table[r12]; accumulator_b += table[lr] */
.macro look_up accumulator_a, accumulator_b
    ldrh r12, [r0, r12, lsl #1]
    ldrh lr, [r0, lr, lsl #1]
    add \accumulator_a, r12
    add \accumulator_b, lr
.endm

/* One group of four inputs for a block's 8 rows: look_up() of the definition. byte: of its quad; words: how many more to skip. */
.macro add_group byte, words=0
    ldr r2, [r1], #4 + 4 * \words
    ubfx r12, r2, #0, #5
    ubfx lr, r2, #5, #5
    look_up r4, r5
    ubfx r12, r2, #10, #5
    ubfx lr, r2, #15, #5
    look_up r6, r7
    ubfx r12, r2, #20, #5
    ubfx lr, r2, #25, #5
    look_up r8, r9
    ubfx r12, r3, #8 * \byte, #5
    ubfx lr, r3, #8 * \byte + 3, #5
    eor lr, lr, r2, lsr #30
    look_up r10, r11
    adds r0, #TABLE_BYTES
.endm

/* void RESCOMP_KERNEL(input: r0, columns: r1, rows: r2, weight: r3, accumulator, table) */
    begin_function RESCOMP_KERNEL, .text
    push_call_saved FRAME_BYTES
    ldr r12, [sp, #TABLE_ARGUMENT]
    str r12, [sp, #TABLE]
    adds r2, #7                 @ rows_end = accumulator + rows padded to 8
    lsrs r2, r2, #3
    ldr r12, [sp, #ACCUMULATOR]
    add r2, r12, r2, lsl #5
    strd r12, r2, [sp, #NEXT_BLOCK]

    adds r4, r1, #3             @ groups = ceil(columns / 4)
    lsrs r4, r4, #2
    str r4, [sp, #GROUPS]
    lsls r4, r4, #15            @ accumulators begin at -0x8000 * groups: what the tables' bias will add
    rsbs r4, r4, #0
    mov r5, r4
    mov r6, r4
    mov r7, r4
.Lfill:
    stmia r12!, {r4-r7}
    stmia r12!, {r4-r7}
    cmp r12, r2
    bne .Lfill

    movs r5, #0
    ands r4, r1, #3             @ copy the tail: r4 = columns % 4 entries
    beq .Ltail_copied
    str r5, [sp, #TAIL]
    str r5, [sp, #TAIL + 4]
    movs r5, #TABLE_BYTES
    subs r1, r1, r4
#if INPUT_BYTES == 2
    lsls r4, r4, #1
    lsls r1, r1, #1
#endif
    adds r1, r0, r1
    add r2, sp, #TAIL
.Lcopy:
    subs r4, #1
    ldrb r6, [r1, r4]
    strb r6, [r2, r4]
    bne .Lcopy
.Ltail_copied:
    str r5, [sp, #TAIL_TABLE]
    mov r1, r0

    /* r1 input, r3 weight */
.Lchunk:
    ldr r2, [sp, #GROUPS]       @ groups: r2 = min(groups left, 16), r4 = those left afterwards
    subs r4, r2, #CHUNK_GROUPS
    ite hi
    movhi r2, #CHUNK_GROUPS
    movls r4, #0
    str r4, [sp, #GROUPS]
    ldr r0, [sp, #TABLE]
    add lr, r0, r2, lsl #6
    str lr, [sp, #TABLE_END]
    subs r5, r2, #1             @ groups of the first quad: (groups - 1) % 4 + 1
    and r5, r5, #3
    adds r5, #1
    lsls r6, r5, #2
    rsb r5, r5, #4              @ entry = quad + what comes before in a full one
    movs r7, #.Lquad_1 - .Lquad_0
    mul r5, r5, r7
    adr.w r7, .Lquad_0
    add r5, r5, r7
    orr r5, r5, #1
    strd r6, r5, [sp, #SHORT_BYTES]

    /*
     * Tables. r0 table, r1 input, lr their end; r4 base0, r12 base1, r6-r8 q1, q2, q3; r9, r10 u, v; where q_i is
     * x_i * 0x10001 (twice in a word) and base_i is x_i and -x_i in a word's halves, biased. The tail is no whole group.
     */
    cbnz r4, 1f
    ldr r5, [sp, #TAIL_TABLE]
    sub lr, lr, r5
1:  cmp r0, lr
    beq .Lwhole_groups_done
.Lgroup_table:
    load_input r6, 1
    load_input r7, 2
    load_input r8, 3
    load_input r4, 0
    sub r12, r6, r6, lsl #16
    add r12, r12, #BIAS
    sub r4, r4, r4, lsl #16
    add r4, r4, #BIAS
    add r6, r6, r6, lsl #16
    add r7, r7, r7, lsl #16
    add r8, r8, r8, lsl #16
    add r9, r7, r8
    sub r10, r7, r8
    store_sums r12, r9, r10, r2, r5, r11, r12    @ zero at 0: +-x1 +-x2 +-x3
    store_sums r4, r9, r10, r2, r5, r11, r12    @ zero at 1: +-x0 +-x2 +-x3
    add r9, r6, r8
    sub r10, r6, r8
    store_sums r4, r9, r10, r2, r5, r11, r12    @ zero at 2: +-x0 +-x1 +-x3
    add r9, r6, r7
    sub r10, r6, r7
    store_sums r4, r9, r10, r2, r5, r11, r12    @ zero at 3: +-x0 +-x1 +-x2
    cmp r0, lr
    bne .Lgroup_table
.Lwhole_groups_done:
    ldr r12, [sp, #TABLE_END]
    cmp r0, r12
    beq .Ltables_done
    mov lr, r12
    add r1, sp, #TAIL
    b .Lgroup_table
.Ltables_done:
    str r1, [sp, #INPUT]

    /* Rows. r0 table; r1 weight; r2 word; r3 a quad's bytes; r4-r11 rows 0 to 7; r12, lr index, then entry. */
    mov r1, r3
    ldr r12, [sp, #ACCUMULATOR]
    str r12, [sp, #NEXT_BLOCK]
.Lblock:
    ldrd r0, r12, [sp, #TABLE]
    ldmia r12, {r4-r11}
    ldrd r12, lr, [sp, #SHORT_BYTES]
    ldr r3, [r1, r12]
    bx lr
.Lnext_quad:
    ldr r3, [r1, #16]
.Lquad_0:
    add_group 0
.Lquad_1:
    add_group 1
    add_group 2
    add_group 3, 1
    ldr r12, [sp, #TABLE_END]
    cmp r0, r12
    bne .Lnext_quad
    ldrd r12, lr, [sp, #NEXT_BLOCK]
    stmia r12!, {r4-r11}
    str r12, [sp, #NEXT_BLOCK]
    cmp r12, lr
    bne .Lblock
    mov r3, r1
    ldr r1, [sp, #INPUT]
    ldr r12, [sp, #GROUPS]
    cmp r12, #0
    bne .Lchunk

    pop_call_saved_and_return FRAME_BYTES
    end_function RESCOMP_KERNEL
