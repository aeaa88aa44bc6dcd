/* SPDX-License-Identifier: 0BSD */
/* What the assembly of this folder needs of a compiler: said before an assembler stumbles over an instruction. */
#ifndef RESCOMP_CORE_H
#define RESCOMP_CORE_H

#if !defined(__thumb__) || !defined(__ARM_FEATURE_DSP)
#error "rescomp: these kernels need the DSP extension: compile with -mcpu=cortex-m4, -m7 or -m33 and -mthumb, or export for cortex-m3"
#endif
#if defined(__ARM_BIG_ENDIAN)
#error "rescomp: these kernels read several weights in one word and are for little-endian cores: use the plain C in c/"
#endif

#endif
