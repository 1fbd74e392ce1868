#include "pixel_decode.h"

#include "png_rows.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

/* PNG (ISO/IEC 15948) read as Pillow reads it. Pillow has a PNG reader of its own on zlib and keeps every
 * row that it got before the data end or break; libpng stops elsewhere. So this file follows Pillow:
 *
 *     signature, then chunks {length, name, data, checksum} up to the first IDAT;
 *     checksums of critical chunks count, those of ancillary ones and of IDAT do not;
 *     inflate row by row, undo the row's filter, spread interlaced rows as they come;
 *     what never arrived is value 0: black, or the first colour of the palette;
 *     chunks behind the image are walked once more, a cut one of them is an error. */

enum { BLOCK = 65536 };

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

static enum pixel_status complain(struct pixel_complaint *complaint, enum pixel_status status,
    const char *text) {
    snprintf(complaint->buffer, sizeof complaint->buffer, "%s", text);
    return status;
}

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* MARK: Chunks */

struct chunk {
    uint8_t name[4];
    const uint8_t *data;
    uint32_t length;
};

static bool is(const struct chunk *chunk, const char *name) { return memcmp(chunk->name, name, 4) == 0; }

/* Reads a chunk's length and name; false at the end of the bytes. To Pillow a name that is cut is a name. */
static bool next_chunk(struct png *png, struct chunk *chunk) {
    size_t left = png->count - png->position;
    if (left < 4) return false;
    size_t letters = left < 8 ? left - 4 : 4;
    chunk->length = big_endian(png->bytes + png->position);
    memset(chunk->name, 0, sizeof chunk->name);
    memcpy(chunk->name, png->bytes + png->position + 4, letters);
    png->position += 4 + letters;
    chunk->data = png->bytes + png->position;
    return true;
}

static bool is_whole(const struct png *png, const struct chunk *chunk) {
    return png->count - png->position >= chunk->length;
}

static enum pixel_status read_image_header(struct png *png, const struct chunk *chunk) {
    if (chunk->length < 13) return PIXEL_OK;
    const uint8_t *data = chunk->data;
    png->size.width = big_endian(data);
    png->size.height = big_endian(data + 4);
    static const struct {
        uint8_t type;
        enum colour colour;
        /* Bit n stands for a depth of n. */
        uint32_t depths;
    } modes[] = {
        {0, GRAY, 1u << 1 | 1u << 2 | 1u << 4 | 1u << 8 | 1u << 16},
        {2, COLOUR, 1u << 8 | 1u << 16},
        {3, PALETTE, 1u << 1 | 1u << 2 | 1u << 4 | 1u << 8},
        {4, GRAY_ALPHA, 1u << 8 | 1u << 16},
        {6, COLOUR_ALPHA, 1u << 8 | 1u << 16},
    };
    for (size_t index = 0; index < sizeof modes / sizeof *modes; index++) {
        if (modes[index].type == data[9] && data[8] <= 16 && modes[index].depths >> data[8] & 1) {
            png->samples.colour = modes[index].colour;
            png->samples.depth = data[8];
            png->known_mode = true;
        }
    }
    if (data[12]) png->interlaced = true;
    if (data[11]) return complain(png->complaint, PIXEL_UNDECODABLE, "the PNG has an unknown filter method");
    return PIXEL_OK;
}

static enum pixel_status read_palette(struct png *png, const struct chunk *chunk, bool before_image) {
    if (!before_image || !png->known_mode || png->samples.colour != PALETTE) return PIXEL_OK;
    if (chunk->length / 3 > 256) {
        return complain(png->complaint, PIXEL_UNDECODABLE, "the PNG's palette is too long");
    }
    memset(png->samples.palette, 0, sizeof png->samples.palette);
    memcpy(png->samples.palette, chunk->data, chunk->length / 3 * 3);
    return PIXEL_OK;
}

