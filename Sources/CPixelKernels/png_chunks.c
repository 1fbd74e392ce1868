#include "png_chunks.h"

#include <stdio.h>

#include <zlib.h>

/* The chunks of a PNG around its image data, and when Pillow raises an error on them: checksums of critical
 * chunks count, those of ancillary ones and of IDAT do not. */

static enum pixel_status complain(struct pixel_complaint *complaint, enum pixel_status status,
    const char *text) {
    snprintf(complaint->buffer, sizeof complaint->buffer, "%s", text);
    return status;
}

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

bool png_next_chunk(struct png *png, struct chunk *chunk) {
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
    bool profile = chunk_is(chunk, "iCCP");
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
    if (chunk_is(chunk, "IHDR")) return read_image_header(png, chunk);
    if (chunk_is(chunk, "PLTE")) return read_palette(png, chunk, before_image);
    if (chunk_is(chunk, "tRNS")) {
        bool too_long = png->known_mode && png->samples.colour == PALETTE && chunk->length > 256;
        return too_long ? complain(png->complaint, PIXEL_UNDECODABLE, "the PNG's transparency is too long")
            : PIXEL_OK;
    }
    if (chunk_is(chunk, "iCCP") || chunk_is(chunk, "zTXt")) return check_compression(png, chunk);
    if (chunk_is(chunk, "fcTL")) return read_frame_control(png, chunk);
    if (chunk_is(chunk, "acTL") && chunk->length >= 8) png->animated = big_endian(chunk->data) > 1;
    return PIXEL_OK;
}

static bool is_ascii(const struct chunk *chunk) {
    return ((chunk->name[0] | chunk->name[1] | chunk->name[2] | chunk->name[3]) & 0x80) == 0;
}

enum pixel_status png_open_image(struct png *png) {
    if (png->count < 8 || memcmp(png->bytes, "\x89PNG\r\n\x1a\n", 8) != 0) {
        return complain(png->complaint, PIXEL_UNDECODABLE, "the bytes do not begin as a PNG does");
    }
    png->position = 8;
    struct chunk chunk;
    while (png_next_chunk(png, &chunk)) {
        if (chunk_is(&chunk, "IEND")) {
            return complain(png->complaint, PIXEL_UNDECODABLE, "the PNG has no image data");
        }
        if (chunk_is(&chunk, "IDAT")) {
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

enum pixel_status png_close_image(struct png *png) {
    size_t left = png->count - png->position;
    png->position += png->image_length < left ? png->image_length : left;
    struct chunk chunk;
    while (true) {
        left = png->count - png->position;
        png->position += left < 4 ? left : 4;
        if (!png_next_chunk(png, &chunk) || chunk_is(&chunk, "IEND")) return PIXEL_OK;
        if (chunk_is(&chunk, "fcTL") && png->animated) return PIXEL_OK;
        if (!is_ascii(&chunk)) return PIXEL_OK;
        if (!is_whole(png, &chunk)) {
            if (chunk_is(&chunk, "IDAT")) return PIXEL_OK;
            return complain(png->complaint, PIXEL_UNDECODABLE,
                "the PNG ends inside a chunk behind its image");
        }
        enum pixel_status status = take_chunk(png, &chunk, false);
        if (status != PIXEL_OK) return status;
        png->position += chunk.length;
    }
}
