#ifndef PIXEL_DECODE_H
#define PIXEL_DECODE_H

#include <stddef.h>
#include <stdint.h>

/* Decoding to the pixels that Pillow gives with
 *
 *     ImageFile.LOAD_TRUNCATED_IMAGES = True
 *     Image.open(file).convert("RGBA").convert("RGB")
 *
 * Three bytes a pixel, red first, rows without padding. Decoding takes two calls, so that the caller can
 * refuse a size before anything of that size is allocated: first *_size, then *_decode into memory of
 * width * height * 3 bytes. */

enum pixel_status {
    PIXEL_OK = 0,
    /* Decoded as far as the bytes go; the rest is filled as Pillow fills it. */
    PIXEL_TRUNCATED = 1,
    /* Pillow raises an error on these bytes. */
    PIXEL_UNDECODABLE = 2,
    /* A variant of the format that no installed library decodes. */
    PIXEL_UNSUPPORTED = 3,
    PIXEL_NO_MEMORY = 4,
};

struct pixel_size {
    uint32_t width;
    uint32_t height;
};

/* What was wrong with the bytes, for a person. `text` is static storage or part of `buffer`. */
struct pixel_complaint {
    char buffer[200];
};

enum pixel_status pixel_jpeg_size(
    const uint8_t *bytes, size_t count, struct pixel_size *size, struct pixel_complaint *complaint);
enum pixel_status pixel_jpeg_decode(
    const uint8_t *bytes, size_t count, uint8_t *pixels, struct pixel_size size,
    struct pixel_complaint *complaint);

enum pixel_status pixel_png_size(
    const uint8_t *bytes, size_t count, struct pixel_size *size, struct pixel_complaint *complaint);
enum pixel_status pixel_png_decode(
    const uint8_t *bytes, size_t count, uint8_t *pixels, struct pixel_size size,
    struct pixel_complaint *complaint);

enum pixel_status pixel_webp_size(
    const uint8_t *bytes, size_t count, struct pixel_size *size, struct pixel_complaint *complaint);
enum pixel_status pixel_webp_decode(
    const uint8_t *bytes, size_t count, uint8_t *pixels, struct pixel_size size,
    struct pixel_complaint *complaint);

#endif
