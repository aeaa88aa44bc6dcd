/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_product_int16_int8
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_dot_int8.h"
#include "rescomp_product_body.h"
