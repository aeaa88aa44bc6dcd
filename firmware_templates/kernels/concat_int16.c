/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_concat_int16
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_concat_body.h"
