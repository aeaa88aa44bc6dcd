/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_requantize_rows_int16
#define OUTPUT_BYTES 2
#define STORE strh
#include "rescomp_requantize_rows_general_thumb1.h"