static enum pixel_status read_frame_control(struct png *png, const struct chunk *chunk) {
    if (chunk->length < 26) return PIXEL_OK;
    uint32_t sequence = big_endian(chunk->data);
    if (png->in_sequence ? sequence != png->sequence + 1 : sequence != 0) {
        return complain(png->complaint, PIXEL_UNDECODABLE, "the animated PNG's frames are out of order");
    }
    png->sequence = sequence;
    png->in_sequence = true;
    struct frame frame = {
        big_endian(chunk->data + 12), big_endian(chunk->data + 16), big_endian(chunk->data + 4),
        big_endian(chunk->data + 8)};
    if ((uint64_t)frame.left + frame.width > png->size.width
        || (uint64_t)frame.top + frame.height > png->size.height) {
        return complain(png->complaint, PIXEL_UNDECODABLE, "the animated PNG's frame leaves the image");
    }
    png->frame = frame;
    png->framed = true;
    return PIXEL_OK;
}

static enum pixel_status check_compression(struct png *png, const struct chunk *chunk) {
    const uint8_t *zero = memchr(chunk->data, 0, chunk->length);
    bool profile = is(chunk, "iCCP");
    size_t method = zero ? (size_t)(zero - chunk->data) + 1 : profile ? 0 : chunk->length;
    if (method >= chunk->length) {
        /* An empty compressed text passes, a profile without its method does not. */
        return profile ? complain(png->complaint, PIXEL_UNDECODABLE, "the PNG's colour profile is cut")
            : PIXEL_OK;
    }
    if (chunk->data[method] == 0) return PIXEL_OK;
    return complain(png->complaint, PIXEL_UNDECODABLE, "the PNG has an unknown compression method");
}

/* What a chunk other than IDAT and IEND means. Its data is whole. */
static enum pixel_status take_chunk(struct png *png, const struct chunk *chunk, bool before_image) {
    if (is(chunk, "IHDR")) return read_image_header(png, chunk);
    if (is(chunk, "PLTE")) return read_palette(png, chunk, before_image);
    if (is(chunk, "tRNS")) {
        bool too_long = png->known_mode && png->samples.colour == PALETTE && chunk->length > 256;
        return too_long ? complain(png->complaint, PIXEL_UNDECODABLE, "the PNG's transparency is too long")
            : PIXEL_OK;
    }
    if (is(chunk, "iCCP") || is(chunk, "zTXt")) return check_compression(png, chunk);
    if (is(chunk, "fcTL")) return read_frame_control(png, chunk);
    if (is(chunk, "acTL") && chunk->length >= 8) png->animated = big_endian(chunk->data) > 1;
    return PIXEL_OK;
}

static bool is_ascii(const struct chunk *chunk) {
    return ((chunk->name[0] | chunk->name[1] | chunk->name[2] | chunk->name[3]) & 0x80) == 0;
}

/* Reads up to the data of the first IDAT. */
static enum pixel_status open_image(struct png *png) {
    if (png->count < 8 || memcmp(png->bytes, "\x89PNG\r\n\x1a\n", 8) != 0) {
        return complain(png->complaint, PIXEL_UNDECODABLE, "the bytes do not begin as a PNG does");
    }
    png->position = 8;
    struct chunk chunk;
    while (next_chunk(png, &chunk)) {
        if (is(&chunk, "IEND")) {
            return complain(png->complaint, PIXEL_UNDECODABLE, "the PNG has no image data");
        }
        if (is(&chunk, "IDAT")) {
            if (!png->known_mode || png->size.width == 0 || png->size.height == 0
                || png->size.width > INT32_MAX || png->size.height > INT32_MAX) {
                return complain(png->complaint, PIXEL_UNDECODABLE, "the PNG's header is missing or invalid");
            }
            if (!png->framed) png->frame = (struct frame){0, 0, png->size.width, png->size.height};
            if (png->frame.width == 0 || png->frame.height == 0) {
                return complain(png->complaint, PIXEL_UNDECODABLE, "the animated PNG's first frame is empty");
            }
            png->image_length = chunk.length;
            return PIXEL_OK;
        }
        if (!is_ascii(&chunk)) {
            return complain(png->complaint, PIXEL_UNDECODABLE, "the PNG has a damaged chunk");
        }
        if (!is_whole(png, &chunk)) {
            return complain(png->complaint, PIXEL_UNDECODABLE, "the PNG ends in its header");
        }
        enum pixel_status status = take_chunk(png, &chunk, true);
        if (status != PIXEL_OK) return status;
        png->position += chunk.length;
        bool ancillary = chunk.name[0] >> 5 & 1;
        size_t left = png->count - png->position;
        if (!ancillary) {
            if (left < 4) return complain(png->complaint, PIXEL_UNDECODABLE, "the PNG ends in its header");
            uint32_t sum = (uint32_t)crc32(crc32(0, chunk.name, 4), chunk.data, chunk.length);
            if (sum != big_endian(png->bytes + png->position)) {
                return complain(png->complaint, PIXEL_UNDECODABLE, "a PNG chunk has a wrong checksum");
            }
        }
        png->position += left < 4 ? left : 4;
    }
    return complain(png->complaint, PIXEL_UNDECODABLE, "the PNG ends in its header");
}

