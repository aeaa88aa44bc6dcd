/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_requantize_rows_int8_shift
#define BYTES 1
#include "rescomp_requantize_rows_shift_rv32.h"
