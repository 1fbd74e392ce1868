#ifndef WORKSPACE_H
#define WORKSPACE_H

#include "pixel_geometry.h"

/* Memory that only grows. */
struct growing {
    void *bytes;
    size_t capacity;
};

/* At least `count` bytes, or NULL; what was in it is lost when it grows. */
void *growing_need(struct growing *memory, size_t count);

/* How one side is resampled: output i is the sum over k < counts[i] of
 * weights[i * taps + k] * input[starts[i] + k], in 22-bit fixed point. */
struct resampling {
    struct growing starts_memory, counts_memory, weights_memory, exact_memory;
    int32_t *starts;
    int32_t *counts;
    int32_t *weights;
    int32_t taps;
};

struct pixel_workspace {
    struct growing images[2];
    struct growing rows;
    struct resampling across, down;
};

#endif
