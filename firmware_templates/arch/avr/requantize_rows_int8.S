/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define KERNEL rescomp_requantize_rows_int8
#define INPUT_BYTES 4
#define OUTPUT_BYTES 1
#include "rescomp_requantize_avr.h"
