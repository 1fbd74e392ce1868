#ifndef PIXEL_LEVEL_H
#define PIXEL_LEVEL_H

/* Which instructions the kernels use. All levels give equal bytes; plain C is the reference. */
enum pixel_level {
    PIXEL_PLAIN = 0,
    /* AVX2, FMA and F16C. */
    PIXEL_AVX2 = 1,
    /* AVX-512 F, BW, VL and VNNI. */
    PIXEL_AVX512 = 2,
};

/* The best that this processor has, or the maximum set below. */
enum pixel_level pixel_level(void);

/* For tests and benchmarks: keeps all threads' kernels at or below a level. */
void pixel_set_level_max(enum pixel_level maximum);

#endif
