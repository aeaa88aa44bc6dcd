/* SPDX-License-Identifier: 0BSD */
/* From reset to main on any Cortex-M. Interrupts stay off, so that the core's sixteen vectors are enough. */
#include <stdint.h>

extern uint32_t link_data_load[], link_data_start[], link_data_end[], link_bss_start[], link_bss_end[], link_stack_top[];

int main(void);
void semihosting_exit(int failed);
void reset_handler(void);
void fault_handler(void);

void reset_handler(void)
{
    const uint32_t *source = link_data_load;

    for (uint32_t *word = link_data_start; word < link_data_end; ++word) {
        *word = *source++;
    }
    for (uint32_t *word = link_bss_start; word < link_bss_end; ++word) {
        *word = 0;
    }
    semihosting_exit(main());
}

void fault_handler(void)
{
    semihosting_exit(1);
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
};
