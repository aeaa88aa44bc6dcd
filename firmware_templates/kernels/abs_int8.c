/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_abs_int8
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_abs_body.h"
