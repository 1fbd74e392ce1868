#ifndef PIXEL_TENSOR_H
#define PIXEL_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Packed RGB to three planes, each value replaced by its table's: 256 floats for red, then green, blue.
 * `count` counts pixels; the planes lie one after the other, count values each. */
void pixel_planes_f32(const uint8_t *pixels, size_t count, const float tables[768], float *out);

/* The same with 16-bit values: tables of float16 or bfloat16 bit patterns. */
void pixel_planes_16(const uint8_t *pixels, size_t count, const uint16_t tables[768], uint16_t *out);

/* PyTorch's interpolate(mode="bicubic", align_corners=False, antialias=False) of `planes` planes on the
 * CPU. Returns false without memory. */
bool pixel_interpolate_bicubic(
    const float *in, int32_t planes, int32_t height, int32_t width, float *out, int32_t out_height,
    int32_t out_width);

#endif
