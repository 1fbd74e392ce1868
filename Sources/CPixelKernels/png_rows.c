#include "png_rows.h"

#include <stdlib.h>
#include <string.h>

#include "pixel_level.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

int png_channels(enum colour colour) {
    static const int counts[] = {[GRAY] = 1, [COLOUR] = 3, [PALETTE] = 1, [GRAY_ALPHA] = 2,
        [COLOUR_ALPHA] = 4};
    return counts[colour];
}

/* MARK: Filters */

static uint8_t paeth(int a, int b, int c) {
    int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c);
    return (uint8_t)(pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
}

#if defined(__x86_64__)

/* The filters that look to the left, for pixels of 3 or 4 bytes: one pixel a step, a lane for each byte. A
 * load reads 4 bytes, a store writes `step`. */

static inline __m128i load_four(const uint8_t *bytes) {
    int32_t value;
    memcpy(&value, bytes, 4);
    return _mm_cvtsi32_si128(value);
}

static inline void store_pixel(uint8_t *out, __m128i pixel, size_t step) {
    int32_t value = _mm_cvtsi128_si32(pixel);
    memcpy(out, &value, step);
}

static inline __attribute__((always_inline)) void sub_vector(uint8_t *row, size_t length, size_t step) {
    __m128i left = _mm_setzero_si128();
    for (size_t i = 1; i <= length; i += step) {
        left = _mm_add_epi8(left, load_four(row + i));
        store_pixel(row + i, left, step);
    }
}

static inline __attribute__((always_inline)) void average_vector(
    uint8_t *row, const uint8_t *above, size_t length, size_t step) {
    __m128i left = _mm_setzero_si128(), ones = _mm_set1_epi8(1);
    for (size_t i = 1; i <= length; i += step) {
        __m128i up = load_four(above + i);
        /* avg rounds up: take the odd sum's half back. */
        __m128i odd = _mm_and_si128(_mm_xor_si128(left, up), ones);
        __m128i mean = _mm_sub_epi8(_mm_avg_epu8(left, up), odd);
        left = _mm_add_epi8(mean, load_four(row + i));
        store_pixel(row + i, left, step);
    }
}

static inline __m128i absolute(__m128i value) {
    return _mm_max_epi16(value, _mm_sub_epi16(_mm_setzero_si128(), value));
}

static inline __m128i choose(__m128i mask, __m128i yes, __m128i no) {
    return _mm_or_si128(_mm_and_si128(mask, yes), _mm_andnot_si128(mask, no));
}

static inline __attribute__((always_inline)) void paeth_vector(
    uint8_t *row, const uint8_t *above, size_t length, size_t step) {
    __m128i zero = _mm_setzero_si128(), a = zero, c = zero;
    for (size_t i = 1; i <= length; i += step) {
        __m128i b = _mm_unpacklo_epi8(load_four(above + i), zero);
        __m128i pa = _mm_sub_epi16(b, c), pb = _mm_sub_epi16(a, c);
        __m128i pc = absolute(_mm_add_epi16(pa, pb));
        pa = absolute(pa);
        pb = absolute(pb);
        __m128i least = _mm_min_epi16(pc, _mm_min_epi16(pa, pb));
        __m128i nearest =
            choose(_mm_cmpeq_epi16(pa, least), a, choose(_mm_cmpeq_epi16(pb, least), b, c));
        /* The upper bytes are 0 in both, so bytes add as bytes. */
        a = _mm_add_epi8(_mm_unpacklo_epi8(load_four(row + i), zero), nearest);
        c = b;
        store_pixel(row + i, _mm_packus_epi16(a, a), step);
    }
}

/* The same with a constant step, so that stores are single instructions. */
static bool unfilter_vector(uint8_t *row, const uint8_t *above, size_t length, size_t step) {
    switch (row[0] * 8 + (int)step) {
        case 1 * 8 + 3: sub_vector(row, length, 3); return true;
        case 1 * 8 + 4: sub_vector(row, length, 4); return true;
        case 3 * 8 + 3: average_vector(row, above, length, 3); return true;
        case 3 * 8 + 4: average_vector(row, above, length, 4); return true;
        case 4 * 8 + 3: paeth_vector(row, above, length, 3); return true;
        case 4 * 8 + 4: paeth_vector(row, above, length, 4); return true;
        default: return false;
    }
}

#endif

