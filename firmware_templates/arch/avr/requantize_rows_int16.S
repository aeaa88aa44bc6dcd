/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define KERNEL rescomp_requantize_rows_int16
#define INPUT_BYTES 4
#define OUTPUT_BYTES 2
#include "rescomp_requantize_avr.h"
