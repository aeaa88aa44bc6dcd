/*
 * Runs a program for an AVR under libsimavr: simavr_host MCU PROGRAM.elf <input >output
 *
 * The program talks to its host as firmware_templates/platforms/avr/io.c says. The exit status is 0 when the program said that it
 * is done; what went wrong otherwise is told on stderr.
 */
#include <sim_avr.h>
#include <sim_elf.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Addresses of the mailbox in the data space: GPIOR0, GPIOR1 and GPIOR2 of every ATmega with 32 KB of flash or more. */
enum { CONTROL = 0x3e, INPUT = 0x4a, OUTPUT = 0x4b };
enum { BEGUN = 1, DONE = 2, FAILED = 3 };
enum { CHECK_CYCLES = 16 }; /* between two looks at the program's health; one instruction at a time takes twice as long */
enum { STACK_LOW = 0x5d, STACK_HIGH = 0x5e }; /* the stack pointer's halves */
enum { RAM_OFFSET = 0x800000 };               /* of the data space in an ELF file of an AVR */

static struct {
    int begun, done, failed;
    unsigned data_end; /* the first address behind the program's variables */
} program;

_Noreturn static void fail(const avr_t *avr, const char *message)
{
    fflush(stdout);
    if (avr != NULL) {
        fprintf(stderr, "%s (at 0x%05x, cycle %llu)\n", message, (unsigned)avr->pc, (unsigned long long)avr->cycle);
    } else {
        fprintf(stderr, "%s\n", message);
    }
    exit(EXIT_FAILURE);
}

static void log_to_stderr(avr_t *avr, int level, const char *format, va_list arguments)
{
    (void)avr;
    if (level == LOG_ERROR) {
        vfprintf(stderr, format, arguments);
    }
}

static uint8_t on_input(avr_t *avr, avr_io_addr_t address, void *unused)
{
    const int byte = getchar_unlocked();

    (void)unused;
    if (byte == EOF) {
        fail(avr, "the input ends too early");
    }
    avr->data[address] = (uint8_t)byte;
    return (uint8_t)byte;
}

static void on_output(avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused)
{
    (void)unused;
    avr->data[address] = value;
    if (program.failed && value != 0) {
        fputc(value, stderr);
    } else if (program.failed) {
        fail(avr, "the program ended itself");
    } else if (putchar_unlocked(value) == EOF) {
        fail(avr, "the output cannot be written");
    }
}

static void on_control(avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused)
{
    (void)unused;
    avr->data[address] = value;
    if (value == BEGUN && program.begun) {
        fail(avr, "the program began again: a jump to nowhere or an unexpected interrupt");
    }
    program.begun |= value == BEGUN;
    program.done |= value == DONE;
    program.failed |= value == FAILED;
}

static void check_stack(const avr_t *avr)
{
    const unsigned top = avr->data[STACK_LOW] | (unsigned)avr->data[STACK_HIGH] << 8;

    if (program.begun && top + 1 < program.data_end) {
        fail(avr, "the stack ran into the program's variables");
    }
}

/* Whether main returned: avr-libc ends with interrupts off in a jump to itself. */
static int is_stuck(const avr_t *avr)
{
    return avr->flash[avr->pc] == 0xff && avr->flash[avr->pc + 1] == 0xcf && !avr->sreg[S_I];
}

static unsigned find_symbol(const elf_firmware_t *firmware, const char *name)
{
    for (uint32_t i = 0; i < firmware->symbolcount; ++i) {
        if (strcmp(firmware->symbol[i]->symbol, name) == 0) {
            return firmware->symbol[i]->addr;
        }
    }
    fail(NULL, "the program lacks a symbol of the toolchain's linker script");
}

static avr_t *load(const char *mcu, const char *path)
{
    static elf_firmware_t firmware;
    avr_t *const avr = avr_make_mcu_by_name(mcu);

    if (avr == NULL || elf_read_firmware(path, &firmware) != 0) {
        fail(NULL, avr == NULL ? "libsimavr does not know this part" : "the program cannot be read");
    }
    avr_init(avr);
    avr_load_firmware(avr, &firmware);
    avr_register_io_read(avr, INPUT, on_input, NULL);
    avr_register_io_write(avr, OUTPUT, on_output, NULL);
    avr_register_io_write(avr, CONTROL, on_control, NULL);
    program.data_end = find_symbol(&firmware, "_end") - RAM_OFFSET;
    return avr;
}

int main(int count, char **arguments)
{
    avr_t *avr;

    if (count != 3) {
        fail(NULL, "simavr_host MCU PROGRAM.elf");
    }
    avr_global_logger_set(log_to_stderr);
    avr = load(arguments[1], arguments[2]);
    avr->run_cycle_limit = CHECK_CYCLES;
    while (!program.done) {
        const int state = avr_run(avr);

        if (state == cpu_Crashed) {
            fail(avr, "the program crashed");
        }
        if (!program.done && (state == cpu_Done || is_stuck(avr))) {
            fail(avr, "the program stopped before it was done");
        }
        check_stack(avr);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
