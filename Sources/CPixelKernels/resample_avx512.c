#include "workspace.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

/* Resampling with AVX-512 VNNI, whose dot product multiplies four unsigned by four signed bytes. A 24-bit
 * weight is cut into three signed bytes, w = a + 256 b + 65536 c; three dot products and two shifts then give
 * the same 32-bit sum as whole weights do, since both are exact modulo 2^32. */

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

AVX512 void cut_weights_avx512(struct resampling *plan, int32_t outputs) {
    size_t groups = (size_t)outputs * (size_t)plan->stride / 4;
    const __m128i bytes = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    for (size_t group = 0; group < groups; group++) {
        __m128i weights = _mm_loadu_si128((const __m128i *)(plan->weights + group * 4));
        uint32_t *parts = plan->parts + group * PARTS;
        for (int part = 0; part < 3; part++) {
            parts[part] = (uint32_t)_mm_cvtsi128_si32(_mm_shuffle_epi8(weights, bytes));
            __m128i low = _mm_srai_epi32(_mm_slli_epi32(weights, 24), 24);
            weights = _mm_srai_epi32(_mm_sub_epi32(weights, low), 8);
        }
    }
}

/* The same sixteen bytes' place in four rows, one row to a 128-bit lane. */
static inline AVX512 __m512i load_four(const uint8_t *const rows[4], size_t offset) {
    __m512i all = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(rows[0] + offset)));
    all = _mm512_inserti32x4(all, _mm_loadu_si128((const __m128i *)(rows[1] + offset)), 1);
    all = _mm512_inserti32x4(all, _mm_loadu_si128((const __m128i *)(rows[2] + offset)), 2);
    return _mm512_inserti32x4(all, _mm_loadu_si128((const __m128i *)(rows[3] + offset)), 3);
}

static inline AVX512 __m512i combine(__m512i a, __m512i b, __m512i c) {
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(a, _mm512_slli_epi32(b, 8)), _mm512_slli_epi32(c, 16));
    return _mm512_srai_epi32(sum, PRECISION);
}

AVX512 void resample_rows_avx512(const struct row_pass *pass) {
    const struct resampling *plan = pass->plan;
    /* In each lane four pixels become four taps of red, of green, of blue. */
    const __m512i order =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    const __m512i half = _mm512_set1_epi32(1 << (PRECISION - 1));
    size_t length = (size_t)pass->width * 3;
    for (int32_t y = 0; y < pass->count; y += 4) {
        const uint8_t *in[4];
        uint8_t *out[4];
        for (int row = 0; row < 4; row++) {
            /* Beyond the last row, the last is computed again. */
            size_t at = (size_t)(y + row < pass->count ? y + row : pass->count - 1);
            in[row] = pass->in + at * pass->in_stride;
            out[row] = pass->out + at * length;
        }
        for (int32_t x = 0; x < pass->width; x++) {
            const uint32_t *parts = plan->parts + (size_t)x * (size_t)plan->stride / 4 * PARTS;
            size_t offset = (size_t)plan->starts[x] * 3;
            __m512i a = half, b = _mm512_setzero_si512(), c = b;
            for (int32_t k = 0; k < plan->counts[x]; k += 4, offset += 12, parts += PARTS) {
                __m512i taps = _mm512_shuffle_epi8(load_four(in, offset), order);
                a = _mm512_dpbusd_epi32(a, taps, _mm512_set1_epi32((int)parts[0]));
                b = _mm512_dpbusd_epi32(b, taps, _mm512_set1_epi32((int)parts[1]));
                c = _mm512_dpbusd_epi32(c, taps, _mm512_set1_epi32((int)parts[2]));
            }
            __m512i sum = _mm512_max_epi32(combine(a, b, c), _mm512_setzero_si512());
            uint32_t pixels[4];
            _mm_storeu_si128((__m128i *)pixels, _mm512_cvtusepi32_epi8(sum));
            /* Four bytes at once where the next pixel overwrites the fourth. */
            size_t size = x + 1 < pass->width ? 4 : 3;
            for (int row = 0; row < 4; row++) {
                if (size == 4) memcpy(out[row] + (size_t)x * 3, &pixels[row], 4);
                else memcpy(out[row] + (size_t)x * 3, &pixels[row], 3);
            }
        }
    }
}

