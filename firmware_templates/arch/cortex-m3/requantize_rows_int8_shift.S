/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_requantize_rows_int8_shift
#define BITS 8
#include "rescomp_requantize_rows_shift_thumb2.h"
