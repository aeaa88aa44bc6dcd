/*
 * CHECKED(function): the function, called so that registers_changed tells whether it spoils one that is the caller's. Where no
 * checked_call.S is built, it is the function itself.
 */
#ifndef CHECKED_CALL_H
#define CHECKED_CALL_H

#include <stdint.h>

#if defined(__thumb__) || defined(__riscv)
/* checked_call.S: calls checked_function with the arguments that it is given itself. */
void checked_call(void);
extern void (*checked_function)(void);
extern uint32_t registers_changed;
#define CHECKED(function) (checked_function = (void (*)(void))(function), (__typeof__(&(function)))checked_call)
#else
static uint32_t registers_changed;
#define CHECKED(function) (&(function))
#endif

#endif
