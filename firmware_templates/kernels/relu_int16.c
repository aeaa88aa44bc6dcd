/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_relu_int16
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_relu_body.h"
