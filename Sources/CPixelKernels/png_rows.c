#include "png_rows.h"

#include <stdlib.h>
#include <string.h>

int png_channels(enum colour colour) {
    static const int counts[] = {[GRAY] = 1, [COLOUR] = 3, [PALETTE] = 1, [GRAY_ALPHA] = 2,
        [COLOUR_ALPHA] = 4};
    return counts[colour];
}

static uint8_t paeth(int a, int b, int c) {
    int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c);
    return (uint8_t)(pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
}

bool png_unfilter(uint8_t *row, const uint8_t *above, size_t length, size_t step) {
    switch (row[0]) {
        case 0: return true;
        case 1:
            for (size_t i = step + 1; i <= length; i++) row[i] = (uint8_t)(row[i] + row[i - step]);
            return true;
        case 2:
            for (size_t i = 1; i <= length; i++) row[i] = (uint8_t)(row[i] + above[i]);
            return true;
        case 3:
            for (size_t i = 1; i <= length; i++) {
                int left = i > step ? row[i - step] : 0;
                row[i] = (uint8_t)(row[i] + (left + above[i]) / 2);
            }
            return true;
        case 4:
            for (size_t i = 1; i <= length && i <= step; i++) row[i] = (uint8_t)(row[i] + above[i]);
            for (size_t i = step + 1; i <= length; i++) {
                row[i] = (uint8_t)(row[i] + paeth(row[i - step], above[i], above[i - step]));
            }
            return true;
        default: return false;
    }
}

void png_store_row(const struct png_samples *samples, const uint8_t *row, uint32_t width, uint8_t *out,
    size_t advance) {
    int depth = samples->depth;
    if (samples->colour == COLOUR || samples->colour == COLOUR_ALPHA) {
        size_t bytes = (size_t)depth / 8, step = bytes * (size_t)png_channels(samples->colour);
        for (uint32_t x = 0; x < width; x++, row += step, out += advance) {
            out[0] = row[0];
            out[1] = row[bytes];
            out[2] = row[2 * bytes];
        }
        return;
    }
    for (uint32_t x = 0; x < width; x++, out += advance) {
        uint8_t value;
        if (depth < 8) {
            size_t bit = (size_t)x * (size_t)depth;
            int mask = (1 << depth) - 1;
            value = (uint8_t)(row[bit / 8] >> (8 - (size_t)depth - bit % 8) & mask);
            if (samples->colour == GRAY) value = (uint8_t)(value * (255 / mask));
        } else if (depth == 16 && samples->colour == GRAY) {
            /* Pillow clips 16-bit gray where it should scale. */
            value = row[2 * (size_t)x] ? 255 : row[2 * (size_t)x + 1];
        } else {
            value = row[(size_t)x * (size_t)png_channels(samples->colour) * (size_t)(depth / 8)];
        }
        if (samples->colour == PALETTE) {
            memcpy(out, samples->palette + (size_t)value * 3, 3);
        } else {
            out[0] = out[1] = out[2] = value;
        }
    }
}
