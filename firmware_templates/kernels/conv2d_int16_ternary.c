/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_conv2d_int16_ternary
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_conv2d_ternary_body.h"
