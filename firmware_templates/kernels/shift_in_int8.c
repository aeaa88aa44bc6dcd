/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_shift_in_int8
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_shift_in_body.h"
