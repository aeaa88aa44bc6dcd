/* SPDX-License-Identifier: 0BSD */
/*
 * Thumb-1 for rescomp_product_ternary_tabled_words_body.h, whose definition and layout it follows. The file that includes it
 * names the function in RESCOMP_KERNEL, the bytes of an input in INPUT_BYTES, and defines the macro load_high.
 */
#include "rescomp_call_saved_thumb1.h"

#define CHUNK_GROUPS 16
#define TABLE_BYTES 64 /* of a group */
#define BLOCK_BYTES 32 /* of a block's accumulators */
#define GROUP_BYTES (4 * INPUT_BYTES)
#define GROUP_CODE_BYTES 74

/* The stack frame. */
#define NEXT_BLOCK 0   /* the accumulators of the next block of rows */
#define ROWS_END 4     /* the end of all accumulators */
#define WEIGHT 8       /* what of the weights is still to be read */
#define INPUT 12       /* what of the input is still to be read */
#define GROUPS 16      /* groups still to come, the tail among them */
#define TABLE_END 20   /* of this chunk */
#define ENTRY 24       /* where a block enters the loop over quads */
#define TAIL 28        /* the input's last, incomplete group, padded with zeros */
#define HAS_TAIL 36    /* bytes of tables that the tail takes: 0 or TABLE_BYTES */
#define FRAME_BYTES 40
#define ACCUMULATOR (FRAME_BYTES + 36) /* arguments, behind nine saved registers */
#define TABLE (FRAME_BYTES + 40)

/*
 * Eight entries of a table, base +- b +- c: the base holds the first input in its low half and its negative in the high one;
 * u = b + c and v = b - c. *table++ = base + u, base - v, base + v, base - u
 */
.macro store_sums base, u, v, w0, w1, w2, w3
    adds \w0, \base, \u
    subs \w1, \base, \v
    adds \w2, \base, \v
    subs \w3, \base, \u
    stmia r1!, {\w0, \w1, \w2, \w3}
.endm

/* sum = x + (x << 16), from high = x << 16. */
.macro twice_in_word sum, high, scratch
    asrs \scratch, \high, #16
    adds \sum, \scratch, \high
.endm

/* accumulator += table[index / 2] */
.macro look_up accumulator
    ldrh r3, [r1, r3]
    add \accumulator, r3
.endm

