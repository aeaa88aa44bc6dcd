/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_depthwise_conv2d_int8_int8
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_depthwise_conv2d_body.h"
