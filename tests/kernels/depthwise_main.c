/*
 * Calls the depthwise convolutions on the test cases that it reads, and answers each with a word of what went wrong (0: nothing) and the
 * output. What buffers and parameters are stands in test_depthwise.py.
 */
#include "rescomp_kernels.h"

enum { ARENA_BYTES = 4096 };
enum { INPUT, WEIGHT, BIAS, MULTIPLIER, SHIFT, INPUTS, OUTPUT = INPUTS, BUFFERS };

typedef struct {
    uint16_t kernel;
    uint16_t bytes[BUFFERS], offsets[BUFFERS];
    uint16_t input[3], output[3], window[6]; /* height, width, channels; the kernel's, stride's and padding's y and x */
    uint16_t steps[2];                       /* of multipliers and shifts */
    int16_t low, high;
} test_case;

#include "guarded_cases.h"

/* Empty ones are NULL. */
#define BUFFER(type, index) (of->bytes[index] ? (type *)(void *)buffers[index] : NULL)

static void call(const test_case *of)
{
    const rescomp_conv2d_shape shape = rescomp_conv2d_shape_of(rescomp_size_of(of->input[0], of->input[1], of->input[2]),
                                                               rescomp_size_of(of->output[0], of->output[1], of->output[2]),
                                                               rescomp_pair_of(of->window[0], of->window[1]),
                                                               rescomp_pair_of(of->window[2], of->window[3]),
                                                               rescomp_pair_of(of->window[4], of->window[5]));
    const rescomp_requantization by = rescomp_requantize_by(BUFFER(int32_t, BIAS), BUFFER(int16_t, MULTIPLIER), (uint8_t)of->steps[0],
                                                            BUFFER(int8_t, SHIFT), (uint8_t)of->steps[1], of->low, of->high);

    if (of->kernel == 0) {
        CHECKED(rescomp_depthwise_conv2d_int8_int8)
        (BUFFER(int8_t, INPUT), BUFFER(int8_t, OUTPUT), shape, BUFFER(int8_t, WEIGHT), by);
    } else {
        CHECKED(rescomp_depthwise_conv2d_int16_int8)
        (BUFFER(int16_t, INPUT), BUFFER(int16_t, OUTPUT), shape, BUFFER(int8_t, WEIGHT), by);
    }
}