/* Four rows of 64 bytes to four vectors of sixteen columns' taps, in an order that packing undoes. */
struct columns {
    __m512i quarter[4];
};

static inline AVX512 struct columns interleave(const uint8_t *const rows[4], size_t x, __mmask64 mask) {
    __m512i r0 = _mm512_maskz_loadu_epi8(mask, rows[0] + x), r1 = _mm512_maskz_loadu_epi8(mask, rows[1] + x);
    __m512i r2 = _mm512_maskz_loadu_epi8(mask, rows[2] + x), r3 = _mm512_maskz_loadu_epi8(mask, rows[3] + x);
    __m512i low01 = _mm512_unpacklo_epi8(r0, r1), high01 = _mm512_unpackhi_epi8(r0, r1);
    __m512i low23 = _mm512_unpacklo_epi8(r2, r3), high23 = _mm512_unpackhi_epi8(r2, r3);
    return (struct columns){
        {_mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
         _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)}};
}

static AVX512 void resample_output_row(
    const struct column_pass *pass, const uint8_t *in, uint8_t *out, const uint32_t *all_parts,
        int32_t count) {
    const __m512i half = _mm512_set1_epi32(1 << (PRECISION - 1));
    for (size_t x = 0; x < pass->length; x += 64) {
        size_t left = pass->length - x;
        __mmask64 mask = left >= 64 ? ~(__mmask64)0 : (__mmask64)((1ull << left) - 1);
        __m512i a[4], b[4], c[4];
        for (int quarter = 0; quarter < 4; quarter++) {
            a[quarter] = half;
            b[quarter] = c[quarter] = _mm512_setzero_si512();
        }
        const uint32_t *parts = all_parts;
        for (int32_t k = 0; k < count; k += 4, parts += PARTS) {
            const uint8_t *rows[4];
            for (int row = 0; row < 4; row++) {
                /* A weight of 0 meets the last row again. */
                rows[row] = in + (size_t)(k + row < count ? k + row : count - 1) * pass->in_stride;
            }
            struct columns taps = interleave(rows, x, mask);
            __m512i wa = _mm512_set1_epi32((int)parts[0]), wb = _mm512_set1_epi32((int)parts[1]);
            __m512i wc = _mm512_set1_epi32((int)parts[2]);
            for (int quarter = 0; quarter < 4; quarter++) {
                a[quarter] = _mm512_dpbusd_epi32(a[quarter], taps.quarter[quarter], wa);
                b[quarter] = _mm512_dpbusd_epi32(b[quarter], taps.quarter[quarter], wb);
                c[quarter] = _mm512_dpbusd_epi32(c[quarter], taps.quarter[quarter], wc);
            }
        }
        __m512i low = _mm512_packs_epi32(combine(a[0], b[0], c[0]), combine(a[1], b[1], c[1]));
        __m512i high = _mm512_packs_epi32(combine(a[2], b[2], c[2]), combine(a[3], b[3], c[3]));
        _mm512_mask_storeu_epi8(out + x, mask, _mm512_packus_epi16(low, high));
    }
}

AVX512 void resample_columns_avx512(const struct column_pass *pass) {
    const struct resampling *plan = pass->plan;
    for (int32_t y = 0; y < pass->height; y++) {
        const uint8_t *in = pass->in + (size_t)(plan->starts[y] - pass->first) * pass->in_stride;
        const uint32_t *parts = plan->parts + (size_t)y * (size_t)plan->stride / 4 * PARTS;
        resample_output_row(pass, in, pass->out + (size_t)y * pass->length, parts, plan->counts[y]);
    }
}

#endif
