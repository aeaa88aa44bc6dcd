/*
 * Calls single functions of an AVR program under libsimavr: for ctypes. The caller writes arguments straight into the
 * registers (data[0..31]), buffers into RAM (data) and constants into flash.
 */
#include <stddef.h>

#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

static avr_t *avr;

/* Loads an ELF file. Returns 0, or -1 where the microcontroller or the file is unknown. */
int simavr_open(const char *mcu, const char *path)
{
    static elf_firmware_t firmware;

    avr = avr_make_mcu_by_name(mcu);
    if (avr == NULL || avr_init(avr) != 0 || elf_read_firmware(path, &firmware) != 0) {
        return -1;
    }
    firmware.frequency = 16000000;
    avr_load_firmware(avr, &firmware);
    avr->log = LOG_NONE;
    avr->run_cycle_limit = 1;
    return 0;
}

uint8_t *simavr_data(void)
{
    return avr->data;
}

uint8_t *simavr_flash(void)
{
    return avr->flash;
}

/*
 * Calls the function at a byte address, with the return address on top of a stack whose first byte is `stack`. Returns the
 * cycles from its first instruction up to and including its return, or -1 where that takes more than `limit`.
 */
int64_t simavr_call(uint32_t address, uint16_t stack, uint64_t limit)
{
    const uint32_t back = avr->flashend - 1; /* not executed */
    const uint64_t start = avr->cycle;

    for (uint8_t i = 0; i < avr->address_size; ++i) {
        avr->data[stack--] = (uint8_t)(back >> 1 >> (8 * i));
    }
    avr->data[R_SPL] = (uint8_t)stack;
    avr->data[R_SPH] = (uint8_t)(stack >> 8);
    avr->pc = address;
    avr->state = cpu_Running;
    while (avr->pc != back) {
        if (avr_run(avr) != cpu_Running || avr->cycle - start > limit) {
            return -1;
        }
    }
    return (int64_t)(avr->cycle - start);
}
