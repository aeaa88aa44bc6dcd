/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define KERNEL rescomp_product_int8_int8
#define ACTIVATION_BYTES 1
#include "rescomp_product_int8_avr.h"
