/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_ACTIVATION int16_t
#define RESCOMP_KERNEL rescomp_depthwise_conv2d_int16_int8
#include "rescomp_depthwise_conv2d_body.h"
