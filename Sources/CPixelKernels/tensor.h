#ifndef TENSOR_H
#define TENSOR_H

#include "pixel_tensor.h"

/* Rounding of single-precision values to the two formats of 16 bits. */
uint16_t float16_bits(float value);
uint16_t bfloat16_bits(float value);

/* `count` values to one of the formats. */
void tensor_store(const float *values, size_t count, enum pixel_format format, void *out);

#if defined(__x86_64__)
/* As many of the pixels, or values, as fill whole vectors; they return how many that was. `scaling` must be
 * exact. */
size_t planes_avx2(
    const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, enum pixel_format format,
    void *out);
size_t planes_avx512(
    const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, enum pixel_format format,
    void *out);
size_t store_avx2(const float *values, size_t count, enum pixel_format format, void *out);
#endif

#endif
