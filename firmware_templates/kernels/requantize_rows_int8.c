/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_requantize_rows_int8
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_requantize_rows_body.h"
