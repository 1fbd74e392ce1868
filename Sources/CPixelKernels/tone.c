#include "pixel_tone.h"

#include <stdbool.h>
#include <string.h>

#include "pixel_level.h"
#include "tone_vector.h"

/* Operations on values, in the arithmetic of Pillow's point, blend, convert and filter. Where this is the
 * plain code, tone_vector.c has the same for vectors. */

#pragma STDC FP_CONTRACT OFF

void pixel_histogram(const uint8_t *pixels, size_t count, uint32_t out[768]) {
    /* Two tables, so that equal neighbours do not wait for each other. */
    uint32_t tables[2][768];
    memset(tables, 0, sizeof tables);
    size_t index = 0;
    for (; index + 2 <= count; index += 2, pixels += 6) {
        tables[0][pixels[0]]++;
        tables[0][256 + pixels[1]]++;
        tables[0][512 + pixels[2]]++;
        tables[1][pixels[3]]++;
        tables[1][256 + pixels[4]]++;
        tables[1][512 + pixels[5]]++;
    }
    if (index < count) {
        tables[0][pixels[0]]++;
        tables[0][256 + pixels[1]]++;
        tables[0][512 + pixels[2]]++;
    }
    for (int value = 0; value < 768; value++) out[value] = tables[0][value] + tables[1][value];
}

void pixel_ranges(const uint8_t *pixels, size_t count, uint8_t low[3], uint8_t high[3]) {
    uint8_t lows[48], highs[48];
    memset(lows, 255, sizeof lows);
    memset(highs, 0, sizeof highs);
    size_t bytes = count * 3, at = 0;
    /* Blocks of sixteen pixels: compilers make vectors of the inner loop. */
    for (; at + 48 <= bytes; at += 48) {
        for (int index = 0; index < 48; index++) {
            uint8_t value = pixels[at + (size_t)index];
            lows[index] = value < lows[index] ? value : lows[index];
            highs[index] = value > highs[index] ? value : highs[index];
        }
    }
    for (size_t index = 0; at + index < bytes; index++) {
        uint8_t value = pixels[at + index];
        lows[index] = value < lows[index] ? value : lows[index];
        highs[index] = value > highs[index] ? value : highs[index];
    }
    for (int index = 0; index < 48; index++) {
        int channel = index % 3;
        if (index < 3 || lows[index] < low[channel]) low[channel] = lows[index];
        if (index < 3 || highs[index] > high[channel]) high[channel] = highs[index];
    }
}

void pixel_look_up(uint8_t *pixels, size_t count, const uint8_t tables[768]) {
    size_t done = look_up_vector(pixels, count, tables);
    pixels += done * 3;
    for (size_t index = done; index < count; index++, pixels += 3) {
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
    size_t done = luminance_sum_vector(pixels, count, &sum);
    pixels += done * 3;
    for (size_t index = done; index < count; index++, pixels += 3) sum += luminance(pixels);
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
    size_t done = colour_vector(pixels, count, alpha);
    pixels += done * 3;
    for (size_t index = done; index < count; index++, pixels += 3) {
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
        const uint8_t *row = in + (size_t)y * stride;
        bool outermost = y == 0 || y == height - 1 || width < 3;
        size_t done = outermost ? 0 : sharpen_row_vector(row, out + (size_t)y * stride, stride, alpha);
        for (size_t x = 0; x < stride; x++) {
            if (x == 3 && done > 0) x += done;
            bool edge = y == 0 || y == height - 1 || x < 3 || x >= stride - 3;
            const uint8_t *at = row + x;
            uint8_t smoothed = edge ? *at : smooth(at, stride);
            out[(size_t)y * stride + x] = pixel_blend_value(smoothed, *at, alpha);
        }
    }
}
