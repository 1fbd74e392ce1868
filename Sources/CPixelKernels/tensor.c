#include "pixel_tensor.h"

#include <math.h>
#include <stdlib.h>

/* Bytes to floating-point planes, and PyTorch's bicubic interpolation of planes. */

#pragma STDC FP_CONTRACT OFF

void pixel_planes_f32(const uint8_t *pixels, size_t count, const float tables[768], float *out) {
    for (size_t index = 0; index < count; index++, pixels += 3) {
        out[index] = tables[pixels[0]];
        out[count + index] = tables[256 + pixels[1]];
        out[2 * count + index] = tables[512 + pixels[2]];
    }
}

void pixel_planes_16(const uint8_t *pixels, size_t count, const uint16_t tables[768], uint16_t *out) {
    for (size_t index = 0; index < count; index++, pixels += 3) {
        out[index] = tables[pixels[0]];
        out[count + index] = tables[256 + pixels[1]];
        out[2 * count + index] = tables[512 + pixels[2]];
    }
}

/* MARK: Bicubic interpolation */

/* The two pieces of the cubic convolution kernel with a = -0.75 (Keys, IEEE ASSP 29(6), 1981). */
static float near_piece(float x) {
    const float a = -0.75f;
    return ((a + 2) * x - (a + 3)) * x * x + 1;
}

static float far_piece(float x) {
    const float a = -0.75f;
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

struct taps {
    int32_t from[4];
    float weights[4];
};

static struct taps taps_at(int32_t position, float scale, int32_t in_size) {
    float at = scale * ((float)position + 0.5f) - 0.5f;
    int32_t base = (int32_t)floorf(at);
    if (base > in_size - 1) base = in_size - 1;
    float distance = at - (float)base;
    distance = distance < 0 ? 0 : distance > 1 ? 1 : distance;
    struct taps taps;
    for (int k = 0; k < 4; k++) {
        int32_t from = base - 1 + k;
        taps.from[k] = from < 0 ? 0 : from > in_size - 1 ? in_size - 1 : from;
    }
    taps.weights[0] = far_piece(distance + 1.0f);
    taps.weights[1] = near_piece(distance);
    taps.weights[2] = near_piece(1.0f - distance);
    taps.weights[3] = far_piece(1.0f - distance + 1.0f);
    return taps;
}

bool pixel_interpolate_bicubic(
    const float *in, int32_t planes, int32_t height, int32_t width, float *out, int32_t out_height,
    int32_t out_width) {
    struct taps *columns = malloc((size_t)out_width * sizeof *columns);
    if (!columns) return false;
    float scale_x = (float)width / (float)out_width, scale_y = (float)height / (float)out_height;
    for (int32_t x = 0; x < out_width; x++) columns[x] = taps_at(x, scale_x, width);
    for (int32_t plane = 0; plane < planes; plane++) {
        const float *from = in + (size_t)plane * (size_t)height * (size_t)width;
        for (int32_t y = 0; y < out_height; y++) {
            struct taps rows = taps_at(y, scale_y, height);
            for (int32_t x = 0; x < out_width; x++) {
                float sum = 0;
                for (int k = 0; k < 4; k++) {
                    const float *row = from + (size_t)rows.from[k] * (size_t)width;
                    float across = row[columns[x].from[0]] * columns[x].weights[0];
                    for (int j = 1; j < 4; j++) across += row[columns[x].from[j]] * columns[x].weights[j];
                    sum = k == 0 ? across * rows.weights[0] : sum + across * rows.weights[k];
                }
                *out++ = sum;
            }
        }
    }
    free(columns);
    return true;
}
