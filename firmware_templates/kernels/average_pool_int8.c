/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_average_pool_int8
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_average_pool_body.h"
