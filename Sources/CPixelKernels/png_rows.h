#ifndef PNG_ROWS_H
#define PNG_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum colour { GRAY, COLOUR, PALETTE, GRAY_ALPHA, COLOUR_ALPHA };

/* What the numbers of a PNG's row mean. */
struct png_samples {
    enum colour colour;
    /* Bits: 1, 2, 4, 8 or 16. */
    int depth;
    uint8_t palette[768];
};

int png_channels(enum colour colour);

/* Undoes the filter named by row[0]; false for an unknown one. Both rows hold length + 1 bytes; `step` is
 * the bytes from a pixel to the next, at least 1. */
bool png_unfilter(uint8_t *row, const uint8_t *above, size_t length, size_t step);

/* Turns `width` pixels of a row into RGB, `advance` bytes from one to the next. */
void png_store_row(
    const struct png_samples *samples, const uint8_t *row, uint32_t width, uint8_t *out, size_t advance);

#endif
