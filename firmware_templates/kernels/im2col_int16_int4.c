/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_im2col_int16_int4
#define RESCOMP_ACTIVATION int16_t
#define RESCOMP_WEIGHT uint8_t
#define RESCOMP_PRODUCT rescomp_product_int16_int4
#define RESCOMP_REQUANTIZE_ROWS rescomp_requantize_rows_int16
#include "rescomp_im2col_body.h"
