/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_depthwise_conv2d_int16_int8
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_depthwise_conv2d_body.h"
