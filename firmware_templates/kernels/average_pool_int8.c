/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_ACTIVATION int8_t
#define RESCOMP_KERNEL rescomp_average_pool_int8
#include "rescomp_average_pool_body.h"
