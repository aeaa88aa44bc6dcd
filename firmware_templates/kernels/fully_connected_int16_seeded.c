/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_fully_connected_int16_seeded
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_fully_connected_seeded_body.h"
