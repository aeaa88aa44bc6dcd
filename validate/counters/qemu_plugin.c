/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin for QEMU's code generator (interface version 1): counter.h with retired instructions.
 * Arguments: functions=FILE, results=FILE.
 *
 * Every instruction that executes counts, whether or not its condition holds. loads and stores are the 32-bit words that an
 * instruction reads and writes: one for a byte, four for four registers at once, four for a vector of sixteen bytes.
 *
 * Version 1 of the interface cannot read registers. Where QEMU logs them (-d cpu,plugin), the lines "span begins" and "span ends" say
 * whose they are.
 */
#include <stdbool.h>
#include <stddef.h>

#include "counter.h"

/* What is used of QEMU's interface, which Debian ships without a header. */
typedef uint64_t plugin_id;
typedef struct qemu_plugin_tb translation_block;
typedef struct qemu_plugin_insn instruction;
typedef struct {
    const char *target; /* the core's architecture; more follows, which is not read */
} emulator_info;
enum { NO_REGISTERS = 0, READS_AND_WRITES = 3 };

#define EXPORTED __attribute__((visibility("default")))
extern EXPORTED int qemu_plugin_version;
EXPORTED int qemu_plugin_install(plugin_id id, const emulator_info *emulator, int argc, char **argv);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*translated)(plugin_id, translation_block *));
void qemu_plugin_register_atexit_cb(plugin_id id, void (*ended)(plugin_id, void *), void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(instruction *, void (*executed)(unsigned, void *), int registers, void *data);
void qemu_plugin_register_vcpu_mem_cb(instruction *, void (*accessed)(unsigned, uint32_t, uint64_t, void *), int registers,
                                      int direction, void *data);
size_t qemu_plugin_tb_n_insns(const translation_block *);
instruction *qemu_plugin_tb_get_insn(const translation_block *, size_t index);
uint64_t qemu_plugin_insn_vaddr(const instruction *);
size_t qemu_plugin_insn_size(const instruction *);
const void *qemu_plugin_insn_data(const instruction *);
unsigned qemu_plugin_mem_size_shift(uint32_t access);
bool qemu_plugin_mem_is_store(uint32_t access);
void qemu_plugin_outs(const char *text);

int qemu_plugin_version = 1;

typedef struct {
    uint64_t address, size;
    int function, is_call;
} place;

static int (*is_call)(uint32_t instruction);

/* The words that the instruction being executed has read and written last. */
static uint64_t last_words[2];

static void execute(unsigned core, void *data)
{
    const place *at = data;

    (void)core;
    counter_fetch(at->address, at->size, at->function, at->is_call);
    ++counter.total.count;
    last_words[0] = last_words[1] = UINT64_MAX;
}

static void access_memory(unsigned core, uint32_t access, uint64_t address, void *data)
{
    const bool is_store = qemu_plugin_mem_is_store(access);
    uint64_t *words = is_store ? &counter.total.stores : &counter.total.loads;
    const uint64_t word = address / 4;

    (void)core;
    (void)data;
    if (word != last_words[is_store]) {
        *words += qemu_plugin_mem_size_shift(access) > 2 ? 2 : 1;
    }
    last_words[is_store] = word;
}

/* An instruction as it lies in memory, the first halfword lowest. */
static uint32_t code_of(const instruction *each)
{
    uint32_t code = 0;
    const size_t size = qemu_plugin_insn_size(each);

    memcpy(&code, qemu_plugin_insn_data(each), size < sizeof code ? size : sizeof code);
    return code;
}

/* bl, and blx to a register. */
static int is_thumb_call(uint32_t code)
{
    return (code & 0xd000f800) == 0xd000f000 || (code & 0xffffff80) == 0x4780;
}

/* jal and jalr that link ra, and their short forms. */
static int is_riscv_call(uint32_t code)
{
    const int is_long = (code & 0xfff) == 0x0ef || (code & 0x7fff) == 0x00e7;
    const int is_short = (code & 0xffffe003) == 0x2001 || ((code & 0xfffff07f) == 0x9002 && (code & 0xf80));

    return is_long || is_short;
}

static void translate(plugin_id id, translation_block *block)
{
    const size_t length = qemu_plugin_tb_n_insns(block);

    (void)id;
    for (size_t i = 0; i < length; ++i) {
        instruction *each = qemu_plugin_tb_get_insn(block, i);
        place *at = malloc(sizeof *at); /* as long as QEMU runs: blocks do not say when they go */

        if (at == NULL) {
            abort();
        }
        at->address = qemu_plugin_insn_vaddr(each);
        at->size = qemu_plugin_insn_size(each);
        at->function = counter_find(at->address);
        at->is_call = is_call(code_of(each));
        qemu_plugin_register_vcpu_insn_exec_cb(each, execute, NO_REGISTERS, at);
        qemu_plugin_register_vcpu_mem_cb(each, access_memory, NO_REGISTERS, READS_AND_WRITES, NULL);
    }
}

static void tell_log(int begins)
{
    qemu_plugin_outs(begins ? "span begins\n" : "span ends\n");
}

static void end(plugin_id id, void *data)
{
    (void)id;
    (void)data;
    counter_close();
}

static const char *argument(const char *name, int argc, char **argv)
{
    const size_t length = strlen(name);

    for (int i = 0; i < argc; ++i) {
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') {
            return argv[i] + length + 1;
        }
    }
    fprintf(stderr, "the plugin misses its argument %s\n", name);
    exit(EXIT_FAILURE);
}

int qemu_plugin_install(plugin_id id, const emulator_info *emulator, int argc, char **argv)
{
    if (strcmp(emulator->target, "arm") != 0 && strcmp(emulator->target, "riscv32") != 0) {
        fprintf(stderr, "the plugin does not know the calls of a %s\n", emulator->target);
        return EXIT_FAILURE;
    }
    is_call = emulator->target[0] == 'a' ? is_thumb_call : is_riscv_call;
    counter_open(argument("functions", argc, argv), argument("results", argc, argv));
    counter.on_span = tell_log;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, end, NULL);
    return 0;
}
