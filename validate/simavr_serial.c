/*
 * Runs a program for an AVR under libsimavr with its USART 0 on a stream: simavr_serial MCU PROGRAM.elf listen|stream DESCRIPTOR
 *
 * The descriptor, which the caller opened, is a listening TCP socket (one connection after another is the line), or the line
 * itself (the master of a pseudo-terminal). Ends with an error when the program crashes, when its stack meets its variables, and
 * when a line that is no socket closes.
 */
#include <avr_uart.h>
#include <sim_avr.h>
#include <sim_elf.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STACK_LOW = 0x5d, STACK_HIGH = 0x5e }; /* addresses of the stack pointer's halves in the data space */
enum { RAM_OFFSET = 0x800000 };               /* of the data space in an ELF file of an AVR */
enum { IDLE_POLLS = 2000, IDLE_MILLISECONDS = 1 }; /* so many looks in vain for a byte, and this program sleeps */

static struct {
    int listener, stream; /* -1: none */
    avr_irq_t *input;
    unsigned idle;
    size_t received, taken, sent;
    uint8_t in[4096], out[4096];
} line = {.listener = -1, .stream = -1};

_Noreturn static void fail(const char *message)
{
    fprintf(stderr, "%s\n", message);
    exit(EXIT_FAILURE);
}

static void log_to_stderr(avr_t *avr, int level, const char *format, va_list arguments)
{
    (void)avr;
    if (level == LOG_ERROR) {
        vfprintf(stderr, format, arguments);
    }
}

static void hang_up(void)
{
    if (line.listener < 0) {
        fail("the line was closed");
    }
    close(line.stream);
    line.stream = -1;
    line.received = line.taken = line.sent = 0;
}

static void connect_line(void)
{
    const int one = 1;

    while (line.stream < 0) {
        line.stream = accept(line.listener, NULL, NULL);
    }
    setsockopt(line.stream, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void flush_line(void)
{
    size_t start = 0;

    while (start < line.sent) {
        const ssize_t count = write(line.stream, line.out + start, line.sent - start);

        if (count <= 0) {
            hang_up();
            return;
        }
        start += (size_t)count;
    }
    line.sent = 0;
}

/* Fills the buffer of received bytes with what is there; waits so long for the first one. */
static void receive(int milliseconds)
{
    struct pollfd ready = {.fd = line.stream, .events = POLLIN};

    if (poll(&ready, 1, milliseconds) > 0) {
        const ssize_t count = read(line.stream, line.in, sizeof line.in);

        line.taken = 0;
        line.received = count > 0 ? (size_t)count : 0;
        if (count <= 0) {
            hang_up();
        }
    }
}

/* The program looked at its USART, which has nothing to receive. */
static void on_room(avr_irq_t *irq, uint32_t value, void *unused)
{
    (void)irq;
    (void)value;
    (void)unused;
    if (line.taken == line.received) {
        line.taken = line.received = 0;
        ++line.idle;
        if (line.idle % 64 == 0) {
            flush_line();
            if (line.stream < 0) {
                connect_line();
            }
            receive(line.idle > IDLE_POLLS ? IDLE_MILLISECONDS : 0);
        }
    }
    if (line.taken < line.received) {
        line.idle = 0;
        avr_raise_irq(line.input, line.in[line.taken++]);
    }
}

static void on_output(avr_irq_t *irq, uint32_t value, void *unused)
{
    (void)irq;
    (void)unused;
    line.idle = 0;
    line.out[line.sent++] = (uint8_t)value;
    if (line.sent == sizeof line.out) {
        flush_line();
    }
}

/* The first address behind the program's variables. */
static unsigned find_heap(const elf_firmware_t *firmware)
{
    for (uint32_t i = 0; i < firmware->symbolcount; ++i) {
        if (strcmp(firmware->symbol[i]->symbol, "_end") == 0) {
            return firmware->symbol[i]->addr - RAM_OFFSET;
        }
    }
    fail("the program lacks a symbol of the toolchain's linker script");
}

static avr_t *load(const char *mcu, const char *path, unsigned *heap)
{
    static elf_firmware_t firmware;
    avr_t *const avr = avr_make_mcu_by_name(mcu);
    uint32_t flags = 0;

    if (avr == NULL || elf_read_firmware(path, &firmware) != 0) {
        fail(avr == NULL ? "libsimavr does not know this part" : "the program cannot be read");
    }
    avr_init(avr);
    avr->frequency = 16000000;
    avr_load_firmware(avr, &firmware);
    *heap = find_heap(&firmware);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    line.input = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_output, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), on_room, NULL);
    return avr;
}

int main(int count, char **arguments)
{
    avr_t *avr;
    int *descriptor;
    unsigned heap;

    if (count != 5) {
        fail("simavr_serial MCU PROGRAM.elf listen|stream DESCRIPTOR");
    }
    descriptor = strcmp(arguments[3], "listen") == 0 ? &line.listener : &line.stream;
    *descriptor = atoi(arguments[4]);
    avr_global_logger_set(log_to_stderr);
    avr = load(arguments[1], arguments[2], &heap);
    if (line.stream < 0) {
        connect_line();
    }
    for (;;) {
        const int state = avr_run(avr);

        if (state == cpu_Crashed || state == cpu_Done) {
            fail(state == cpu_Done ? "the program stopped" : "the program crashed");
        }
        /* Until the startup code has set it, the stack pointer is 0. */
        if (avr->cycle > 1000 && (avr->data[STACK_LOW] | (unsigned)avr->data[STACK_HIGH] << 8) + 1 < heap) {
            fail("the stack ran into the program's variables");
        }
    }
}
