/* SPDX-License-Identifier: 0BSD */
/* From reset to start() on any Cortex-M. Interrupts stay off, so that the core's sixteen vectors are enough. */
#include "semihosting.h"
#include "start.h"

extern uint32_t link_stack_top[];

void reset_handler(void);
void fault_handler(void);

void reset_handler(void)
{
#ifdef __ARM_FEATURE_MVE
    /* The vector unit answers to coprocessors 10 and 11. Without one they stay off: what computes with floats faults. */
    volatile uint32_t *const coprocessor_access = (volatile uint32_t *)0xe000ed88u;

    *coprocessor_access |= UINT32_C(0xf) << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    start();
}

void fault_handler(void)
{
    semihosting_fail("a fault: a wrong address, or an instruction that this core does not know\n");
}

typedef union {
    uint32_t *stack_top;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack_top = link_stack_top}, {.handler = reset_handler}, /* reset */
    {.handler = fault_handler},                                /* non-maskable interrupt */
    {.handler = fault_handler},                                /* hard fault */
    {.handler = fault_handler},                                /* memory management fault */
    {.handler = fault_handler},                                /* bus fault */
    {.handler = fault_handler},                                /* usage fault */
    {.handler = fault_handler},                                /* secure fault, where there is one */
};
