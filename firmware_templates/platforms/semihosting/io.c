/* SPDX-License-Identifier: 0BSD */
/* A core under a debugger or an emulator: the files input.bin and output.bin of its host, by semihosting. */
#include "io.h"

#include "semihosting.h"

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_EXIT = 0x18,
    MODE_READ_BINARY = 1,
    MODE_WRITE_BINARY = 5
};

#define ADP_STOPPED_APPLICATION_EXIT 0x20026u
#define ADP_STOPPED_RUN_TIME_ERROR 0x20023u

void semihosting_exit(int failed)
{
    semihosting(SYS_EXIT, failed ? ADP_STOPPED_RUN_TIME_ERROR : ADP_STOPPED_APPLICATION_EXIT);
    for (;;) {
    }
}

void semihosting_fail(const char *message)
{
    semihosting(SYS_WRITE0, (uintptr_t)message);
    semihosting_exit(1);
}

static void require(int condition, const char *message)
{
    if (!condition) {
        semihosting_fail(message);
    }
}

static uint32_t input_file, output_file;

static uint32_t open_file(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t block[3] = {(uint32_t)(uintptr_t)name, mode, length};
    const uint32_t handle = semihosting(SYS_OPEN, (uintptr_t)block);

    require(handle != UINT32_MAX, "a file cannot be opened\n");
    return handle;
}

/* Both calls return how many bytes they left over. */
static uint32_t transfer(uint32_t operation, uint32_t file, const void *data, uint32_t size)
{
    const uint32_t block[3] = {file, (uint32_t)(uintptr_t)data, size};

    return semihosting(operation, (uintptr_t)block);
}

void io_open(void)
{
    static const char input_name[] = "input.bin", output_name[] = "output.bin";

    input_file = open_file(input_name, sizeof input_name - 1, MODE_READ_BINARY);
    output_file = open_file(output_name, sizeof output_name - 1, MODE_WRITE_BINARY);
}

void io_read(void *data, uint32_t size)
{
    require(transfer(SYS_READ, input_file, data, size) == 0, "the input ends too early\n");
}

void io_write(const void *data, uint32_t size)
{
    require(transfer(SYS_WRITE, output_file, data, size) == 0, "the output cannot be written\n");
}

void io_close(void)
{
    semihosting(SYS_CLOSE, (uintptr_t)&input_file);
    require(semihosting(SYS_CLOSE, (uintptr_t)&output_file) == 0, "the output cannot be written\n");
}

void io_fail(const char *message)
{
    semihosting_fail(message);
}
