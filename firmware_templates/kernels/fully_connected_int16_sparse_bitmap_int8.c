/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_fully_connected_int16_sparse_bitmap_int8
#define RESCOMP_ACTIVATION int16_t
#define RESCOMP_VALUE rescomp_sparse_int8
#include "rescomp_fully_connected_sparse_bitmap_body.h"
