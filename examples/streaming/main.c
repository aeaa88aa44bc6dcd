/* SPDX-License-Identifier: 0BSD */
/*
 * A stream: samples come one by one, the model keeps its state between them, and every sample is followed by a decision.
 *
 * sample_read and decision_print are the two places to put a sensor and a display into. Here they are a recording and a line of text,
 * through io.h: on a computer standard input and output, on an emulated core files of its host.
 * in:  uint32 samples, then for each of them MODEL_INPUT_SIZE little-endian integers
 * out: a line for each of them: its number, the decision, its score, and * where the decision is a new one. The score is the average of
 *      smoothing.c times 256; of a model with a decision of its own the newest score, 0 where there is no class
 *
 * A model with a decision of its own (model_decide) takes that one, which rescomp predicts to the bit: -1 is unknown, -2 that there is none
 * yet, and the score is the newest one. Any other model's scores are smoothed by smoothing.c. The names of model.h are those of
 * <model>_stream for a model with a policy of streams ([stream]), which may leave readings out: it then decides nothing before the next.
 */
#include "io.h"
#include "model.h"
#include "smoothing.h"

static void sample_read(model_reading *sample)
{
    io_read(sample, MODEL_INPUT_SIZE * sizeof *sample);
}

static void print_number(int32_t value, char after)
{
    char text[12];
    uint8_t start = sizeof text;
    uint32_t rest = value < 0 ? 0 - (uint32_t)value : (uint32_t)value;

    text[--start] = after;
    do {
        text[--start] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        io_write("-", 1);
    }
    io_write(text + start, (uint32_t)(sizeof text - start));
}

static void decision_print(uint32_t number, int32_t decision, int32_t score, uint8_t is_new)
{
    print_number((int32_t)number, ' ');
    print_number(decision, ' ');
    print_number(score, is_new ? ' ' : '\n');
    if (is_new) {
        io_write("*\n", 2);
    }
}

#ifdef model_decide
static int32_t decide(model_state *state, const model_score *scores, int32_t *score)
{
    const int16_t decision = model_decide(state, scores);

    *score = decision < 0 ? 0 : scores[decision];
    return decision;
}
#else
static smoothing smoothed;

static int32_t decide(model_state *state, const model_score *scores, int32_t *score)
{
    uint16_t decision;

    (void)state;
#ifdef model_has_read_nothing
    if (model_has_read_nothing(state)) {
        smoothing_init(&smoothed);
        *score = 0;
        return -2;
    }
#endif
    decision = smoothing_add(&smoothed, scores);
    *score = smoothed.average[decision];
    return decision;
}
#endif

int main(void)
{
    static model_state state;
    static model_reading sample[MODEL_INPUT_SIZE];
    static model_score scores[MODEL_CLASSES];
    uint32_t count;
    int32_t before = 0;

    io_open();
    io_read(&count, sizeof count);
    model_init(&state);
#ifndef model_decide
    smoothing_init(&smoothed);
#endif
    for (uint32_t i = 0; i < count; ++i) {
        int32_t decision, score;

        sample_read(sample);
        model_step(&state, sample);
        model_scores(&state, scores);
        decision = decide(&state, scores, &score);
        decision_print(i, decision, score, i == 0 || decision != before);
        before = decision;
    }
    io_close();
    return 0;
}
