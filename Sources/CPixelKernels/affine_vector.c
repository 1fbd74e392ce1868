#include "affine_vector.h"

#include "pixel_level.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))

struct image {
    const uint8_t *pixels;
    __m512i width, height, last_load;
};

/* The pixels at sixteen places, three bytes in each number; `inside` tells which places are in the image. */
static inline AVX512 __m512i fetch(const struct image *image, __m512i x, __m512i y, __mmask16 *inside) {
    __m512i from_x = _mm512_srai_epi32(x, 16), from_y = _mm512_srai_epi32(y, 16);
    /* Negative places are large as unsigned numbers. */
    *inside = _mm512_cmplt_epu32_mask(from_x, image->width) & _mm512_cmplt_epu32_mask(from_y, image->height);
    __m512i index = _mm512_add_epi32(_mm512_mullo_epi32(from_y, image->width), from_x);
    __m512i offset = _mm512_add_epi32(index, _mm512_slli_epi32(index, 1));
    /* Four bytes are read for three: the image's last pixel is read one byte earlier and shifted. */
    __mmask16 late = _mm512_cmpgt_epi32_mask(offset, image->last_load);
    offset = _mm512_min_epi32(offset, image->last_load);
    __m512i pixels = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), *inside, offset, image->pixels, 1);
    return _mm512_mask_srli_epi32(pixels, late, pixels, 8);
}

static AVX512 void affine_avx512(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const struct fixed_matrix *m) {
    const struct image image = {
        in, _mm512_set1_epi32(width), _mm512_set1_epi32(height), _mm512_set1_epi32(width * height * 3 - 4)};
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i right_x = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)m->x_right));
    const __m512i right_y = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)m->y_right));
    /* Four pixels to twelve bytes within a lane, then the lanes together, and the mask likewise. */
    const __m512i three = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1,
        -1, -1, -1));
    const __m512i together = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
    for (int32_t row = 0; row < height; row++) {
        uint32_t x = m->x + (uint32_t)row * m->x_down, y = m->y + (uint32_t)row * m->y_down;
        uint8_t *line = out + (size_t)row * (size_t)width * 3;
        for (int32_t column = 0; column < width; column += 16) {
            int32_t left = width - column < 16 ? width - column : 16;
            __mmask16 inside;
            __m512i pixels = fetch(
                &image, _mm512_add_epi32(_mm512_set1_epi32((int)x), right_x),
                _mm512_add_epi32(_mm512_set1_epi32((int)y), right_y), &inside);
            inside &= (__mmask16)((1u << left) - 1);
            __m512i packed = _mm512_permutexvar_epi32(together, _mm512_shuffle_epi8(pixels, three));
            __m512i marks = _mm512_permutexvar_epi32(
                together, _mm512_shuffle_epi8(_mm512_maskz_set1_epi32(inside, -1), three));
            __mmask64 bytes = _mm512_movepi8_mask(marks) & 0xFFFFFFFFFFFFull;
            _mm512_mask_storeu_epi8(line + (size_t)column * 3, bytes, packed);
            x += 16 * m->x_right;
            y += 16 * m->y_right;
        }
    }
}

bool affine_fixed_vector(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const struct fixed_matrix *matrix) {
    if (pixel_level() != PIXEL_AVX512) return false;
    int64_t pixels = (int64_t)width * height;
    if (pixels < 2 || pixels > INT32_MAX / 4) return false;
    affine_avx512(in, out, width, height, matrix);
    return true;
}

#else

bool affine_fixed_vector(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const struct fixed_matrix *matrix) {
    (void)in, (void)out, (void)width, (void)height, (void)matrix;
    return false;
}

#endif
