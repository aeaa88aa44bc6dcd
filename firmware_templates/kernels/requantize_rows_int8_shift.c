/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_requantize_rows_int8_shift
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_requantize_rows_shift_body.h"
