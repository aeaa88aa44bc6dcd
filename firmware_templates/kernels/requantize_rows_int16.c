/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_requantize_rows_int16
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_requantize_rows_body.h"
