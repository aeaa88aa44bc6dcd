/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_fully_connected_int8_seeded
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_fully_connected_seeded_body.h"
