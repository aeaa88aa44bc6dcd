/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define KERNEL rescomp_product_int16_ternary_tabled_bytes
#define ACTIVATION_BYTES 2
#include "rescomp_product_ternary_tabled_bytes_avr.h"
