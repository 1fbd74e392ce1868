#include "tensor.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "planes.h"

/* The kernels of tensor.c for AVX2 with FMA and F16C, and for AVX-512. */

/* Everything but the entry points is inlined, with the format as a constant: the loops have no branches. */
#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,fma,f16c")))
#define INLINE_AVX2 static inline AVX2 __attribute__((always_inline))
#define INLINE_AVX512 static inline AVX512 __attribute__((always_inline))

/* MARK: AVX2 */

/* No value is NaN where this is used on pixels; store_avx2 looks for them. */
INLINE_AVX2 __m128i bfloat16_avx2(__m256 values) {
    __m256i bits = _mm256_castps_si256(values);
    __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    bits = _mm256_add_epi32(bits, _mm256_add_epi32(even, _mm256_set1_epi32(0x7FFF)));
    bits = _mm256_srli_epi32(bits, 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
}

INLINE_AVX2 void put_avx2(__m256 values, enum pixel_format format, void *out, size_t index) {
    if (format == PIXEL_FLOAT32) {
        _mm256_storeu_ps((float *)out + index, values);
        return;
    }
    __m128i halves = format == PIXEL_FLOAT16 ? _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT)
        : bfloat16_avx2(values);
    _mm_storeu_si128((__m128i *)((uint16_t *)out + index), halves);
}

INLINE_AVX2 __m256 scale_avx2(__m128i bytes, const struct pixel_scaling *scaling, int channel) {
    __m256 value = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
    __m256 reciprocal = _mm256_set1_ps(1.0f / 255.0f);
    __m256 quotient = _mm256_mul_ps(value, reciprocal);
    __m256 rest = _mm256_fnmadd_ps(quotient, _mm256_set1_ps(255.0f), value);
    __m256 unit = _mm256_fmadd_ps(rest, reciprocal, quotient);
    __m256 centred = _mm256_sub_ps(unit, _mm256_set1_ps(scaling->mean[channel]));
    __m256 inverse = _mm256_set1_ps(1.0f / scaling->deviation[channel]);
    quotient = _mm256_mul_ps(centred, inverse);
    rest = _mm256_fnmadd_ps(quotient, _mm256_set1_ps(scaling->deviation[channel]), centred);
    return _mm256_fmadd_ps(rest, inverse, quotient);
}

INLINE_AVX2 size_t planes_in_avx2(
    const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, enum pixel_format format,
    void *out) {
    size_t index = 0;
    for (; index + 16 <= count; index += 16) {
        struct sixteen planes = split_sixteen(pixels + index * 3);
        for (int channel = 0; channel < 3; channel++) {
            size_t place = (size_t)channel * count + index;
            __m128i bytes = planes.channel[channel];
            put_avx2(scale_avx2(bytes, scaling, channel), format, out, place);
            put_avx2(scale_avx2(_mm_srli_si128(bytes, 8), scaling, channel), format, out, place + 8);
        }
    }
    return index;
}

AVX2 size_t planes_avx2(
    const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, enum pixel_format format,
    void *out) {
    switch (format) {
        case PIXEL_FLOAT32: return planes_in_avx2(pixels, count, scaling, PIXEL_FLOAT32, out);
        case PIXEL_FLOAT16: return planes_in_avx2(pixels, count, scaling, PIXEL_FLOAT16, out);
        default: return planes_in_avx2(pixels, count, scaling, PIXEL_BFLOAT16, out);
    }
}

AVX2 size_t store_avx2(const float *values, size_t count, enum pixel_format format, void *out) {
    size_t index = 0;
    for (; index + 8 <= count; index += 8) {
        __m256 eight = _mm256_loadu_ps(values + index);
        if (_mm256_movemask_ps(_mm256_cmp_ps(eight, eight, _CMP_UNORD_Q))) break;
        put_avx2(eight, format, out, index);
    }
    return index;
}

/* MARK: AVX-512 */

INLINE_AVX512 __m512 scale_avx512(__m128i bytes, const struct pixel_scaling *scaling, int channel) {
    __m512 value = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
    __m512 reciprocal = _mm512_set1_ps(1.0f / 255.0f);
    __m512 quotient = _mm512_mul_ps(value, reciprocal);
    __m512 rest = _mm512_fnmadd_ps(quotient, _mm512_set1_ps(255.0f), value);
    __m512 unit = _mm512_fmadd_ps(rest, reciprocal, quotient);
    __m512 centred = _mm512_sub_ps(unit, _mm512_set1_ps(scaling->mean[channel]));
    __m512 inverse = _mm512_set1_ps(1.0f / scaling->deviation[channel]);
    quotient = _mm512_mul_ps(centred, inverse);
    rest = _mm512_fnmadd_ps(quotient, _mm512_set1_ps(scaling->deviation[channel]), centred);
    return _mm512_fmadd_ps(rest, inverse, quotient);
}

INLINE_AVX512 void put_avx512(__m512 values, enum pixel_format format, void *out, size_t index) {
    if (format == PIXEL_FLOAT32) {
        _mm512_storeu_ps((float *)out + index, values);
        return;
    }
    __m256i halves;
    if (format == PIXEL_FLOAT16) {
        halves = _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT);
    } else {
        __m512i bits = _mm512_castps_si512(values);
        __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        bits = _mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7FFF)));
        halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16));
    }
    _mm256_storeu_si256((__m256i *)((uint16_t *)out + index), halves);
}

INLINE_AVX512 size_t planes_in_avx512(
    const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, enum pixel_format format,
    void *out) {
    size_t index = 0;
    for (; index + 16 <= count; index += 16) {
        struct sixteen planes = split_sixteen(pixels + index * 3);
        for (int channel = 0; channel < 3; channel++) {
            put_avx512(scale_avx512(planes.channel[channel], scaling, channel), format, out,
                (size_t)channel * count + index);
        }
    }
    return index;
}

AVX512 size_t planes_avx512(
    const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, enum pixel_format format,
    void *out) {
    switch (format) {
        case PIXEL_FLOAT32: return planes_in_avx512(pixels, count, scaling, PIXEL_FLOAT32, out);
        case PIXEL_FLOAT16: return planes_in_avx512(pixels, count, scaling, PIXEL_FLOAT16, out);
        default: return planes_in_avx512(pixels, count, scaling, PIXEL_BFLOAT16, out);
    }
}

#endif
