/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts what an emulated core does between entry and exit of functions. Shared by qemu_plugin.c and simavr_counter.c.
 *
 * The file of functions has a line for each: "span ADDRESS" or "call ADDRESS" (hexadecimal); a line's number, from 0, names it.
 * A span (the step of a model) is counted from its first instruction up to and including its return. What lies in it is cut at each
 * return of a call (a kernel) into the span: arguments, call and kernel are one piece. Calls within calls are not cut.
 *
 * The file of results has a line for each piece and each span, in the order in which they end; STACK is 0 where no front end sets
 * counter.stack_pointer:
 *     piece NUMBER COUNT LOADS STORES BRANCHES
 *     span NUMBER COUNT LOADS STORES BRANCHES STACK
 *
 * All return addresses are kept as the call instructions leave them, so that a function may also be entered by a jump, in the place of
 * the one that jumps. No function recurs (the generated C never does): the instruction behind a call is executed when the call has
 * returned, and only then, and an open function that is reached again is a loop.
 */
#ifndef COUNTER_H
#define COUNTER_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FUNCTIONS = 1024, MOST_CALLS = 1024, NO_FUNCTION = -1 };

typedef struct {
    uint64_t count, loads, stores, branches;
} tally;

typedef struct {
    uint64_t address;
    int is_span;
} counted_function;

typedef struct {
    int function;
    int calls; /* how many had not returned when it was entered, its own included */
} open_function;

static struct {
    FILE *results;
    counted_function functions[MOST_FUNCTIONS];
    int function_count;
    uint64_t returns_to[MOST_CALLS];
    int calls;
    open_function open[MOST_FUNCTIONS]; /* a span, a call in it, calls in that call */
    int depth;
    uint64_t next_address; /* behind the instruction executed last */
    int was_call;
    uint64_t stack_pointer, stack_at_entry, stack_lowest;
    tally total, at_entry, at_cut;
    void (*on_span)(int begins); /* NULL, or told when a span begins and ends */
} counter;

static FILE *counter_file(const char *name, const char *mode)
{
    FILE *file = fopen(name, mode);

    if (file == NULL) {
        perror(name);
        exit(EXIT_FAILURE);
    }
    return file;
}

static void counter_open(const char *functions, const char *results)
{
    FILE *file = counter_file(functions, "r");
    char kind[8];
    uint64_t address;

    while (fscanf(file, "%7s %" SCNx64, kind, &address) == 2) {
        counted_function function = {address, strcmp(kind, "span") == 0};

        if (counter.function_count == MOST_FUNCTIONS) {
            fprintf(stderr, "%s names more than %d functions\n", functions, MOST_FUNCTIONS);
            exit(EXIT_FAILURE);
        }
        counter.functions[counter.function_count++] = function;
    }
    fclose(file);
    counter.results = counter_file(results, "w");
}

static void counter_close(void)
{
    if (fclose(counter.results) != 0) {
        perror("the counts cannot be written");
        exit(EXIT_FAILURE);
    }
}

/* The function that begins at an address. */
static int counter_find(uint64_t address)
{
    for (int i = 0; i < counter.function_count; ++i) {
        if (counter.functions[i].address == address) {
            return i;
        }
    }
    return NO_FUNCTION;
}

static void counter_write(const char *what, int function, const tally *since)
{
    const tally *now = &counter.total;

    fprintf(counter.results, "%s %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, what, function, now->count - since->count,
            now->loads - since->loads, now->stores - since->stores, now->branches - since->branches);
}

static void counter_close_function(void)
{
    const int function = counter.open[--counter.depth].function;

    if (counter.depth == 0) {
        counter_write("span", function, &counter.at_entry);
        fprintf(counter.results, " %" PRIu64 "\n", counter.stack_at_entry - counter.stack_lowest);
        if (counter.on_span != NULL) {
            counter.on_span(0);
        }
    } else if (counter.depth == 1) {
        counter_write("piece", function, &counter.at_cut);
        fprintf(counter.results, "\n");
        counter.at_cut = counter.total;
    }
}

static void counter_call(void)
{
    if (counter.calls == MOST_CALLS) {
        fprintf(stderr, "more than %d calls lie in each other\n", MOST_CALLS);
        exit(EXIT_FAILURE);
    }
    counter.returns_to[counter.calls++] = counter.next_address;
}

/* Whatever returns to an address has returned when it is reached. */
static void counter_return(uint64_t address)
{
    for (int i = counter.calls - 1; i >= 0; --i) {
        if (counter.returns_to[i] == address) {
            counter.calls = i;
            while (counter.depth > 0 && counter.open[counter.depth - 1].calls > i) {
                counter_close_function();
            }
            return;
        }
    }
}

static void counter_enter(int function)
{
    const open_function entered = {function, counter.calls};

    for (int i = 0; i < counter.depth; ++i) {
        if (counter.open[i].function == function) {
            return;
        }
    }
    if (counter.depth == 0) {
        if (!counter.functions[function].is_span) {
            return;
        }
        counter.at_entry = counter.at_cut = counter.total;
        counter.stack_at_entry = counter.stack_lowest = counter.stack_pointer;
        if (counter.on_span != NULL) {
            counter.on_span(1);
        }
    }
    counter.open[counter.depth++] = entered;
}

/* An instruction is about to execute. function: what counter_find says about its address. */
static void counter_fetch(uint64_t address, uint64_t size, int function, int is_call)
{
    const int branched = address != counter.next_address;

    counter.total.branches += (uint64_t)branched;
    if (counter.was_call) {
        counter_call();
    }
    if (branched || counter.was_call) {
        counter_return(address);
    }
    if (function != NO_FUNCTION) {
        counter_enter(function);
    }
    counter.next_address = address + size;
    counter.was_call = is_call;
}

#endif
