/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_product_int16_ternary
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_product_ternary_body.h"
