/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_exponential_average_int8
#define RESCOMP_ACTIVATION int8_t
#define RESCOMP_BITS 7
#include "rescomp_exponential_average_body.h"
