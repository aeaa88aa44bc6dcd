/* SPDX-License-Identifier: 0BSD */
#include "parity.h"

#include "crc.h"
#include "frame.h"
#include "uart.h"

#include <string.h>

/* A body: session (2 bytes), sequence number (2), command (1), and for an answer the status (1); then arguments or results. */
enum { SESSION = 0, NUMBER = 2, COMMAND = 4, ARGUMENTS = 5, STATUS = 5, RESULTS = 6 };
enum { ANSWER = 0x80, DIGEST_BYTES = 4 };
enum { HELLO = 1, RESET, WRITE, STEP, SCORES, RUN, READ, LAYER, CYCLES, DIGEST, PUSH, ALIGN };
enum { OK, DAMAGED, NO_SESSION, OUT_OF_ORDER, UNKNOWN_COMMAND, BAD_ARGUMENTS };
enum { AT_INPUT, AT_STATE, AT_SCORES, AT_FEATURES, AT_FRAME, AT_CALIBRATION };
enum { SET_ALIGNMENT, ADD_CALIBRATION, CALIBRATE };
#define NO_LAYER UINT16_C(0xffff)

static uint8_t request[PARITY_FRAME_BYTES + FRAME_CRC_BYTES];
static uint8_t answer[PARITY_FRAME_BYTES + FRAME_CRC_BYTES]; /* kept until the next request: the host may ask for it again */
static uint16_t answer_length;
static uint8_t in_session;
static uint16_t session, number;                   /* of the last request that was carried out */
static uint32_t digest, digest_count;              /* digest_count: bytes in the digest */
static uint32_t step_cycles, score_cycles;         /* of the last calls */
static struct {
    uint32_t offset;
    uint16_t layer, length, found; /* found: bytes copied to the answer */
} watched;

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | (uint16_t)bytes[1] << 8);
}

static uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | (uint32_t)get16(bytes + 2) << 16;
}

static void append(const void *data, uint16_t size)
{
    memcpy(answer + answer_length, data, size);
    answer_length = (uint16_t)(answer_length + size);
}

static void append32(uint32_t value)
{
    for (uint8_t i = 0; i < 4; ++i) {
        answer[answer_length++] = (uint8_t)(value >> 8 * i);
    }
}

/* Copies `size` bytes that begin at `offset` of a region into `bytes`, or out of them when `into` is set. */
static void copy(const parity_region *region, uint32_t offset, uint8_t *bytes, uint16_t size, uint8_t into)
{
    for (uint8_t i = 0; i < region->count && size > 0; ++i) {
        const parity_buffer *const buffer = &region->buffers[i];

        if (offset >= buffer->size) {
            offset -= buffer->size;
        } else {
            const uint32_t rest = buffer->size - offset;
            const uint16_t part = rest < size ? (uint16_t)rest : size;
            uint8_t *const place = (uint8_t *)buffer->data + offset;

            memcpy(into ? place : bytes, into ? bytes : place, part);
            bytes += part;
            size = (uint16_t)(size - part);
            offset = 0;
        }
    }
}

/* Results enter the digest; with `told`, they are also appended to the answer. */
static void give(const parity_region *region, uint8_t told)
{
    for (uint8_t i = 0; i < region->count; ++i) {
        const uint8_t *const data = region->buffers[i].data;
        const uint32_t size = region->buffers[i].size;

        for (uint32_t j = 0; j < size; ++j) {
            digest = crc_add(digest, data[j], CRC_CASTAGNOLI);
        }
        if (told) {
            append(data, (uint16_t)size);
        }
    }
    digest_count += region->size;
}

static void compute_step(void)
{
    const uint32_t before = cycles_now();

    parity_model_step();
    step_cycles = (cycles_now() - before) & PARITY_CYCLE_MASK;
}

static void compute_scores(void)
{
    const uint32_t before = cycles_now();

    parity_model_scores();
    score_cycles = (cycles_now() - before) & PARITY_CYCLE_MASK;
}

