#ifndef PIXEL_TENSOR_H
#define PIXEL_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A model's numbers. The two of 16 bits are single-precision values rounded once to the nearest, ties to
 * even, as PyTorch's .half() and .bfloat16() round them. */
enum pixel_format {
    PIXEL_FLOAT32 = 0,
    PIXEL_FLOAT16,
    PIXEL_BFLOAT16,
};

/* (value / 255 - mean) / deviation for each channel, in single precision and in this order. `tables` has the
 * 256 results of red, then green, then blue, `halves` the same as float16 and as bfloat16; `exact` says that
 * the vector kernels' arithmetic, which multiplies by reciprocals and corrects the rounding, gives the same
 * bits for all of them. */
struct pixel_scaling {
    float mean[3], deviation[3];
    float tables[768];
    uint16_t halves[2][768];
    bool exact;
};

void pixel_scaling_prepare(struct pixel_scaling *scaling, const float mean[3], const float deviation[3]);

/* Packed RGB to three scaled planes, which lie one after the other, `count` values each. */
void pixel_planes(
    const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, enum pixel_format format,
    void *out);

/* How planes of one size become planes of another: PyTorch's
 * interpolate(mode="bicubic", align_corners=False, antialias=False) on the CPU. Never changed once made, so
 * that threads may share it. */
struct pixel_interpolation;

/* NULL without memory. */
struct pixel_interpolation *pixel_interpolation_create(
    int32_t height, int32_t width, int32_t out_height, int32_t out_width);
void pixel_interpolation_free(struct pixel_interpolation *interpolation);

/* The floats of scratch memory that one call needs. */
size_t pixel_interpolation_scratch(const struct pixel_interpolation *interpolation);

/* Packed RGB to three scaled planes of the new size. */
void pixel_planes_interpolated(
    const uint8_t *pixels, const struct pixel_scaling *scaling,
    const struct pixel_interpolation *interpolation, enum pixel_format format, float *scratch, void *out);

#endif
