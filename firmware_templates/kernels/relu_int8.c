/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_relu_int8
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_relu_body.h"
