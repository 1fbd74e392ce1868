#include "tone_vector.h"

#include "pixel_level.h"
#include "planes.h"

#pragma STDC FP_CONTRACT OFF

#if defined(__x86_64__)

/* Bodies are written once as plain loops over short arrays and compiled for each level, where the compiler
 * makes vectors of them. */
#define BODY static inline __attribute__((always_inline, target("ssse3")))
#define FOR_AVX2 __attribute__((target("avx2")))
#define FOR_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))

static int has_avx512dq(void) { return pixel_level() == PIXEL_AVX512 && __builtin_cpu_supports("avx512dq"); }

/* Pillow's blend of two bytes. Its cases for alpha 0, alpha 1 and alpha between them need no clamp, and a
 * clamp does not change them. */
BODY uint8_t blend(int a, int b, float alpha) {
    float value = (float)a + alpha * (float)(b - a);
    value = value < 0.0f ? 0.0f : value;
    value = value > 255.0f ? 255.0f : value;
    return (uint8_t)(int)value;
}

/* MARK: Colour */

enum { CHUNK = 256 };

struct chunk {
    uint8_t channel[3][CHUNK];
};

BODY void load_chunk(const uint8_t *pixels, struct chunk *chunk) {
    for (size_t index = 0; index < CHUNK; index += 16) {
        struct sixteen planes = split_sixteen(pixels + index * 3);
        for (int channel = 0; channel < 3; channel++) {
            _mm_storeu_si128((__m128i *)(chunk->channel[channel] + index), planes.channel[channel]);
        }
    }
}

BODY void store_chunk(const struct chunk *chunk, uint8_t *pixels) {
    for (size_t index = 0; index < CHUNK; index += 16) {
        struct sixteen planes;
        for (int channel = 0; channel < 3; channel++) {
            planes.channel[channel] = _mm_loadu_si128((const __m128i *)(chunk->channel[channel] + index));
        }
        join_sixteen(planes, pixels + index * 3);
    }
}

BODY uint32_t luminance(const struct chunk *chunk, size_t index) {
    return (chunk->channel[0][index] * 19595u + chunk->channel[1][index] * 38470u
        + chunk->channel[2][index] * 7471u
            + 0x8000u)
        >> 16;
}

BODY size_t colour(uint8_t *pixels, size_t count, float alpha) {
    size_t done = 0;
    for (; done + CHUNK <= count; done += CHUNK) {
        struct chunk chunk;
        load_chunk(pixels + done * 3, &chunk);
        for (size_t index = 0; index < CHUNK; index++) {
            int gray = (int)luminance(&chunk, index);
            for (int channel = 0; channel < 3; channel++) {
                chunk.channel[channel][index] = blend(gray, chunk.channel[channel][index], alpha);
            }
        }
        store_chunk(&chunk, pixels + done * 3);
    }
    return done;
}

BODY size_t luminance_sum(const uint8_t *pixels, size_t count, uint64_t *sum) {
    size_t done = 0;
    for (; done + CHUNK <= count; done += CHUNK) {
        struct chunk chunk;
        load_chunk(pixels + done * 3, &chunk);
        uint32_t total = 0;
        for (size_t index = 0; index < CHUNK; index++) total += luminance(&chunk, index);
        *sum += total;
    }
    return done;
}

FOR_AVX2 static size_t colour_avx2(uint8_t *pixels, size_t count,
    float alpha) { return colour(pixels, count, alpha); }
FOR_AVX512 static size_t colour_avx512(uint8_t *pixels, size_t count, float alpha) {
    return colour(pixels, count, alpha);
}
FOR_AVX2 static size_t luminance_sum_avx2(const uint8_t *pixels, size_t count, uint64_t *sum) {
    return luminance_sum(pixels, count, sum);
}
FOR_AVX512 static size_t luminance_sum_avx512(const uint8_t *pixels, size_t count, uint64_t *sum) {
    return luminance_sum(pixels, count, sum);
}

size_t colour_vector(uint8_t *pixels, size_t count, float alpha) {
    if (has_avx512dq()) return colour_avx512(pixels, count, alpha);
    return pixel_level() == PIXEL_AVX2 ? colour_avx2(pixels, count, alpha) : 0;
}

size_t luminance_sum_vector(const uint8_t *pixels, size_t count, uint64_t *sum) {
    if (has_avx512dq()) return luminance_sum_avx512(pixels, count, sum);
    return pixel_level() == PIXEL_AVX2 ? luminance_sum_avx2(pixels, count, sum) : 0;
}

