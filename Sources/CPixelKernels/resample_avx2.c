#include "workspace.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

/* Resampling with AVX2, whose multiply-add takes pairs of 16-bit numbers. A weight is cut in two, w = 256 h +
 * l with l from 0 to 255; two sums and a shift then give the same 32-bit sum as whole weights do, since both
 * are exact modulo 2^32. */

#define AVX2 __attribute__((target("avx2")))

/* For each four taps: h of taps 0 and 1, l of them, h of taps 2 and 3, l of them. */
AVX2 void cut_weights_avx2(struct resampling *plan, int32_t outputs) {
    size_t groups = (size_t)outputs * (size_t)plan->stride / 4;
    for (size_t group = 0; group < groups; group++) {
        const int32_t *weights = plan->weights + group * 4;
        uint32_t *parts = plan->parts + group * PARTS;
        for (int pair = 0; pair < 2; pair++) {
            int32_t first = weights[pair * 2], second = weights[pair * 2 + 1];
            parts[pair * 2] = (uint32_t)(first >> 8 & 0xFFFF) | (uint32_t)(second >> 8) << 16;
            parts[pair * 2 + 1] = (uint32_t)(first & 0xFF) | (uint32_t)(second & 0xFF) << 16;
        }
    }
}

static inline AVX2 __m256i multiply(__m256i sum, __m256i taps, uint32_t weights) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(taps, _mm256_set1_epi32((int)weights)));
}

static inline AVX2 __m256i combine(__m256i high, __m256i low) {
    return _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, 8), low), PRECISION);
}

AVX2 void resample_rows_avx2(const struct row_pass *pass) {
    const struct resampling *plan = pass->plan;
    /* In each lane, a row, two pixels become 16-bit pairs of red, of green, of blue. */
    const __m256i first_two = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i next_two = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    const __m256i half = _mm256_set1_epi32(1 << (PRECISION - 1));
    size_t length = (size_t)pass->width * 3;
    for (int32_t y = 0; y < pass->count; y += 2) {
        /* Beyond the last row, the last is computed again. */
        size_t other = (size_t)(y + 1 < pass->count ? y + 1 : y);
        const uint8_t *in0 = pass->in + (size_t)y * pass->in_stride,
            *in1 = pass->in + other * pass->in_stride;
        uint8_t *out0 = pass->out + (size_t)y * length, *out1 = pass->out + other * length;
        for (int32_t x = 0; x < pass->width; x++) {
            const uint32_t *parts = plan->parts + (size_t)x * (size_t)plan->stride / 4 * PARTS;
            size_t offset = (size_t)plan->starts[x] * 3;
            __m256i high = _mm256_setzero_si256(), low = half;
            for (int32_t k = 0; k < plan->counts[x]; k += 4, offset += 12, parts += PARTS) {
                __m256i both = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(in0 + offset)));
                both = _mm256_inserti128_si256(both, _mm_loadu_si128((const __m128i *)(in1 + offset)), 1);
                __m256i first = _mm256_shuffle_epi8(both, first_two),
                    next = _mm256_shuffle_epi8(both, next_two);
                high = multiply(multiply(high, first, parts[0]), next, parts[2]);
                low = multiply(multiply(low, first, parts[1]), next, parts[3]);
            }
            __m256i words = _mm256_packs_epi32(combine(high, low), _mm256_setzero_si256());
            __m256i bytes = _mm256_packus_epi16(words, words);
            uint32_t pixel0 = (uint32_t)_mm256_extract_epi32(bytes, 0);
            uint32_t pixel1 = (uint32_t)_mm256_extract_epi32(bytes, 4);
            memcpy(out0 + (size_t)x * 3, &pixel0, 3);
            memcpy(out1 + (size_t)x * 3, &pixel1, 3);
        }
    }
}

/* 32 columns from x on of one output row. */
static inline AVX2 void resample_block(
    const struct column_pass *pass, const uint8_t *in, uint8_t *out, const uint32_t *parts, int32_t count,
        size_t x) {
    const __m256i zero = _mm256_setzero_si256(), half = _mm256_set1_epi32(1 << (PRECISION - 1));
    __m256i high[4] = {zero, zero, zero, zero}, low[4] = {half, half, half, half};
    for (int32_t k = 0; k < count; k += 2) {
        const uint8_t *row0 = in + (size_t)k * pass->in_stride + x;
        /* A weight of 0 meets the last row again. */
        const uint8_t *row1 = k + 1 < count ? row0 + pass->in_stride : row0;
        __m256i r0 = _mm256_loadu_si256((const __m256i *)row0),
            r1 = _mm256_loadu_si256((const __m256i *)row1);
        __m256i lower = _mm256_unpacklo_epi8(r0, r1), upper = _mm256_unpackhi_epi8(r0, r1);
        __m256i taps[4] = {
            _mm256_unpacklo_epi8(lower, zero), _mm256_unpackhi_epi8(lower, zero),
                _mm256_unpacklo_epi8(upper, zero),
            _mm256_unpackhi_epi8(upper, zero)};
        const uint32_t *pair = parts + k / 4 * PARTS + k % 4;
        for (int quarter = 0; quarter < 4; quarter++) {
            high[quarter] = multiply(high[quarter], taps[quarter], pair[0]);
            low[quarter] = multiply(low[quarter], taps[quarter], pair[1]);
        }
    }
    __m256i lower = _mm256_packs_epi32(combine(high[0], low[0]), combine(high[1], low[1]));
    __m256i upper = _mm256_packs_epi32(combine(high[2], low[2]), combine(high[3], low[3]));
    _mm256_storeu_si256((__m256i *)(out + x), _mm256_packus_epi16(lower, upper));
}

AVX2 void resample_columns_avx2(const struct column_pass *pass) {
    const struct resampling *plan = pass->plan;
    for (int32_t y = 0; y < pass->height; y++) {
        const uint8_t *in = pass->in + (size_t)(plan->starts[y] - pass->first) * pass->in_stride;
        const uint32_t *parts = plan->parts + (size_t)y * (size_t)plan->stride / 4 * PARTS;
        const int32_t *weights = plan->weights + (size_t)y * (size_t)plan->stride;
        uint8_t *out = pass->out + (size_t)y * pass->length;
        size_t x = 0;
        for (; x + 32 <= pass->length; x += 32) resample_block(pass, in, out, parts, plan->counts[y], x);
        if (x == pass->length) continue;
        if (pass->length >= 32) {
            /* The last block overlaps the one before. */
            resample_block(pass, in, out, parts, plan->counts[y], pass->length - 32);
            continue;
        }
        for (; x < pass->length; x++) {
            int32_t sum = 1 << (PRECISION - 1);
            for (int32_t k = 0; k < plan->counts[y]; k++) sum += in[x
                + (size_t)k * pass->in_stride] * weights[k];
            int32_t value = sum >> PRECISION;
            out[x] = value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
        }
    }
}

#endif
