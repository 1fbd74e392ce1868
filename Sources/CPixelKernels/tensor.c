#include "tensor.h"

#include <math.h>
#include <string.h>

#include "pixel_level.h"

/* Bytes to floating-point planes. */

#pragma STDC FP_CONTRACT OFF

/* The quotient of small numbers by a constant, correctly rounded: one step of Newton's correction. */
static float divide(float value, float divisor, float reciprocal) {
    float quotient = value * reciprocal;
    return fmaf(fmaf(-quotient, divisor, value), reciprocal, quotient);
}

uint16_t float16_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = bits >> 16 & 0x8000;
    bits &= 0x7FFFFFFF;
    if (bits > 0x7F800000) return sign | 0x7E00;
    /* From 65520 on the nearest is infinity. */
    if (bits >= 0x477FF000) return sign | 0x7C00;
    if (bits < 0x38800000) {
        /* Below 2^-14 values are multiples of 2^-24; adding 1.5 * 2^-1 rounds to them in the last bits. */
        float shifted = fabsf(value) + 0.75f;
        memcpy(&bits, &shifted, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3F400000));
    }
    return (uint16_t)(sign | ((bits - 0x38000000 + 0xFFF + (bits >> 13 & 1)) >> 13));
}

/* Every NaN is PyTorch's 0x7FC0. */
uint16_t bfloat16_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? 0x7FC0 : (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

void pixel_scaling_prepare(struct pixel_scaling *scaling, const float mean[3], const float deviation[3]) {
    scaling->exact = true;
    for (int channel = 0; channel < 3; channel++) {
        scaling->mean[channel] = mean[channel];
        scaling->deviation[channel] = deviation[channel];
        for (int value = 0; value < 256; value++) {
            float expected = ((float)value / 255.0f - mean[channel]) / deviation[channel];
            float unit = divide((float)value, 255.0f, 1.0f / 255.0f);
            float quick = divide(unit - mean[channel], deviation[channel], 1.0f / deviation[channel]);
            scaling->tables[channel * 256 + value] = expected;
            scaling->halves[0][channel * 256 + value] = float16_bits(expected);
            scaling->halves[1][channel * 256 + value] = bfloat16_bits(expected);
            if (isnan(expected) || memcmp(&quick, &expected, sizeof quick) != 0) scaling->exact = false;
        }
    }
}

/* From pixel `first` on. */
static void planes_plain(const uint8_t *pixels, size_t first, size_t count,
    const struct pixel_scaling *scaling, enum pixel_format format, void *out) {
    const uint16_t *halves = scaling->halves[format == PIXEL_BFLOAT16];
    for (size_t index = first; index < count; index++) {
        for (size_t channel = 0; channel < 3; channel++) {
            size_t place = channel * 256 + pixels[index * 3 + channel];
            if (format == PIXEL_FLOAT32) {
                ((float *)out)[channel * count + index] = scaling->tables[place];
            } else {
                ((uint16_t *)out)[channel * count + index] = halves[place];
            }
        }
    }
}

void pixel_planes(
    const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, enum pixel_format format,
    void *out) {
    size_t done = 0;
#if defined(__x86_64__)
    enum pixel_level level = scaling->exact ? pixel_level() : PIXEL_PLAIN;
    if (level == PIXEL_AVX512) done = planes_avx512(pixels, count, scaling, format, out);
    /* There, rounding to bfloat16 takes longer than looking the result up. */
    if (level == PIXEL_AVX2 && format != PIXEL_BFLOAT16) {
        done = planes_avx2(pixels, count, scaling, format, out);
    }
#endif
    planes_plain(pixels, done, count, scaling, format, out);
}

void tensor_store(const float *values, size_t count, enum pixel_format format, void *out) {
    if (format == PIXEL_FLOAT32) {
        memcpy(out, values, count * sizeof *values);
        return;
    }
    size_t done = 0;
#if defined(__x86_64__)
    if (pixel_level() > PIXEL_PLAIN) done = store_avx2(values, count, format, out);
#endif
    uint16_t *halves = out;
    for (size_t index = done; index < count; index++) {
        halves[index] =
            format == PIXEL_FLOAT16 ? float16_bits(values[index]) : bfloat16_bits(values[index]);
    }
}
