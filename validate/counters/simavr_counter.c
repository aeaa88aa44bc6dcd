/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simavr_host.c, one instruction at a time: counter.h with cycles.
 * Arguments: FUNCTIONS RESULTS, and then those of simavr_host.c.
 *
 * loads and stores are the bytes that ld, ldd, lds, lpm, elpm, pop and st, std, sts, push move; those of calls and returns are not
 * among them. A skipped instruction makes a taken branch of the one that skips it.
 */
#include <sim_avr.h>
#include <sim_core.h>
#include <sim_elf.h>

#include "counter.h"

static unsigned opcode_at(const avr_t *avr, avr_flashaddr_t address)
{
    return avr->flash[address] | (unsigned)avr->flash[address + 1] << 8;
}

/* ldd and std, and ld and st without a step. */
static int is_displaced(unsigned opcode)
{
    return (opcode & 0xd000) == 0x8000;
}

static int is_load(unsigned opcode)
{
    const int loads_r0 = opcode == 0x95c8 || opcode == 0x95d8; /* lpm and elpm without operands */

    return loads_r0 || (opcode & 0xfe00) == 0x9000 || (is_displaced(opcode) && !(opcode & 0x0200));
}

static int is_store(unsigned opcode)
{
    return (opcode & 0xfe00) == 0x9200 || (is_displaced(opcode) && (opcode & 0x0200));
}

static unsigned size_of(unsigned opcode)
{
    const int jumps_or_calls = (opcode & 0xfe0c) == 0x940c, has_address = (opcode & 0xfc0f) == 0x9000;

    return jumps_or_calls || has_address ? 4 : 2;
}

static int is_call(unsigned opcode)
{
    const int through_z = opcode == 0x9509 || opcode == 0x9519; /* icall and eicall */

    return through_z || (opcode & 0xfe0e) == 0x940e || (opcode & 0xf000) == 0xd000;
}

/* The lowest byte in use. */
static uint64_t stack_pointer(avr_t *avr)
{
    return (uint64_t)_avr_sp_get(avr) + 1;
}

static int run_counted(avr_t *avr)
{
    const avr_flashaddr_t address = avr->pc;
    const unsigned opcode = opcode_at(avr, address);
    const avr_cycle_count_t before = avr->cycle;
    int state;

    avr->run_cycle_limit = 1; /* one instruction */
    counter.stack_pointer = stack_pointer(avr) + avr->address_size; /* of the caller, if this is the first of a function */
    counter_fetch(address, size_of(opcode), counter_find(address), is_call(opcode));
    state = avr_run(avr);
    counter.total.count += avr->cycle - before;
    counter.total.loads += (uint64_t)is_load(opcode);
    counter.total.stores += (uint64_t)is_store(opcode);
    if (stack_pointer(avr) < counter.stack_lowest) {
        counter.stack_lowest = stack_pointer(avr);
    }
    return state;
}

#define avr_run run_counted
#define main run_program
#include "../simavr_host.c"
#undef main

int main(int argc, char **argv)
{
    int status;

    if (argc < 3) {
        fail(NULL, "simavr_counter FUNCTIONS RESULTS ARGUMENT...");
    }
    counter_open(argv[1], argv[2]);
    status = run_program(argc - 2, argv + 2);
    counter_close();
    return status;
}
