/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define KERNEL rescomp_fastgrnn_update_piecewise_linear_int16
#define LOOKUP 0
#include "rescomp_fastgrnn_update_avr.h"
