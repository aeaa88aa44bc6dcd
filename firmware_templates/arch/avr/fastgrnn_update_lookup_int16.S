/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define KERNEL rescomp_fastgrnn_update_lookup_int16
#define LOOKUP 1
#include "rescomp_fastgrnn_update_avr.h"
