#ifndef AFFINE_VECTOR_H
#define AFFINE_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

/* Where output pixels come from, in 16.16 fixed point: the first one's place, and the steps to the right
 * and down. */
struct fixed_matrix {
    uint32_t x_right, x_down, x;
    uint32_t y_right, y_down, y;
};

/* Copies the pixels whose source lies inside; the others stay. False, and nothing is done, where the
 * processor lacks the instructions or the image is too small for them. */
bool affine_fixed_vector(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const struct fixed_matrix *matrix);

#endif
