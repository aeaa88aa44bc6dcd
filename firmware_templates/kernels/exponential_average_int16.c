/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_exponential_average_int16
#define RESCOMP_ACTIVATION int16_t
#define RESCOMP_BITS 15
#include "rescomp_exponential_average_body.h"
