/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_requantize_rows_int8
#define OUTPUT_BYTES 1
#define STORE strb
#include "rescomp_requantize_rows_general_thumb1.h"
