#ifndef PIXEL_TONE_H
#define PIXEL_TONE_H

#include <stddef.h>
#include <stdint.h>

/* Operations on the values of packed RGB pixels, in place unless said otherwise. `count` counts pixels. */

/* out[0..255] red, [256..511] green, [512..767] blue. */
void pixel_histogram(const uint8_t *pixels, size_t count, uint32_t out[768]);

/* The smallest and largest value of each channel. */
void pixel_ranges(const uint8_t *pixels, size_t count, uint8_t low[3], uint8_t high[3]);

/* One table of 256 values for each channel, in the order of the histogram. */
void pixel_look_up(uint8_t *pixels, size_t count, const uint8_t tables[768]);

/* Sum of Pillow's convert("L") over all pixels. */
uint64_t pixel_luminance_sum(const uint8_t *pixels, size_t count);

/* Pillow's blend(a, b, alpha) of two values. */
uint8_t pixel_blend_value(uint8_t a, uint8_t b, float alpha);

/* blend(gray version, pixels, alpha): ImageEnhance.Color. */
void pixel_colour(uint8_t *pixels, size_t count, float alpha);

/* blend(smoothed, in, alpha) into out: ImageEnhance.Sharpness. */
void pixel_sharpen(const uint8_t *in, uint8_t *out, int32_t width, int32_t height, float alpha);

#endif
