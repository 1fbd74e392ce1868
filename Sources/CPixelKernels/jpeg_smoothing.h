#ifndef JPEG_SMOOTHING_H
#define JPEG_SMOOTHING_H

#include <stdio.h>

#include <jpeglib.h>

/* How many coefficients of a block smoothing looks at: the first of the zigzag order. */
enum { SMOOTHED = 10 };

/* What is known of each component's first coefficients: 0 all bits, n > 0 all but the n lowest, -1 nothing.
 * First as of the last scan, then as of the one before it, for rows that the last did not reach. */
struct smoothing {
    int known[2][MAX_COMPONENTS][SMOOTHED];
};

/* After jpeg_start_decompress: has the decoder smooth the blocks of an unfinished progressive image as the
 * libjpeg-turbo inside Pillow does. Does nothing to other images, nor where the library is new enough to do
 * so itself. `smoothing` must live as long as the decoder, and takes its client_data. */
void smooth_as_pillow(j_decompress_ptr decoder, struct smoothing *smoothing);

#endif