/* One group of four inputs for a block's 8 rows: look_up() of the definition. byte: where the group's byte lies behind r0. */
.macro add_group byte
    ldmia r0!, {r2}
    lsls r3, r2, #1             @ row 0: bits 0..4, and so on, as twice the code
    ands r3, r4
    look_up r8
    lsrs r3, r2, #4
    ands r3, r4
    look_up r9
    lsrs r3, r2, #9
    ands r3, r4
    look_up r10
    lsrs r3, r2, #14
    ands r3, r4
    look_up r11
    lsrs r3, r2, #19
    ands r3, r4
    look_up r12
    lsrs r3, r2, #24
    ands r3, r4
    look_up lr
    ldrb r5, [r0, #\byte]
    lsls r3, r5, #1             @ row 6
    ands r3, r4
    look_up r6
    lsrs r2, r2, #30            @ row 7: (word >> 30) ^ (byte >> 3)
    lsrs r3, r5, #3
    eors r3, r2
    lsls r3, r3, #1
    look_up r7
    adds r1, #TABLE_BYTES
.endm

/* void RESCOMP_KERNEL(input: r0, columns: r1, rows: r2, weight: r3, accumulator, table) */
    begin_function RESCOMP_KERNEL, .text
    push_call_saved FRAME_BYTES
    str r0, [sp, #INPUT]
    str r3, [sp, #WEIGHT]
    adds r2, #7                 @ rows_end = accumulator + rows padded to 8
    lsrs r2, r2, #3
    lsls r2, r2, #5
    ldr r4, [sp, #ACCUMULATOR]
    adds r2, r2, r4
    str r2, [sp, #ROWS_END]

    adds r3, r1, #3             @ groups = ceil(columns / 4)
    lsrs r3, r3, #2
    str r3, [sp, #GROUPS]
    lsls r5, r3, #15            @ accumulators begin at -0x8000 * groups: what the tables' bias will add
    negs r5, r5
    mov r6, r5
    mov r7, r5
    mov r3, r5
.Lfill:
    stmia r4!, {r3, r5, r6, r7}
    stmia r4!, {r3, r5, r6, r7}
    cmp r4, r2
    bne .Lfill

    movs r3, #0
    str r3, [sp, #HAS_TAIL]
    movs r4, #3                 @ copy the tail: r4 = columns % 4 entries
    ands r4, r1
    beq .Lchunk
    str r3, [sp, #TAIL]
    str r3, [sp, #TAIL + 4]
    movs r3, #TABLE_BYTES
    str r3, [sp, #HAS_TAIL]
    subs r1, r1, r4
#if INPUT_BYTES == 2
    lsls r4, r4, #1
    lsls r1, r1, #1
#endif
    adds r0, r0, r1
    add r2, sp, #TAIL
.Lcopy:
    subs r4, #1
    ldrb r3, [r0, r4]
    strb r3, [r2, r4]
    bne .Lcopy

.Lchunk:
    /* groups: r2 = min(groups left, 16) */
    movs r2, #CHUNK_GROUPS
    ldr r3, [sp, #GROUPS]
    subs r3, r3, r2
    bhs 1f
    adds r2, r2, r3             @ the last chunk, unless it is full: groups left, and then none
    movs r3, #0
1:  str r3, [sp, #GROUPS]
    lsls r7, r2, #6             @ table_end = table + 64 * groups
    ldr r1, [sp, #TABLE]
    adds r7, r7, r1
    str r7, [sp, #TABLE_END]
    negs r2, r2                 @ entry = quad + (-groups % 4) positions
    lsls r2, r2, #30
    lsrs r2, r2, #30
    movs r5, #GROUP_CODE_BYTES
    muls r2, r5
    adr r5, .Lquad_0
    adds r5, r5, r2
    str r5, [sp, #ENTRY]

    /*
     * Tables. r0 input, then base0; r1 table; r2, r3 q2, q3; r4, r5 u, v; r6 q1; r7 base1, where q_i = x_i * 0x10001 (twice in
     * a word) and base_i = x_i and -x_i in a word's halves, biased. r8 the bias, r9 input, r10 bytes of a group's input, r11
     * q1, r12 q2, lr the end of the tables.
     */
    cmp r3, #0                  @ the tail is no whole group of the last chunk
    bne 2f
    ldr r3, [sp, #HAS_TAIL]
    subs r7, r7, r3
2:  mov lr, r7
    ldr r0, [sp, #INPUT]
    mov r9, r0
    movs r2, #GROUP_BYTES
    mov r10, r2
    ldr r2, .Lbias
    mov r8, r2
    cmp r1, lr
    beq .Lwhole_groups_done
.Lgroup_table:
    mov r0, r9
    load_high r2, 2
    twice_in_word r2, r2, r3
    load_high r3, 3
    twice_in_word r3, r3, r4
    load_high r4, 1
    asrs r5, r4, #16
    adds r6, r5, r4
    subs r7, r5, r4
    add r7, r8
    load_high r4, 0
    asrs r5, r4, #16
    subs r0, r5, r4
    add r0, r8
    adds r4, r2, r3
    subs r5, r2, r3
    mov r11, r6
    mov r12, r2
    store_sums r7, r4, r5, r2, r3, r6, r7   @ zero at 0: +-x1 +-x2 +-x3
    store_sums r0, r4, r5, r2, r3, r6, r7   @ zero at 1: +-x0 +-x2 +-x3
    mov r2, r11
    mov r5, r12
    subs r4, r4, r5                         @ q3 = (q2 + q3) - q2
    adds r7, r2, r4
    subs r6, r2, r4
    store_sums r0, r7, r6, r3, r4, r6, r7   @ zero at 2: +-x0 +-x1 +-x3
    adds r7, r2, r5
    subs r6, r2, r5
    store_sums r0, r7, r6, r3, r4, r6, r7   @ zero at 3: +-x0 +-x1 +-x2
    add r9, r10
    cmp r1, lr
    bne .Lgroup_table
.Lwhole_groups_done:
    ldr r7, [sp, #TABLE_END]
    cmp r1, r7
    beq .Ltables_done
    mov lr, r7
    add r0, sp, #TAIL
    mov r9, r0
    b .Lgroup_table

    .align 2
.Lbias:
    .word 0x80008000

.Ltables_done:
    mov r0, r9
    str r0, [sp, #INPUT]

    /*
     * Rows. r0 weight; r1 table; r2 word; r3 index, then entry; r4 mask of twice a code; r5 byte; r8-r12, lr, r6 and r7 rows 0 to 7.
     */
    ldr r0, [sp, #WEIGHT]
    movs r4, #0x3e
    ldr r5, [sp, #ACCUMULATOR]
    str r5, [sp, #NEXT_BLOCK]
.Lblock:
    ldmia r5!, {r1, r2, r3}
    mov r8, r1
    mov r9, r2
    mov r10, r3
    ldmia r5!, {r1, r2, r3, r6, r7}
    mov r11, r1
    mov r12, r2
    mov lr, r3
    ldr r1, [sp, #TABLE]
    ldr r3, [sp, #ENTRY]
    mov pc, r3
    .align 2
.Lquad_0:
    add_group 12
.Lquad_1:
    .if . - .Lquad_0 != GROUP_CODE_BYTES
    .error "GROUP_CODE_BYTES are those of add_group"
    .endif
    add_group 9
    add_group 6
    add_group 3
    adds r0, #4                 @ past the bytes
    ldr r3, [sp, #TABLE_END]
    cmp r1, r3
    beq .Lblock_done
    b .Lquad_0                    @ too far for a conditional branch
.Lblock_done:
    ldr r5, [sp, #NEXT_BLOCK]
    mov r1, r8
    mov r2, r9
    mov r3, r10
    stmia r5!, {r1, r2, r3}
    mov r1, r11
    mov r2, r12
    mov r3, lr
    stmia r5!, {r1, r2, r3, r6, r7}
    str r5, [sp, #NEXT_BLOCK]
    ldr r3, [sp, #ROWS_END]
    cmp r5, r3
    beq .Lchunk_done
    b .Lblock
.Lchunk_done:
    str r0, [sp, #WEIGHT]
    ldr r3, [sp, #GROUPS]
    cmp r3, #0
    beq .Ldone
    b .Lchunk

.Ldone:
    pop_call_saved_and_return FRAME_BYTES
    end_function RESCOMP_KERNEL
