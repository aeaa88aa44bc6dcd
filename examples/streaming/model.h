/* SPDX-License-Identifier: 0BSD */
/* The one place that names the generated model: put yours here. run.py writes this file for the model it is given. */
#ifndef MODEL_H
#define MODEL_H

#include "japanese_vowels.h"

#define MODEL_INPUT_SIZE JAPANESE_VOWELS_INPUT_SIZE
#define MODEL_CLASSES JAPANESE_VOWELS_CLASSES
#define MODEL_SCORE_FRACTION_BITS JAPANESE_VOWELS_SCORE_FRACTION_BITS

#define model_init japanese_vowels_init
#define model_step japanese_vowels_step
#define model_scores japanese_vowels_scores

typedef japanese_vowels_state model_state;
typedef int16_t model_reading; /* an entry of the input, as model_step takes it */
typedef int16_t model_score;   /* an entry of the scores, as model_scores gives it */

#endif