/* Whether so many bytes of results can be told, if they are to be told at all. */
static uint8_t fits(uint32_t results, uint8_t told)
{
    return !told || results <= PARITY_FRAME_BYTES - RESULTS - DIGEST_BYTES;
}

static uint8_t reset(void)
{
    parity_model_reset();
    return OK;
}

/* The input of some steps; without any, one step on what was written before. */
static uint8_t step(uint8_t *input, uint16_t length, uint8_t told)
{
    const uint32_t size = parity_input.size;
    uint32_t steps = 1;

    if (!PARITY_RECURRENT) {
        return UNKNOWN_COMMAND;
    }
    if (length != 0) {
        steps = length / size;
    }
    if (length % size != 0 || !fits(steps * parity_state.size, told)) {
        return BAD_ARGUMENTS;
    }
    for (; steps > 0; --steps) {
        if (length != 0) {
            copy(&parity_input, 0, input, (uint16_t)size, 1);
            input += size;
        }
        compute_step();
        give(&parity_state, told);
    }
    return OK;
}

static uint8_t scores(uint16_t length, uint8_t told)
{
    if (length != 0 || !fits(parity_scores.size, told)) {
        return BAD_ARGUMENTS;
    }
    compute_scores();
    give(&parity_scores, told);
    return OK;
}

/* A whole sequence; or, where the model has no state, a sample: in the request, or written before. */
static uint8_t run(uint8_t *input, uint16_t length, uint8_t told)
{
    if (PARITY_RECURRENT) {
        const uint32_t size = parity_input.size, steps = length / size;

        if (length % size != 0 || !fits(steps * parity_state.size + parity_scores.size, told)) {
            return BAD_ARGUMENTS;
        }
        parity_model_reset();
        if (steps != 0) {
            step(input, length, told);
        }
    } else if (length != 0) {
        if (length != parity_input.size || !fits(parity_scores.size, told)) {
            return BAD_ARGUMENTS;
        }
        copy(&parity_input, 0, input, length, 1);
    }
    return scores(0, told);
}

#if PARITY_PUSHED > 0
/* Samples as a sensor gives them. The results of each step are its features and the state; without state, the features and the scores. */
static uint8_t push(const uint8_t *bytes, uint16_t length, uint8_t told)
{
    static int16_t samples[PARITY_PUSHED * PARITY_SAMPLE_BYTES / 2];
    const parity_region *const after = PARITY_RECURRENT ? &parity_state : &parity_scores;

    if (length % PARITY_SAMPLE_BYTES != 0) {
        return BAD_ARGUMENTS;
    }
    while (length > 0) {
        const uint16_t left = length / PARITY_SAMPLE_BYTES, part = left < PARITY_PUSHED ? left : PARITY_PUSHED;
        uint32_t taken = 0;

        memcpy(samples, bytes, part * PARITY_SAMPLE_BYTES);
        while (taken < part) {
            const uint32_t before = cycles_now();
            uint8_t stepped;

            taken += parity_model_push(samples + taken * (PARITY_SAMPLE_BYTES / 2), part - taken, &stepped);
            if (stepped) {
                step_cycles = (cycles_now() - before) & PARITY_CYCLE_MASK;
                if (told && answer_length + parity_features.size + after->size > PARITY_FRAME_BYTES - DIGEST_BYTES) {
                    return BAD_ARGUMENTS;
                }
                give(&parity_features, told);
                give(after, told);
            }
        }
        bytes += part * PARITY_SAMPLE_BYTES;
        length = (uint16_t)(length - part * PARITY_SAMPLE_BYTES);
    }
    return OK;
}
#endif

#if PARITY_ALIGNED
/* What is called, how often (2), how many samples (2), then a rotation, an input or samples; without any, what was written before.
   The results are the state and the calibration, and with it what calibrate returned last. */
