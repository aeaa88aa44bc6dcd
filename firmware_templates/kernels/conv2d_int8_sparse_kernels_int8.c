/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_conv2d_int8_sparse_kernels_int8
#define RESCOMP_ACTIVATION int8_t
#define RESCOMP_VALUE_AT rescomp_sparse_int8_at
#include "rescomp_conv2d_sparse_kernels_body.h"