/* MARK: Sharpness */

/* Pillow smooths in single precision: (s / 13 + 0.5), cut to a whole number, for a whole s of at most 3315.
 * No such s comes nearer to the next number than 1/26, more than all its rounding, so whole numbers give the
 * same: (s + 6) / 13, which is (s + 6) * 5042 / 65536 in this range. */
BODY size_t sharpen_row(const uint8_t *row, uint8_t *restrict out, size_t stride, float alpha) {
    const uint8_t *above = row - stride, *below = row + stride;
    for (size_t x = 3; x < stride - 3; x++) {
        uint16_t sum = (uint16_t)(above[x - 3] + above[x] + above[x + 3] + row[x - 3] + row[x] * 5
            + row[x + 3]
                                  + below[x - 3] + below[x] + below[x + 3] + 6);
        uint16_t smooth = (uint16_t)((uint32_t)sum * 5042u >> 16);
        out[x] = blend(smooth, row[x], alpha);
    }
    return stride - 6;
}

FOR_AVX2 static size_t sharpen_row_avx2(const uint8_t *row, uint8_t *out, size_t stride, float alpha) {
    return sharpen_row(row, out, stride, alpha);
}
FOR_AVX512 static size_t sharpen_row_avx512(const uint8_t *row, uint8_t *out, size_t stride, float alpha) {
    return sharpen_row(row, out, stride, alpha);
}

size_t sharpen_row_vector(const uint8_t *row, uint8_t *out, size_t stride, float alpha) {
    if (has_avx512dq()) return sharpen_row_avx512(row, out, stride, alpha);
    return pixel_level() == PIXEL_AVX2 ? sharpen_row_avx2(row, out, stride, alpha) : 0;
}

/* MARK: Tables */

#define FOR_VBMI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

struct table {
    __m512i part[4];
};

static inline FOR_VBMI __m512i look_up(__m512i values, const struct table *table) {
    __m512i low = _mm512_permutex2var_epi8(table->part[0], values, table->part[1]);
    __m512i high = _mm512_permutex2var_epi8(table->part[2], values, table->part[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(values), low, high);
}

/* 64 pixels at a time: three vectors, in which the channels begin at another place each. */
static FOR_VBMI size_t look_up_avx512(uint8_t *pixels, size_t count, const uint8_t tables[768]) {
    struct table channel[3];
    for (int index = 0; index < 12; index++) channel[index / 4].part[index % 4] = _mm512_loadu_si512(tables
        + index * 64);
    const __mmask64 every_third = 0x9249249249249249ull;
    const __mmask64 green[3] = {every_third << 1, every_third, every_third << 2};
    const __mmask64 blue[3] = {every_third << 2, every_third << 1, every_third};
    size_t done = 0;
    for (; done + 64 <= count; done += 64) {
        for (int third = 0; third < 3; third++) {
            uint8_t *at = pixels + done * 3 + third * 64;
            __m512i values = _mm512_loadu_si512(at);
            __m512i result = look_up(values, &channel[0]);
            result = _mm512_mask_blend_epi8(green[third], result, look_up(values, &channel[1]));
            result = _mm512_mask_blend_epi8(blue[third], result, look_up(values, &channel[2]));
            _mm512_storeu_si512(at, result);
        }
    }
    return done;
}

size_t look_up_vector(uint8_t *pixels, size_t count, const uint8_t tables[768]) {
    if (pixel_level() != PIXEL_AVX512 || !__builtin_cpu_supports("avx512vbmi")) return 0;
    return look_up_avx512(pixels, count, tables);
}

#else

size_t look_up_vector(uint8_t *pixels, size_t count, const uint8_t tables[768]) {
    (void)pixels, (void)count, (void)tables;
    return 0;
}
size_t luminance_sum_vector(const uint8_t *pixels, size_t count, uint64_t *sum) {
    (void)pixels, (void)count, (void)sum;
    return 0;
}
size_t colour_vector(uint8_t *pixels, size_t count, float alpha) {
    (void)pixels, (void)count, (void)alpha;
    return 0;
}
size_t sharpen_row_vector(const uint8_t *row, uint8_t *out, size_t stride, float alpha) {
    (void)row, (void)out, (void)stride, (void)alpha;
    return 0;
}

#endif
