/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_fully_connected_int16_sparse_delta_int4
#define RESCOMP_ACTIVATION int16_t
#define RESCOMP_VALUE rescomp_sparse_int4
#include "rescomp_fully_connected_sparse_delta_body.h"
