/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define KERNEL rescomp_requantize_int8_int16
#define INPUT_BYTES 1
#define OUTPUT_BYTES 2
#include "rescomp_requantize_avr.h"
