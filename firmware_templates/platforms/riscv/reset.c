/* SPDX-License-Identifier: 0BSD */
/* From reset to start() on any 32-bit RISC-V in machine mode. Interrupts stay off. */
#include "semihosting.h"
#include "start.h"

void reset_handler(void);
void fault_handler(void);

/* The linker puts it first, where the core begins. Registers: sp, gp (what short addresses are relative to), mtvec (traps). */
__attribute__((naked, used, section(".vectors"))) void reset_handler(void)
{
    __asm__ volatile(".option push\n\t"
                     ".option norelax\n\t"
                     ".option arch, +zicsr\n\t"
                     "la gp, __global_pointer$\n\t"
                     "la sp, link_stack_top\n\t"
                     "la t0, fault_handler\n\t"
                     "csrw mtvec, t0\n\t"
                     ".option pop\n\t"
                     "j start");
}

__attribute__((aligned(4), used)) void fault_handler(void)
{
    semihosting_fail("a fault: a wrong address, or an instruction that this core does not know\n");
}
