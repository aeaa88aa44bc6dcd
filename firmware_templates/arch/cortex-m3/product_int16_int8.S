/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int16_int8
#define INPUT_BYTES 2
#define LOAD_INPUT ldrsh
#include "rescomp_product_int8_thumb2.h"
