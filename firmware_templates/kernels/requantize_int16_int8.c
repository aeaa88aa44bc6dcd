/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_requantize_int16_int8
#define RESCOMP_INPUT int16_t
#define RESCOMP_OUTPUT int8_t
#include "rescomp_requantize_body.h"
