#ifndef PIXEL_WRITE_H
#define PIXEL_WRITE_H

#include <stddef.h>
#include <stdint.h>

/* A PNG file of packed RGB pixels in fresh memory (released with free), its size in `count`; NULL without
 * memory. Equal pixels give equal files. */
uint8_t *pixel_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, size_t *count);

#endif
