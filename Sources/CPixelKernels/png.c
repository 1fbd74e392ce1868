#include "pixel_decode.h"

#include <stdio.h>
#include <stdlib.h>

#include <libdeflate.h>
#include <zlib.h>

#include "png_chunks.h"

/* PNG (ISO/IEC 15948) read as Pillow reads it. Pillow has a PNG reader of its own on zlib and keeps every
 * row that it got before the data end or break; libpng stops elsewhere. So this file follows Pillow:
 *
 *     signature, then chunks {length, name, data, checksum} up to the first IDAT;
 *     inflate row by row, undo the row's filter, spread interlaced rows as they come;
 *     what never arrived is value 0: black, or the first colour of the palette;
 *     chunks behind the image are walked once more, a cut one of them is an error.
 *
 * A sound file takes a short cut: libdeflate inflates all of its image data at once, twice as fast as zlib.
 * It accepts a stream only when the stream makes exactly the image's rows and its checksum holds; any other
 * goes through zlib from its beginning. */

enum {
    BLOCK = 65536,
    /* Larger images are inflated row by row, to bound the memory beside the pixels. */
    WHOLE_MAX = 1 << 26,
    /* Deflate makes at most this of a byte (a match of 258 in two bits), so a header that promises more
     * belongs to a cut file. */
    EXPANSION_MAX = 1032,
    /* The kernels read up to this many bytes past a row. */
    SLACK = 16,
};

