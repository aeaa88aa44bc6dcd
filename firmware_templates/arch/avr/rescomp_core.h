/* SPDX-License-Identifier: 0BSD */
/* What the assembly of this folder needs of a compiler: said before an assembler stumbles over an instruction. */
#ifndef RESCOMP_CORE_H
#define RESCOMP_CORE_H

#if !defined(__AVR_HAVE_MUL__) || !defined(__AVR_HAVE_MOVW__)
#error "rescomp: these kernels need MUL and MOVW, as an ATmega has them: compile with its -mmcu, or use the plain C in c/"
#endif

#endif
