/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_fully_connected_int8_ternary
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_fully_connected_ternary_body.h"
