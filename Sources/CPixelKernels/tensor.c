#include "pixel_tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pixel_level.h"
#include "planes.h"

/* Bytes to floating-point planes, and PyTorch's bicubic interpolation of planes. */

#pragma STDC FP_CONTRACT OFF

/* The quotient of small numbers by a constant, correctly rounded: one step of Newton's correction. */
static float divide(float value, float divisor, float reciprocal) {
    float quotient = value * reciprocal;
    return fmaf(fmaf(-quotient, divisor, value), reciprocal, quotient);
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
            if (memcmp(&quick, &expected, sizeof quick) != 0) scaling->exact = false;
        }
    }
}

static void planes_plain(
    const uint8_t *pixels, size_t first, size_t count, const struct pixel_scaling *scaling, float *out) {
    for (size_t index = first; index < count; index++) {
        for (size_t channel = 0; channel < 3; channel++) {
            out[channel * count + index] = scaling->tables[channel * 256 + pixels[index * 3 + channel]];
        }
    }
}

#if defined(__x86_64__)

static inline __attribute__((target("avx512f,avx512bw,avx512vl,fma"))) void scale_avx512(
    __m128i bytes, const struct pixel_scaling *scaling, int channel, float *out) {
    __m512 value = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
    __m512 reciprocal = _mm512_set1_ps(1.0f / 255.0f),
        deviation = _mm512_set1_ps(scaling->deviation[channel]);
    __m512 quotient = _mm512_mul_ps(value, reciprocal);
    __m512 rest = _mm512_fnmadd_ps(quotient, _mm512_set1_ps(255.0f), value);
    __m512 unit = _mm512_fmadd_ps(rest, reciprocal, quotient);
    __m512 centred = _mm512_sub_ps(unit, _mm512_set1_ps(scaling->mean[channel]));
    __m512 inverse = _mm512_set1_ps(1.0f / scaling->deviation[channel]);
    quotient = _mm512_mul_ps(centred, inverse);
    rest = _mm512_fnmadd_ps(quotient, deviation, centred);
    _mm512_storeu_ps(out, _mm512_fmadd_ps(rest, inverse, quotient));
}

static inline __attribute__((target("avx2,fma"))) void scale_avx2(
    __m128i bytes, const struct pixel_scaling *scaling, int channel, float *out) {
    __m256 reciprocal = _mm256_set1_ps(1.0f / 255.0f),
        deviation = _mm256_set1_ps(scaling->deviation[channel]);
    __m256 inverse = _mm256_set1_ps(1.0f / scaling->deviation[channel]);
    for (int half = 0; half < 2; half++, bytes = _mm_srli_si128(bytes, 8)) {
        __m256 value = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
        __m256 quotient = _mm256_mul_ps(value, reciprocal);
        __m256 rest = _mm256_fnmadd_ps(quotient, _mm256_set1_ps(255.0f), value);
        __m256 unit = _mm256_fmadd_ps(rest, reciprocal, quotient);
        __m256 centred = _mm256_sub_ps(unit, _mm256_set1_ps(scaling->mean[channel]));
        quotient = _mm256_mul_ps(centred, inverse);
        rest = _mm256_fnmadd_ps(quotient, deviation, centred);
        _mm256_storeu_ps(out + half * 8, _mm256_fmadd_ps(rest, inverse, quotient));
    }
}

static __attribute__((target("avx512f,avx512bw,avx512vl,fma"))) void planes_avx512(
    const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, float *out) {
    size_t index = 0;
    for (; index + 16 <= count; index += 16) {
        struct sixteen planes = split_sixteen(pixels + index * 3);
        for (int channel = 0; channel < 3; channel++) {
            scale_avx512(planes.channel[channel], scaling, channel, out + (size_t)channel * count + index);
        }
    }
    planes_plain(pixels, index, count, scaling, out);
}

static __attribute__((target("avx2,fma"))) void planes_avx2(
    const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, float *out) {
    size_t index = 0;
    for (; index + 16 <= count; index += 16) {
        struct sixteen planes = split_sixteen(pixels + index * 3);
        for (int channel = 0; channel < 3; channel++) {
            scale_avx2(planes.channel[channel], scaling, channel, out + (size_t)channel * count + index);
        }
    }
    planes_plain(pixels, index, count, scaling, out);
}

#endif

void pixel_planes_f32(const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, float *out) {
#if defined(__x86_64__)
    enum pixel_level level = pixel_level();
    if (scaling->exact && level == PIXEL_AVX512) {
        planes_avx512(pixels, count, scaling, out);
        return;
    }
    if (scaling->exact && level == PIXEL_AVX2) {
        planes_avx2(pixels, count, scaling, out);
        return;
    }
#endif
    planes_plain(pixels, 0, count, scaling, out);
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