/* Walks what follows the image, where Pillow still raises on a cut chunk. */
static enum pixel_status close_image(struct png *png) {
    size_t left = png->count - png->position;
    png->position += png->image_length < left ? png->image_length : left;
    struct chunk chunk;
    while (true) {
        left = png->count - png->position;
        png->position += left < 4 ? left : 4;
        if (!next_chunk(png, &chunk) || is(&chunk, "IEND")) return PIXEL_OK;
        if (is(&chunk, "fcTL") && png->animated) return PIXEL_OK;
        if (!is_ascii(&chunk)) return PIXEL_OK;
        if (!is_whole(png, &chunk)) {
            if (is(&chunk, "IDAT")) return PIXEL_OK;
            return complain(png->complaint, PIXEL_UNDECODABLE,
                "the PNG ends inside a chunk behind its image");
        }
        enum pixel_status status = take_chunk(png, &chunk, false);
        if (status != PIXEL_OK) return status;
        png->position += chunk.length;
    }
}

/* MARK: Image data */

/* Adam7: where each pass starts and how far apart its pixels are. */
static const struct pass {
    uint32_t column, row, across, down;
} passes[8] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2},
    {0, 1, 1, 2},
               {0, 0, 1, 1}};
enum { WHOLE_IMAGE = 7 };

struct rows {
    struct png *png;
    uint8_t *pixels;
    z_stream stream;
    uint8_t *row;
    uint8_t *above;
    size_t filled;
    size_t step;
    int pass;
    uint32_t y;
    uint32_t width;
    size_t length;
    enum { READING, COMPLETE, BROKEN } state;
};

static void begin_pass(struct rows *rows, int pass) {
    const struct frame *frame = &rows->png->frame;
    rows->pass = pass;
    rows->y = passes[pass].row;
    uint32_t first = passes[pass].column, across = passes[pass].across;
    rows->width = frame->width > first ? (frame->width - first + across - 1) / across : 0;
    size_t bits = (size_t)rows->png->samples.depth * (size_t)png_channels(rows->png->samples.colour);
    rows->length = (rows->width * bits + 7) / 8;
}

static void store(struct rows *rows) {
    const struct png *png = rows->png;
    const struct pass *pass = &passes[rows->pass];
    /* Pillow places an interlaced frame at the image's corner, whatever its offset. */
    uint32_t top = rows->pass == WHOLE_IMAGE ? png->frame.top : 0;
    uint32_t left = rows->pass == WHOLE_IMAGE ? png->frame.left : 0;
    size_t pixel = (size_t)(top + rows->y) * png->size.width + left + pass->column;
    png_store_row(
        &png->samples, rows->row + 1, rows->width, rows->pixels + pixel * 3, (size_t)pass->across * 3);
    rows->y += pass->down;
    if (rows->pass == WHOLE_IMAGE) {
        if (rows->y >= png->frame.height) rows->state = COMPLETE;
        return;
    }
    while (rows->y >= png->frame.height || rows->length == 0) {
        if (rows->pass == 6) {
            rows->state = COMPLETE;
            return;
        }
        begin_pass(rows, rows->pass + 1);
        /* The row that becomes the one above, for a pass has none above its first. */
        memset(rows->row, 0, rows->length + 1);
    }
}