static uint8_t align(uint8_t *arguments, uint16_t length, uint8_t told)
{
#if PARITY_PUSHED > 0
    const parity_region *const read = &parity_frame;
#else
    const parity_region *const read = &parity_input;
#endif
    int16_t rotation[9];
    uint16_t often, samples, given;

    if (length < 5) {
        return BAD_ARGUMENTS;
    }
    often = get16(arguments + 1);
    samples = get16(arguments + 3);
    given = (uint16_t)(length - 5);
    if (samples * (uint32_t)PARITY_SAMPLE_BYTES > read->size || !fits(parity_state.size + parity_calibration.size, told)) {
        return BAD_ARGUMENTS;
    }
    if (arguments[0] == SET_ALIGNMENT) {
        if (given != sizeof rotation) {
            return BAD_ARGUMENTS;
        }
        memcpy(rotation, arguments + 5, sizeof rotation);
        parity_model_set_alignment(rotation);
    } else if (arguments[0] == ADD_CALIBRATION) {
        if (given > read->size) {
            return BAD_ARGUMENTS;
        }
        copy(read, 0, arguments + 5, given, 1);
        for (; often > 0; --often) {
            parity_model_add_calibration(samples);
        }
    } else {
        parity_model_calibrate();
    }
    give(&parity_state, told);
    give(&parity_calibration, told);
    return OK;
}
#endif

static const parity_region *find_region(uint8_t place)
{
    switch (place) {
    case AT_INPUT:
        return &parity_input;
    case AT_STATE:
        return &parity_state;
    case AT_SCORES:
        return &parity_scores;
#if PARITY_PUSHED > 0
    case AT_FEATURES:
        return &parity_features;
    case AT_FRAME:
        return &parity_frame;
#endif
#if PARITY_ALIGNED
    case AT_CALIBRATION:
        return &parity_calibration;
#endif
    default:
        return NULL;
    }
}

/* place (1 byte), offset (4), then what to write there, or (read) the length (2). */
static uint8_t transfer(uint8_t *arguments, uint16_t length, uint8_t into)
{
    const parity_region *const region = length < 5 ? NULL : find_region(arguments[0]);
    uint32_t offset;
    uint16_t size;

    if (region == NULL || (!into && length != 7)) {
        return BAD_ARGUMENTS;
    }
    offset = get32(arguments + 1);
    size = into ? (uint16_t)(length - 5) : get16(arguments + 5);
    if (offset > region->size || size > region->size - offset || (!into && size > PARITY_FRAME_BYTES - RESULTS)) {
        return BAD_ARGUMENTS;
    }
    copy(region, offset, into ? arguments + 5 : answer + RESULTS, size, into);
    answer_length = (uint16_t)(answer_length + (into ? 0 : size));
    return OK;
}

/* layer (2 bytes), offset (4), length (2): runs the function that the layer belongs to, and gives that part of its output.
   Nothing of it enters the digest. */
static uint8_t layer(const uint8_t *arguments, uint16_t length)
{
    if (length != 8 || get16(arguments) >= PARITY_LAYERS || get16(arguments + 6) > PARITY_FRAME_BYTES - RESULTS) {
        return BAD_ARGUMENTS;
    }
    watched.layer = get16(arguments);
    watched.offset = get32(arguments + 2);
    watched.length = get16(arguments + 6);
    watched.found = 0;
#if PARITY_PUSHED > 0
    if (watched.layer < parity_frontend_layers) {
        parity_model_frontend();
    } else
#endif
    if (watched.layer < parity_step_layers) {
        compute_step();
    } else {
        compute_scores();
    }
    watched.layer = NO_LAYER;
    answer_length = (uint16_t)(answer_length + watched.found);
    return watched.found == watched.length ? OK : BAD_ARGUMENTS;
}

void parity_tap(uint16_t layer_number, const void *data, uint32_t size)
{
    if (layer_number == watched.layer && watched.offset <= size && watched.length <= size - watched.offset) {
        memcpy(answer + RESULTS, (const uint8_t *)data + watched.offset, watched.length);
        watched.found = watched.length;
    }
}

static uint8_t hello(void)
{
    digest = CRC_START;
    digest_count = 0;
    parity_model_reset();
    for (uint8_t i = 0; i < PARITY_HELLO_BYTES; ++i) {
        answer[answer_length++] = parity_hello[i];
    }
    return OK;
}

