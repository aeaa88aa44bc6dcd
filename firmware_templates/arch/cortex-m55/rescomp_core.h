/* SPDX-License-Identifier: 0BSD */
/* What the assembly of this folder needs of a compiler: said before an assembler stumbles over an instruction. */
#ifndef RESCOMP_CORE_H
#define RESCOMP_CORE_H

#if !defined(__ARM_FEATURE_MVE) || !defined(__ARM_FEATURE_DSP)
#error "rescomp: these kernels need vector instructions: compile with -mcpu=cortex-m55 -mthumb -mfloat-abi=hard, or export for cortex-m33"
#endif
#if defined(__ARM_BIG_ENDIAN)
#error "rescomp: these kernels read several weights in one word and are for little-endian cores: use the plain C in c/"
#endif

#endif
