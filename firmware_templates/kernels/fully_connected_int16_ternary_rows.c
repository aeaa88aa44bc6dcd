/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_fully_connected_int16_ternary_rows
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_fully_connected_ternary_rows_body.h"
