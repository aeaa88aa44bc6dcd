/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_max_pool_int16
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_max_pool_body.h"
