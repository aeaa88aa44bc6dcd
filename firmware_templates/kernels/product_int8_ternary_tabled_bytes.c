/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_product_int8_ternary_tabled_bytes
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_product_ternary_tabled_bytes_body.h"
