/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int8_int8
#define INPUT_BYTES 1
#define LOAD_INPUT ldrsb
#include "rescomp_product_int8_thumb2.h"
