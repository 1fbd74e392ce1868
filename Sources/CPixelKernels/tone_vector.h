#ifndef TONE_VECTOR_H
#define TONE_VECTOR_H

#include <stddef.h>
#include <stdint.h>

/* The vector forms of pixel_tone.h. Each does as much as it can from the start and says how much that was;
 * the caller's plain code does the rest. On a processor without the instructions they do nothing. */

/* Pixels done. */
size_t look_up_vector(uint8_t *pixels, size_t count, const uint8_t tables[768]);
size_t luminance_sum_vector(const uint8_t *pixels, size_t count, uint64_t *sum);
size_t colour_vector(uint8_t *pixels, size_t count, float alpha);

/* Bytes done, from the fourth of the row on; the rows above and below must exist. */
size_t sharpen_row_vector(const uint8_t *row, uint8_t *out, size_t stride, float alpha);

#endif
