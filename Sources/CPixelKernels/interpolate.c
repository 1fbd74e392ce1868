#include "pixel_tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pixel_level.h"
#include "tensor.h"

/* PyTorch's bicubic interpolation, to the last bit of what its CPU kernel computes on processors with fused
 * multiply-add (its AVX2 and AVX-512 builds; found with PyTorch 2.13 by comparing the responses to single
 * ones). Which products are fused with the sum behind them is the compiler's choice there and written out
 * here; nothing else may be fused. */

#pragma STDC FP_CONTRACT OFF

/* The two pieces of the cubic convolution kernel with a = -0.75 (Keys, IEEE ASSP 29(6), 1981). */
static float near_piece(float x) {
    const float a = -0.75f;
    return fmaf(a + 2, x, -(a + 3)) * x * x + 1;
}

static float far_piece(float x) {
    const float a = -0.75f;
    return fmaf(fmaf(a, x, -5 * a), x, 8 * a) * x - 4 * a;
}

/* Along one side: tap k of result i reads from[k][i] and weighs weights[k][i]. */
struct taps {
    int32_t *from[4];
    float *weights[4];
};

struct pixel_interpolation {
    int32_t height, width, out_height, out_width;
    struct taps rows, columns;
    /* What all of the pointers above point into. */
    void *memory;
};

static void prepare_taps(struct taps *taps, int32_t in_size, int32_t out_size) {
    float scale = (float)in_size / (float)out_size;
    for (int32_t place = 0; place < out_size; place++) {
        float at = fmaf(scale, (float)place + 0.5f, -0.5f);
        int32_t base = (int32_t)floorf(at);
        if (base > in_size - 1) base = in_size - 1;
        float distance = fminf(fmaxf(at - (float)base, 0), 1);
        for (int k = 0; k < 4; k++) {
            int32_t from = base - 1 + k;
            taps->from[k][place] = from < 0 ? 0 : from > in_size - 1 ? in_size - 1 : from;
        }
        taps->weights[0][place] = far_piece(distance + 1.0f);
        taps->weights[1][place] = near_piece(distance);
        taps->weights[2][place] = near_piece(1.0f - distance);
        taps->weights[3][place] = far_piece(1.0f - distance + 1.0f);
    }
}

struct pixel_interpolation *pixel_interpolation_create(
    int32_t height, int32_t width, int32_t out_height, int32_t out_width) {
    size_t values = ((size_t)out_height + (size_t)out_width) * 4;
    struct pixel_interpolation *plan = malloc(sizeof *plan);
    char *memory = malloc(values * (sizeof(int32_t) + sizeof(float)));
    if (!plan || !memory) {
        free(plan);
        free(memory);
        return NULL;
    }
    *plan = (struct pixel_interpolation){height, width, out_height, out_width, .memory = memory};
    int32_t *from = (int32_t *)memory;
    float *weights = (float *)(memory + values * sizeof *from);
    for (int k = 0; k < 4; k++, from += out_height, weights += out_height) {
        plan->rows.from[k] = from;
        plan->rows.weights[k] = weights;
    }
    for (int k = 0; k < 4; k++, from += out_width, weights += out_width) {
        plan->columns.from[k] = from;
        plan->columns.weights[k] = weights;
    }
    prepare_taps(&plan->rows, height, out_height);
    prepare_taps(&plan->columns, width, out_width);
    return plan;
}

void pixel_interpolation_free(struct pixel_interpolation *plan) {
    if (!plan) return;
    free(plan->memory);
    free(plan);
}

/* One row of scaled input, four rows of it interpolated across, and one row of results; each row has three
 * planes. */
size_t pixel_interpolation_scratch(const struct pixel_interpolation *plan) {
    return 3 * (size_t)plan->width + 5 * 3 * (size_t)plan->out_width;
}

/* The sum of four products, in the order and with the fusing that both directions have. */
#define WEIGHED(a, u, b, v, c, w, d, x) fmaf(d, x, fmaf(c, w, fmaf(a, u, (b) * (v))))
#define EVERYWHERE static inline __attribute__((always_inline))

EVERYWHERE void interpolate_across(
    const float *restrict in, const struct pixel_interpolation *plan, float *restrict out) {
    const struct taps *taps = &plan->columns;
    size_t count = (size_t)plan->out_width;
    for (int channel = 0; channel < 3; channel++, in += plan->width, out += count) {
        for (size_t x = 0; x < count; x++) {
            out[x] = WEIGHED(
                in[taps->from[0][x]], taps->weights[0][x], in[taps->from[1][x]], taps->weights[1][x],
                in[taps->from[2][x]], taps->weights[2][x], in[taps->from[3][x]], taps->weights[3][x]);
        }
    }
}

EVERYWHERE void interpolate_down(
    const float *const rows[4], const float weights[4], size_t count, float *restrict out) {
    const float *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
    float u = weights[0], v = weights[1], w = weights[2], x = weights[3];
    for (size_t index = 0; index < count; index++) {
        out[index] = WEIGHED(a[index], u, b[index], v, c[index], w, d[index], x);
    }
}

EVERYWHERE void interpolate(
    const uint8_t *pixels, const struct pixel_scaling *scaling, const struct pixel_interpolation *plan,
    enum pixel_format format, float *scratch, void *out) {
    size_t width = (size_t)plan->width, across = (size_t)plan->out_width;
    float *line = scratch, *ring = line + 3 * width, *result = ring + 4 * 3 * across;
    /* Which input row each quarter of the ring holds. */
    int32_t held[4] = {-1, -1, -1, -1};
    size_t value = format == PIXEL_FLOAT32 ? 4 : 2;
    for (int32_t y = 0; y < plan->out_height; y++) {
        const float *rows[4];
        float weights[4];
        for (int k = 0; k < 4; k++) {
            int32_t row = plan->rows.from[k][y];
            float *slot = ring + (size_t)(row % 4) * 3 * across;
            if (held[row % 4] != row) {
                pixel_planes(pixels + (size_t)row * width * 3, width, scaling, PIXEL_FLOAT32, line);
                interpolate_across(line, plan, slot);
                held[row % 4] = row;
            }
            rows[k] = slot;
            weights[k] = plan->rows.weights[k][y];
        }
        interpolate_down(rows, weights, 3 * across, result);
        for (size_t channel = 0; channel < 3; channel++) {
            size_t place = (channel * (size_t)plan->out_height + (size_t)y) * across;
            tensor_store(result + channel * across, across, format, (char *)out + place * value);
        }
    }
}

#if defined(__x86_64__)
static __attribute__((target("avx2,fma"))) void interpolate_avx2(
    const uint8_t *pixels, const struct pixel_scaling *scaling, const struct pixel_interpolation *plan,
    enum pixel_format format, float *scratch, void *out) {
    interpolate(pixels, scaling, plan, format, scratch, out);
}
#endif

void pixel_planes_interpolated(
    const uint8_t *pixels, const struct pixel_scaling *scaling, const struct pixel_interpolation *plan,
    enum pixel_format format, float *scratch, void *out) {
#if defined(__x86_64__)
    if (pixel_level() > PIXEL_PLAIN) {
        interpolate_avx2(pixels, scaling, plan, format, scratch, out);
        return;
    }
#endif
    interpolate(pixels, scaling, plan, format, scratch, out);
}