/* Inflates one block of the image data, row by row. */
static void inflate_block(struct rows *rows, const uint8_t *bytes, size_t count) {
    rows->stream.next_in = (Bytef *)(uintptr_t)bytes;
    rows->stream.avail_in = (uInt)count;
    while (rows->stream.avail_in > 0 && rows->state == READING) {
        rows->stream.next_out = rows->row + rows->filled;
        rows->stream.avail_out = (uInt)(rows->length + 1 - rows->filled);
        int result = inflate(&rows->stream, Z_NO_FLUSH);
        if (result < 0) {
            rows->state = BROKEN;
            return;
        }
        rows->filled = rows->length + 1 - rows->stream.avail_out;
        if (rows->stream.avail_out > 0) {
            /* More data is needed, or the data ended inside a row. */
            if (result == Z_STREAM_END) rows->state = BROKEN;
            return;
        }
        if (!png_unfilter(rows->row, rows->above, rows->length, rows->step)) {
            rows->state = BROKEN;
            return;
        }
        store(rows);
        rows->filled = 0;
        if (result == Z_STREAM_END && rows->state == READING) rows->state = BROKEN;
        uint8_t *above = rows->above;
        rows->above = rows->row;
        rows->row = above;
    }
}

/* Goes through the IDAT chunks, which Pillow reads in blocks. */
static void read_image(struct rows *rows) {
    struct png *png = rows->png;
    while (rows->state == READING) {
        while (png->image_length == 0) {
            size_t left = png->count - png->position, start = png->position;
            png->position += left < 4 ? left : 4;
            struct chunk chunk;
            if (!next_chunk(png, &chunk)) return;
            if (!is(&chunk, "IDAT") && !is(&chunk, "DDAT")) {
                png->position = start;
                return;
            }
            png->image_length = chunk.length;
        }
        size_t block = png->image_length < BLOCK ? png->image_length : BLOCK;
        size_t left = png->count - png->position;
        png->image_length -= block;
        if (block > left) block = left;
        if (block == 0) return;
        inflate_block(rows, png->bytes + png->position, block);
        png->position += block;
    }
}

enum pixel_status pixel_png_size(
    const uint8_t *bytes, size_t count, struct pixel_size *size, struct pixel_complaint *complaint) {
    struct png png = {.bytes = bytes, .count = count, .complaint = complaint};
    enum pixel_status status = open_image(&png);
    *size = png.size;
    return status;
}

static void fill_with_first_value(const struct png *png, uint8_t *pixels) {
    size_t count = (size_t)png->size.width * png->size.height;
    memset(pixels, 0, count * 3);
    if (png->samples.colour != PALETTE || memcmp(png->samples.palette, "\0\0\0", 3) == 0) return;
    for (size_t index = 0; index < count; index++) memcpy(pixels + index * 3, png->samples.palette, 3);
}

enum pixel_status pixel_png_decode(
    const uint8_t *bytes, size_t count, uint8_t *pixels, struct pixel_size size,
    struct pixel_complaint *complaint) {
    struct png png = {.bytes = bytes, .count = count, .complaint = complaint};
    enum pixel_status status = open_image(&png);
    if (status != PIXEL_OK) return status;
    if (png.size.width != size.width || png.size.height != size.height) return PIXEL_UNDECODABLE;
    struct rows rows = {.png = &png, .pixels = pixels};
    size_t bits = (size_t)png.samples.depth * (size_t)png_channels(png.samples.colour);
    rows.step = (bits + 7) / 8;
    size_t longest = (png.frame.width * bits + 7) / 8 + 1;
    uint8_t *first = calloc(longest, 1), *second = calloc(longest, 1);
    if (!first || !second || inflateInit(&rows.stream) != Z_OK) {
        free(first);
        free(second);
        return complain(complaint, PIXEL_NO_MEMORY, "no memory to decode a PNG");
    }
    rows.row = first;
    rows.above = second;
    fill_with_first_value(&png, pixels);
    begin_pass(&rows, png.interlaced ? 0 : WHOLE_IMAGE);
    read_image(&rows);
    inflateEnd(&rows.stream);
    free(first);
    free(second);
    status = close_image(&png);
    if (status != PIXEL_OK) return status;
    return rows.state == COMPLETE ? PIXEL_OK : PIXEL_TRUNCATED;
}
