/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_fully_connected_int8_sparse_rows_int4
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_dot_int4.h"
#include "rescomp_fully_connected_sparse_rows_body.h"