/* Adam7: where each pass starts and how far apart its pixels are. */
static const struct pass {
    uint32_t column, row, across, down;
} passes[8] = {
    {0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
    {0, 0, 1, 1},
};
enum { LAST_PASS = 6, WHOLE_IMAGE = 7 };

struct rows {
    struct png *png;
    uint8_t *pixels;
    /* The row that is read, its filter's number first, and the row above it. */
    uint8_t *row;
    const uint8_t *above;
    /* Three rows' memory: two that take turns, and one of zeros, which is above the first of a pass. */
    uint8_t *lines;
    size_t line;
    size_t step;
    int pass;
    uint32_t y;
    uint32_t width;
    size_t length;
    enum { READING, COMPLETE, BROKEN } state;
};

static size_t bits_per_pixel(const struct png *png) {
    return (size_t)png->samples.depth * (size_t)png_channels(png->samples.colour);
}

/* How many of `side` columns or rows a pass has. */
static uint32_t steps(uint32_t side, uint32_t first, uint32_t apart) {
    return side > first ? (side - first + apart - 1) / apart : 0;
}

static void begin_pass(struct rows *rows, int pass) {
    rows->pass = pass;
    rows->y = passes[pass].row;
    rows->width = steps(rows->png->frame.width, passes[pass].column, passes[pass].across);
    rows->length = (rows->width * bits_per_pixel(rows->png) + 7) / 8;
    rows->above = rows->lines + 2 * rows->line;
}

/* Undoes the filter of the row, stores its pixels, and moves to where the next row belongs. */
static void take_row(struct rows *rows) {
    const struct png *png = rows->png;
    const struct pass *pass = &passes[rows->pass];
    if (!png_unfilter(rows->row, rows->above, rows->length, rows->step)) {
        rows->state = BROKEN;
        return;
    }
    /* Pillow places an interlaced frame at the image's corner, whatever its offset. */
    uint32_t top = rows->pass == WHOLE_IMAGE ? png->frame.top : 0;
    uint32_t left = rows->pass == WHOLE_IMAGE ? png->frame.left : 0;
    size_t pixel = (size_t)(top + rows->y) * png->size.width + left + pass->column;
    png_store_row(
        &png->samples, rows->row + 1, rows->width, rows->pixels + pixel * 3, (size_t)pass->across * 3);
    rows->above = rows->row;
    rows->y += pass->down;
    while (rows->y >= png->frame.height || rows->length == 0) {
        if (rows->pass >= LAST_PASS) {
            rows->state = COMPLETE;
            return;
        }
        begin_pass(rows, rows->pass + 1);
    }
}

/* MARK: Row by row */

static void fill_with_first_value(const struct png *png, uint8_t *pixels) {
    size_t count = (size_t)png->size.width * png->size.height;
    memset(pixels, 0, count * 3);
    if (png->samples.colour != PALETTE || memcmp(png->samples.palette, "\0\0\0", 3) == 0) return;
    for (size_t index = 0; index < count; index++) memcpy(pixels + index * 3, png->samples.palette, 3);
}

/* Inflates one block of the image data; `filled` bytes of the row are there. */
static void inflate_block(
    struct rows *rows, z_stream *stream, size_t *filled, const uint8_t *bytes, size_t count) {
    stream->next_in = (Bytef *)(uintptr_t)bytes;
    stream->avail_in = (uInt)count;
    while (stream->avail_in > 0 && rows->state == READING) {
        stream->next_out = rows->row + *filled;
        stream->avail_out = (uInt)(rows->length + 1 - *filled);
        int result = inflate(stream, Z_NO_FLUSH);
        if (result < 0) {
            rows->state = BROKEN;
            return;
        }
        *filled = rows->length + 1 - stream->avail_out;
        if (stream->avail_out > 0) {
            /* More data is needed, or the data ended inside a row. */
            if (result == Z_STREAM_END) rows->state = BROKEN;
            return;
        }
        take_row(rows);
        *filled = 0;
        if (result == Z_STREAM_END && rows->state == READING) rows->state = BROKEN;
        rows->row = rows->row == rows->lines ? rows->lines + rows->line : rows->lines;
    }
}

/* Goes through the IDAT chunks, which Pillow reads in blocks. Returns false without memory. */
static bool read_by_rows(struct rows *rows) {
    struct png *png = rows->png;
    z_stream stream = {0};
    size_t filled = 0;
    if (inflateInit(&stream) != Z_OK) return false;
    fill_with_first_value(png, rows->pixels);
    rows->state = READING;
    begin_pass(rows, png->interlaced ? 0 : WHOLE_IMAGE);
    rows->row = rows->lines;
    while (rows->state == READING) {
        while (png->image_length == 0) {
            size_t left = png->count - png->position, start = png->position;
            png->position += left < 4 ? left : 4;
            struct chunk chunk;
            bool found = png_next_chunk(png, &chunk);
            if (!found || (!chunk_is(&chunk, "IDAT") && !chunk_is(&chunk, "DDAT"))) {
                if (found) png->position = start;
                inflateEnd(&stream);
                return true;
            }
            png->image_length = chunk.length;
        }
        size_t block = png->image_length < BLOCK ? png->image_length : BLOCK;
        size_t left = png->count - png->position;
        png->image_length -= block;
        if (block > left) block = left;
        if (block == 0) break;
        inflate_block(rows, &stream, &filled, png->bytes + png->position, block);
        png->position += block;
    }
    inflateEnd(&stream);
    return true;
}

/* MARK: All at once */

/* The bytes of all rows with their filters' numbers. */
static uint64_t inflated_size(const struct png *png) {
    uint64_t total = 0;
    for (int pass = png->interlaced ? 0 : WHOLE_IMAGE; pass <= (png->interlaced ? LAST_PASS : WHOLE_IMAGE);
         pass++) {
        const struct pass *grid = &passes[pass];
        uint64_t width = steps(png->frame.width, grid->column, grid->across);
        uint64_t height = steps(png->frame.height, grid->row, grid->down);
        if (width > 0) total += ((width * bits_per_pixel(png) + 7) / 8 + 1) * height;
    }
    return total;
}

/* Goes through the IDAT chunks without moving the reader: their bytes one after the other to `out` where it
 * is not NULL. Returns how many those are, 0 when a chunk is cut. */
static size_t gather(const struct png *png, uint8_t *out) {
    struct png reader = *png;
    size_t total = 0;
    struct chunk chunk = {.data = png->bytes + png->position, .length = (uint32_t)png->image_length};
    do {
        size_t left = reader.count - reader.position;
        if (left < 4 || left - 4 < chunk.length) return 0;
        if (out) memcpy(out + total, chunk.data, chunk.length);
        total += chunk.length;
        reader.position += (size_t)chunk.length + 4;
    } while (png_next_chunk(&reader, &chunk) && chunk_is(&chunk, "IDAT"));
    return total;
}

/* The image data of one chunk or of several as one piece: `*copy` is to be freed. NULL when there is none. */
static const uint8_t *image_data(const struct png *png, size_t total, uint8_t **copy) {
    if (total == png->image_length) return png->bytes + png->position;
    *copy = malloc(total);
    if (*copy) gather(png, *copy);
    return *copy;
}

/* Decodes an image that fills its canvas, when its data are sound and of moderate size. Otherwise it returns
 * false and may have written some pixels: the data are cut, damaged or too large, or memory is short. */
static bool read_at_once(struct rows *rows) {
    const struct png *png = rows->png;
    uint64_t size = inflated_size(png);
    size_t total = gather(png, NULL);
    if (total == 0 || size > WHOLE_MAX || size / EXPANSION_MAX > total) return false;
    if (png->frame.width != png->size.width || png->frame.height != png->size.height) return false;
    uint8_t *copy = NULL, *inflated = malloc(size + SLACK);
    const uint8_t *data = image_data(png, total, &copy);
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    bool sound = inflated && data && decompressor
        && libdeflate_zlib_decompress(decompressor, data, total, inflated, size, NULL) == LIBDEFLATE_SUCCESS;
    if (decompressor) libdeflate_free_decompressor(decompressor);
    free(copy);
    begin_pass(rows, png->interlaced ? 0 : WHOLE_IMAGE);
    rows->row = inflated;
    while (sound && rows->state == READING) {
        size_t length = rows->length;
        take_row(rows);
        rows->row += length + 1;
    }
    free(inflated);
    return rows->state == COMPLETE;
}

/* MARK: Entry points */

enum pixel_status pixel_png_size(
    const uint8_t *bytes, size_t count, struct pixel_size *size, struct pixel_complaint *complaint) {
    struct png png = {.bytes = bytes, .count = count, .complaint = complaint};
    enum pixel_status status = png_open_image(&png);
    *size = png.size;
    return status;
}

enum pixel_status pixel_png_decode(
    const uint8_t *bytes, size_t count, uint8_t *pixels, struct pixel_size size,
    struct pixel_complaint *complaint) {
    struct png png = {.bytes = bytes, .count = count, .complaint = complaint};
    enum pixel_status status = png_open_image(&png);
    if (status != PIXEL_OK) return status;
    if (png.size.width != size.width || png.size.height != size.height) return PIXEL_UNDECODABLE;
    size_t bits = bits_per_pixel(&png);
    struct rows rows = {.png = &png, .pixels = pixels, .step = (bits + 7) / 8};
    rows.line = (png.frame.width * bits + 7) / 8 + 1 + SLACK;
    rows.lines = calloc(rows.line, 3);
    bool done = rows.lines && (read_at_once(&rows) || read_by_rows(&rows));
    free(rows.lines);
    if (!done) {
        snprintf(complaint->buffer, sizeof complaint->buffer, "no memory to decode a PNG");
        return PIXEL_NO_MEMORY;
    }
    status = png_close_image(&png);
    if (status != PIXEL_OK) return status;
    return rows.state == COMPLETE ? PIXEL_OK : PIXEL_TRUNCATED;
}
