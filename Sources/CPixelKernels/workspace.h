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
 * weights[i * stride + k] * input[starts[i] + k], in 22-bit fixed point. Weights beyond the count are 0 up
 * to the stride, a multiple of 8. */
struct resampling {
    struct growing starts_memory, counts_memory, weights_memory, exact_memory, parts_memory;
    int32_t *starts;
    int32_t *counts;
    int32_t *weights;
    int32_t stride;
    /* The weights cut into small integers, for the vector kernels: PARTS numbers for each four taps. */
    uint32_t *parts;
};

enum { PARTS = 4, PRECISION = 22 };

/* Passes over RGB bytes. A row pass makes `count` rows of `width` pixels, a column pass `height` rows of
 * `length` bytes; `in` of a column pass begins at input row `first`. */
struct row_pass {
    const uint8_t *in;
    size_t in_stride;
    uint8_t *out;
    int32_t width, count;
    const struct resampling *plan;
};

struct column_pass {
    const uint8_t *in;
    size_t in_stride, length;
    uint8_t *out;
    int32_t first, height;
    const struct resampling *plan;
};

#if defined(__x86_64__)
/* The parts of the weights for each kernel, then its passes: resample_avx2.c and resample_avx512.c. */
void cut_weights_avx2(struct resampling *plan, int32_t outputs);
void resample_rows_avx2(const struct row_pass *pass);
void resample_columns_avx2(const struct column_pass *pass);
void cut_weights_avx512(struct resampling *plan, int32_t outputs);
void resample_rows_avx512(const struct row_pass *pass);
void resample_columns_avx512(const struct column_pass *pass);
#endif

struct pixel_workspace {
    struct growing images[3];
    struct growing rows;
    struct resampling across, down;
};

#endif
