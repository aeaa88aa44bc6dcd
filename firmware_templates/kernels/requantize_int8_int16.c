/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_requantize_int8_int16
#define RESCOMP_INPUT int8_t
#define RESCOMP_OUTPUT int16_t
#include "rescomp_requantize_body.h"
