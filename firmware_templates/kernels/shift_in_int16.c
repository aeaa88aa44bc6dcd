/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_shift_in_int16
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_shift_in_body.h"
