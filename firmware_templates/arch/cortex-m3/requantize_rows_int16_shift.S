/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_requantize_rows_int16_shift
#define BITS 16
#include "rescomp_requantize_rows_shift_thumb2.h"
