/* SPDX-License-Identifier: 0BSD */
/* The parity firmware: answers a host that compares a model's integers, bit for bit. See docs/protocol.md. */
#ifndef PARITY_H
#define PARITY_H

#include "parity_model.h"

#include <stdint.h>

/* A buffer of the model. Several in a row are seen by the host as one, without the gaps between them. */
typedef struct {
    void *data;
    uint32_t size;
} parity_buffer;

typedef struct {
    const parity_buffer *buffers;
    uint8_t count;
    uint32_t size; /* of all together */
} parity_region;

/* What parity_model.c, generated beside the model, gives to parity.c. */
extern const RESCOMP_FLASH uint8_t parity_hello[PARITY_HELLO_BYTES];
extern const parity_region parity_input, parity_state, parity_scores;
extern const uint16_t parity_step_layers; /* the first layers belong to front-end and step, the others to what gives the scores */
#if PARITY_PUSHED > 0
extern const parity_region parity_features, parity_frame; /* of an input, and a frame of samples */
extern const uint16_t parity_frontend_layers;
#endif

void parity_model_reset(void);
void parity_model_step(void);   /* takes the input; for a recurrent model */
void parity_model_scores(void); /* gives the scores; takes the input too where the model has no state */

#if PARITY_PUSHED > 0
/* Takes samples up to the next step, or to the next scores of a model without state, and returns how many of them. */
uint32_t parity_model_push(const int16_t *samples, uint32_t count, uint8_t *stepped);
void parity_model_frontend(void); /* takes the frame */
#endif

#if PARITY_ALIGNED
extern const parity_region parity_calibration; /* its sums and readings, and what calibrate returned last */
void parity_model_set_alignment(const int16_t *rotation);
void parity_model_add_calibration(uint16_t samples); /* takes the input, or so many samples of the frame */
void parity_model_calibrate(void);
#endif

/* Called by the model after each layer. */
void parity_tap(uint16_t layer, const void *data, uint32_t size);

/* Answers requests until the line is closed. */
void parity_serve(void);

#endif