bool png_unfilter(uint8_t *row, const uint8_t *above, size_t length, size_t step) {
#if defined(__x86_64__)
    if (step <= 4 && pixel_level() > PIXEL_PLAIN && unfilter_vector(row, above, length, step)) return true;
#endif
    switch (row[0]) {
        case 0: return true;
        case 1:
            for (size_t i = step + 1; i <= length; i++) row[i] = (uint8_t)(row[i] + row[i - step]);
            return true;
        case 2:
            for (size_t i = 1; i <= length; i++) row[i] = (uint8_t)(row[i] + above[i]);
            return true;
        case 3:
            for (size_t i = 1; i <= length; i++) {
                int left = i > step ? row[i - step] : 0;
                row[i] = (uint8_t)(row[i] + (left + above[i]) / 2);
            }
            return true;
        case 4:
            for (size_t i = 1; i <= length && i <= step; i++) row[i] = (uint8_t)(row[i] + above[i]);
            for (size_t i = step + 1; i <= length; i++) {
                row[i] = (uint8_t)(row[i] + paeth(row[i - step], above[i], above[i - step]));
            }
            return true;
        default: return false;
    }
}

/* MARK: Pixels */

/* Pixels of 8 bits that come without gaps: 1 or 4 bytes to 3. Gives how many it made. */
static uint32_t store_vector(enum colour colour, const uint8_t *row, uint32_t width, uint8_t *out);

#if defined(__x86_64__)

/* Four pixels a step; each store writes 16 bytes, of which the next store corrects the last 4, so the last
 * steps are left to the plain code. */
static __attribute__((target("ssse3"))) uint32_t store_vector(
    enum colour colour, const uint8_t *row, uint32_t width, uint8_t *out) {
    bool gray = colour == GRAY;
    __m128i order = gray ? _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, -1, -1, -1, -1)
        : _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    uint32_t x = 0;
    for (; width - x >= 8; x += 4) {
        __m128i in = gray ? load_four(row + x) : _mm_loadu_si128((const __m128i *)(row + (size_t)x * 4));
        _mm_storeu_si128((__m128i *)(out + (size_t)x * 3), _mm_shuffle_epi8(in, order));
    }
    return x;
}

#else

static uint32_t store_vector(enum colour colour, const uint8_t *row, uint32_t width, uint8_t *out) {
    (void)colour, (void)row, (void)width, (void)out;
    return 0;
}

#endif

static uint8_t value_at(const struct png_samples *samples, const uint8_t *row, uint32_t x) {
    int depth = samples->depth;
    if (depth < 8) {
        size_t bit = (size_t)x * (size_t)depth;
        int mask = (1 << depth) - 1;
        int value = row[bit / 8] >> (8 - (size_t)depth - bit % 8) & mask;
        return (uint8_t)(samples->colour == GRAY ? value * (255 / mask) : value);
    }
    if (depth == 16 && samples->colour == GRAY) {
        /* Pillow clips 16-bit gray where it should scale. */
        return row[2 * (size_t)x] ? 255 : row[2 * (size_t)x + 1];
    }
    return row[(size_t)x * (size_t)png_channels(samples->colour) * (size_t)(depth / 8)];
}

void png_store_row(const struct png_samples *samples, const uint8_t *row, uint32_t width, uint8_t *out,
    size_t advance) {
    uint32_t x = 0;
    if (samples->depth == 8 && advance == 3) {
        if (samples->colour == COLOUR) {
            memcpy(out, row, (size_t)width * 3);
            return;
        }
        bool quick = samples->colour == GRAY || samples->colour == COLOUR_ALPHA;
        if (quick && pixel_level() > PIXEL_PLAIN) x = store_vector(samples->colour, row, width, out);
        out += (size_t)x * 3;
    }
    if (samples->colour == COLOUR || samples->colour == COLOUR_ALPHA) {
        size_t bytes = (size_t)samples->depth / 8, step = bytes * (size_t)png_channels(samples->colour);
        for (row += x * step; x < width; x++, row += step, out += advance) {
            out[0] = row[0];
            out[1] = row[bytes];
            out[2] = row[2 * bytes];
        }
        return;
    }
    for (; x < width; x++, out += advance) {
        uint8_t value = value_at(samples, row, x);
        if (samples->colour == PALETTE) {
            memcpy(out, samples->palette + (size_t)value * 3, 3);
        } else {
            out[0] = out[1] = out[2] = value;
        }
    }
}
