/* SPDX-License-Identifier: 0BSD */
/* The registers that keep their roles in the updates of a FastGRNN cell on RV32IMC; t0..t6 are free, and s0..s2 of each update's own. */
#define projected a0
#define recurrent a1
#define state a2
#define output a3
#define left a4 /* entries that are still to come */
#define gate_bias a5
#define candidate_bias a6
#define cell a7 /* zeta, nu, fraction_bits, low, high */
#define opened s3 /* (zeta + nu) * 2^15 + 2^(shift - 1): the gate where z is 0, before its shift */
#define zeta s4
#define shift s5
#define constant s6 /* 2^14 + limit * 2^15, limit being the smaller one of high and -low: results get it added, so that */
#define span s7     /* 2 * limit is the largest one that needs no clamp, and 0 the smallest */
#define limit s8
