#ifndef PLANES_H
#define PLANES_H

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

/* Sixteen RGB pixels (48 bytes) as sixteen bytes of each channel, and back. */
struct sixteen {
    __m128i channel[3];
};

#define SHUFFLES __attribute__((target("ssse3"), always_inline))

static inline SHUFFLES __m128i gather_three(__m128i a, __m128i b, __m128i c, __m128i ma, __m128i mb,
    __m128i mc) {
    return _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(a, ma), _mm_shuffle_epi8(b, mb)),
        _mm_shuffle_epi8(c, mc));
}

static inline SHUFFLES struct sixteen split_sixteen(const uint8_t *pixels) {
    __m128i a = _mm_loadu_si128((const __m128i *)pixels);
    __m128i b = _mm_loadu_si128((const __m128i *)(pixels + 16));
    __m128i c = _mm_loadu_si128((const __m128i *)(pixels + 32));
    struct sixteen planes;
    planes.channel[0] = gather_three(
        a, b, c, _mm_setr_epi8(0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
        _mm_setr_epi8(-1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1),
        _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13));
    planes.channel[1] = gather_three(
        a, b, c, _mm_setr_epi8(1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
        _mm_setr_epi8(-1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1),
        _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14));
    planes.channel[2] = gather_three(
        a, b, c, _mm_setr_epi8(2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
        _mm_setr_epi8(-1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1),
        _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15));
    return planes;
}

static inline SHUFFLES void join_sixteen(struct sixteen planes, uint8_t *pixels) {
    __m128i r = planes.channel[0], g = planes.channel[1], b = planes.channel[2];
    __m128i first = gather_three(
        r, g, b, _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5),
        _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1),
        _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1));
    __m128i second = gather_three(
        r, g, b, _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1),
        _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10),
        _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1));
    __m128i third = gather_three(
        r, g, b, _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1),
        _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1),
        _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15));
    _mm_storeu_si128((__m128i *)pixels, first);
    _mm_storeu_si128((__m128i *)(pixels + 16), second);
    _mm_storeu_si128((__m128i *)(pixels + 32), third);
}

#endif
#endif
