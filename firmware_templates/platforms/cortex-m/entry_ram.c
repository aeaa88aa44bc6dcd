/* SPDX-License-Identifier: 0BSD */
/*
 * For a program that a boot ROM has put into RAM, and begins at its lowest address (RP2040): the core learns where its vectors lie, and
 * goes on as after a reset.
 */

void entry(void);

__attribute__((naked, used, section(".entry"))) void entry(void)
{
    __asm__ volatile("ldr r0, =link_vectors\n\t"
                     "ldr r1, =0xe000ed08\n\t" /* the register of the vectors' address */
                     "str r0, [r1]\n\t"
                     "ldr r1, [r0]\n\t"
                     "mov sp, r1\n\t"
                     "ldr r1, [r0, #4]\n\t"
                     "bx r1\n\t"
                     ".ltorg");
}
