/* SPDX-License-Identifier: 0BSD */
/* What the assembly of this folder needs of a compiler: said before an assembler stumbles over an instruction. */
#ifndef RESCOMP_CORE_H
#define RESCOMP_CORE_H

#if __riscv_xlen != 32
#error "rescomp: these kernels are for 32-bit RISC-V: compile with -march=rv32imc -mabi=ilp32, or use the plain C in c/"
#endif
#if !defined(__riscv_mul)
#error "rescomp: these kernels multiply: compile with an -march that has m (rv32imc), or use the plain C in c/"
#endif
#if defined(__riscv_32e) || defined(__riscv_e)
#error "rescomp: these kernels use 32 registers and RV32E has 16: use the plain C in c/"
#endif

#endif