/* told (1 byte), then the input, if there is any. With `told`, the results stand before the digest in the answer. */
static uint8_t compute(uint8_t command, uint8_t *arguments, uint16_t length)
{
    uint8_t status;

    if (length == 0) {
        return BAD_ARGUMENTS;
    }
    if (command == STEP) {
        status = step(arguments + 1, (uint16_t)(length - 1), arguments[0]);
    } else if (command == RUN) {
        status = run(arguments + 1, (uint16_t)(length - 1), arguments[0]);
#if PARITY_PUSHED > 0
    } else if (command == PUSH) {
        status = push(arguments + 1, (uint16_t)(length - 1), arguments[0]);
#endif
#if PARITY_ALIGNED
    } else if (command == ALIGN) {
        status = align(arguments + 1, (uint16_t)(length - 1), arguments[0]);
#endif
    } else {
        status = PARITY_RECURRENT ? scores((uint16_t)(length - 1), arguments[0]) : UNKNOWN_COMMAND;
    }
    if (status == OK) {
        append32(~digest);
    }
    return status;
}

/* Carries a request out; appends its results to the answer and returns the status. */
static uint8_t carry_out(uint8_t command, uint8_t *arguments, uint16_t length)
{
    switch (command) {
    case HELLO:
        return hello();
    case RESET:
        return reset();
    case WRITE:
        return transfer(arguments, length, 1);
    case READ:
        return transfer(arguments, length, 0);
    case LAYER:
        return layer(arguments, length);
    case STEP:
    case SCORES:
    case RUN:
#if PARITY_PUSHED > 0
    case PUSH:
#endif
#if PARITY_ALIGNED
    case ALIGN:
#endif
        return compute(command, arguments, length);
    case CYCLES:
        append32(step_cycles);
        append32(score_cycles);
        return OK;
    case DIGEST:
        append32(digest_count);
        append32(~digest);
        return OK;
    default:
        return UNKNOWN_COMMAND;
    }
}

/* An answer that is not kept: nothing was carried out. It tells the session and number of the last request that was. */
static void refuse(const uint8_t *to, uint8_t status)
{
    uint8_t body[RESULTS + 4 + FRAME_CRC_BYTES];

    memcpy(body, to, ARGUMENTS);
    body[COMMAND] |= ANSWER;
    body[STATUS] = status;
    body[RESULTS] = (uint8_t)session;
    body[RESULTS + 1] = (uint8_t)(session >> 8);
    body[RESULTS + 2] = (uint8_t)number;
    body[RESULTS + 3] = (uint8_t)(number >> 8);
    frame_send(body, RESULTS + 4);
}

static void serve(uint16_t length)
{
    const uint16_t their_session = get16(request + SESSION), their_number = get16(request + NUMBER);
    const uint8_t same = in_session && their_session == session;

    if (!same && request[COMMAND] != HELLO) {
        refuse(request, NO_SESSION);
    } else if (same && their_number == number) {
        frame_send(answer, answer_length);
    } else if (same && their_number != (uint16_t)(number + 1)) {
        refuse(request, OUT_OF_ORDER);
    } else {
        in_session = 1;
        session = their_session;
        number = their_number;
        memcpy(answer, request, ARGUMENTS);
        answer[COMMAND] |= ANSWER;
        answer_length = RESULTS;
        answer[STATUS] = carry_out(request[COMMAND], request + ARGUMENTS, (uint16_t)(length - ARGUMENTS));
        if (answer[STATUS] != OK) {
            answer_length = RESULTS;
        }
        frame_send(answer, answer_length);
    }
}

void parity_serve(void)
{
    static const uint8_t nobody[ARGUMENTS];

    watched.layer = NO_LAYER;
    for (;;) {
        const int32_t length = frame_receive(request, PARITY_FRAME_BYTES);

        if (length == FRAME_CLOSED) {
            return;
        }
        if (length < ARGUMENTS) {
            refuse(nobody, DAMAGED);
        } else {
            serve((uint16_t)length);
        }
    }
}
