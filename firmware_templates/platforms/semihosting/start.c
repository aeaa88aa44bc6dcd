/* SPDX-License-Identifier: 0BSD */
/* What every core does before and after main, once its reset handler has set up the stack. */
#include "semihosting.h"
#include "start.h"

/* From the linker script. */
extern uint32_t link_data_load[], link_data_start[], link_data_end[], link_bss_start[], link_bss_end[];

int main(void);

/* Used: RISC-V jumps to it from assembly, which link-time optimization does not read. */
__attribute__((used)) void start(void)
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
