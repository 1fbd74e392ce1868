#include "pixel_tone.h"

#include <stdbool.h>
#include <string.h>

/* Operations on values, in the arithmetic of Pillow's point, blend, convert and filter. */

#pragma STDC FP_CONTRACT OFF

void pixel_histogram(const uint8_t *pixels, size_t count, uint32_t out[768]) {
    memset(out, 0, 768 * sizeof *out);
    for (size_t index = 0; index < count; index++, pixels += 3) {
        out[pixels[0]]++;
        out[256 + pixels[1]]++;
        out[512 + pixels[2]]++;
    }
}

void pixel_look_up(uint8_t *pixels, size_t count, const uint8_t tables[768]) {
    for (size_t index = 0; index < count; index++, pixels += 3) {
        pixels[0] = tables[pixels[0]];
        pixels[1] = tables[256 + pixels[1]];
        pixels[2] = tables[512 + pixels[2]];
    }
}

/* ITU-R 601 luma in 16-bit fixed point, rounded. */
static uint32_t luminance(const uint8_t *pixel) {
    return (pixel[0] * 19595u + pixel[1] * 38470u + pixel[2] * 7471u + 0x8000u) >> 16;
}

uint64_t pixel_luminance_sum(const uint8_t *pixels, size_t count) {
    uint64_t sum = 0;
    for (size_t index = 0; index < count; index++, pixels += 3) sum += luminance(pixels);
    return sum;
}

uint8_t pixel_blend_value(uint8_t a, uint8_t b, float alpha) {
    if (alpha == 0.0f) return a;
    if (alpha == 1.0f) return b;
    float value = (float)a + alpha * (float)((int)b - (int)a);
    if (alpha >= 0.0f && alpha <= 1.0f) return (uint8_t)value;
    return value <= 0.0f ? 0 : value >= 255.0f ? 255 : (uint8_t)value;
}

void pixel_colour(uint8_t *pixels, size_t count, float alpha) {
    for (size_t index = 0; index < count; index++, pixels += 3) {
        uint8_t gray = (uint8_t)luminance(pixels);
        for (int channel = 0; channel < 3; channel++) {
            pixels[channel] = pixel_blend_value(gray, pixels[channel], alpha);
        }
    }
}

/* Pillow's ImageFilter.SMOOTH at a byte that is not on the edge: the centre counts 5, its neighbours 1, all
 * over 13, summed in single precision from the row below to the row above. */
static uint8_t smooth(const uint8_t *at, size_t stride) {
    const float side = 1.0f / 13.0f, centre = 5.0f / 13.0f;
    const uint8_t *above = at - stride, *below = at + stride;
    float sum = 0.5f;
    sum += (float)below[-3] * side + (float)below[0] * side + (float)below[3] * side;
    sum += (float)at[-3] * side + (float)at[0] * centre + (float)at[3] * side;
    sum += (float)above[-3] * side + (float)above[0] * side + (float)above[3] * side;
    return sum <= 0.0f ? 0 : sum >= 255.0f ? 255 : (uint8_t)sum;
}

void pixel_sharpen(const uint8_t *in, uint8_t *out, int32_t width, int32_t height, float alpha) {
    size_t stride = (size_t)width * 3;
    for (int32_t y = 0; y < height; y++) {
        for (size_t x = 0; x < stride; x++) {
            bool edge = y == 0 || y == height - 1 || x < 3 || x >= stride - 3;
            const uint8_t *at = in + (size_t)y * stride + x;
            uint8_t smoothed = edge ? *at : smooth(at, stride);
            out[(size_t)y * stride + x] = pixel_blend_value(smoothed, *at, alpha);
        }
    }
}
