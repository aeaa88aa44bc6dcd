/* As much of it as the examples use. */
#pragma once
#include <stdint.h>
#define CLAMP(value, low, high) ((value) < (low) ? (low) : (value) > (high) ? (high) : (value))
int64_t k_uptime_get(void);
int32_t k_msleep(int32_t milliseconds);
