/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_im2col_int8_int8
#define RESCOMP_ACTIVATION int8_t
#define RESCOMP_WEIGHT int8_t
#define RESCOMP_PRODUCT rescomp_product_int8_int8
#define RESCOMP_REQUANTIZE_ROWS rescomp_requantize_rows_int8
#include "rescomp_im2col_body.h"
