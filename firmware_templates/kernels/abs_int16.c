/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_abs_int16
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_abs_body.h"
