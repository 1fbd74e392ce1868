#ifndef PNG_CHUNKS_H
#define PNG_CHUNKS_H

#include <stdbool.h>
#include <string.h>

#include "pixel_decode.h"
#include "png_rows.h"

struct frame {
    uint32_t left, top, width, height;
};

struct png {
    const uint8_t *bytes;
    size_t count;
    size_t position;
    struct pixel_size size;
    struct png_samples samples;
    bool known_mode;
    bool interlaced;
    bool animated;
    bool framed;
    uint32_t sequence;
    bool in_sequence;
    struct frame frame;
    size_t image_length;
    struct pixel_complaint *complaint;
};

struct chunk {
    uint8_t name[4];
    const uint8_t *data;
    uint32_t length;
};

static inline bool chunk_is(const struct chunk *chunk, const char *name) {
    return memcmp(chunk->name, name, 4) == 0;
}

/* Reads a chunk's length and name; false at the end of the bytes. To Pillow a name that is cut is a name. */
bool png_next_chunk(struct png *png, struct chunk *chunk);

/* Reads up to the data of the first IDAT. */
enum pixel_status png_open_image(struct png *png);

/* Walks what follows the image, where Pillow still raises on a cut chunk. */
enum pixel_status png_close_image(struct png *png);

#endif
