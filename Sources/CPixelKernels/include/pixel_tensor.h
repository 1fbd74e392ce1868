#ifndef PIXEL_TENSOR_H
#define PIXEL_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* (value / 255 - mean) / deviation for each channel, in single precision and in this order. `tables` has the
 * 256 results of red, then green, then blue; `exact` says that the vector kernels' arithmetic, which
 * multiplies by reciprocals and corrects the rounding, gives the same bits for all of them. */
struct pixel_scaling {
    float mean[3], deviation[3];
    float tables[768];
    bool exact;
};

void pixel_scaling_prepare(struct pixel_scaling *scaling, const float mean[3], const float deviation[3]);

/* Packed RGB to three scaled planes, which lie one after the other, `count` values each. */
void pixel_planes_f32(const uint8_t *pixels, size_t count, const struct pixel_scaling *scaling, float *out);

/* The same with 16-bit values: tables of float16 or bfloat16 bit patterns. */
void pixel_planes_16(const uint8_t *pixels, size_t count, const uint16_t tables[768], uint16_t *out);

/* PyTorch's interpolate(mode="bicubic", align_corners=False, antialias=False) of `planes` planes on the
 * CPU. Returns false without memory. */
bool pixel_interpolate_bicubic(
    const float *in, int32_t planes, int32_t height, int32_t width, float *out, int32_t out_height,
    int32_t out_width);

#endif
