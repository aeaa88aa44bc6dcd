/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_ACTIVATION int8_t
#define RESCOMP_KERNEL rescomp_shift_in_int8
#include "rescomp_shift_in_body.h"
