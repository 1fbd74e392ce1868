#include "pixel_write.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

/* A PNG with one IDAT chunk, 8 bits a channel, every row filtered by the difference to the row above. */

static void put(uint8_t *out, uint32_t value) {
    for (int index = 0; index < 4; index++) out[index] = (uint8_t)(value >> (24 - 8 * index));
}

/* Writes the length and name before, and the checksum behind, `length` bytes of data at out + 8. */
static size_t close_chunk(uint8_t *out, const char *name, size_t length) {
    put(out, (uint32_t)length);
    memcpy(out + 4, name, 4);
    put(out + 8 + length, (uint32_t)crc32(0, out + 4, (uInt)length + 4));
    return length + 12;
}

uint8_t *pixel_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, size_t *count) {
    size_t stride = (size_t)width * 3, raw = (stride + 1) * height;
    uLong packed_max = compressBound((uLong)raw);
    uint8_t *rows = malloc(raw), *file = malloc(8 + 25 + 12 + packed_max + 12);
    if (!rows || !file) {
        free(rows);
        free(file);
        return NULL;
    }
    for (uint32_t y = 0; y < height; y++) {
        uint8_t *row = rows + y * (stride + 1);
        const uint8_t *in = pixels + y * stride;
        row[0] = 2;
        for (size_t x = 0; x < stride; x++) row[x + 1] = (uint8_t)(in[x] - (y ? in[x - stride] : 0));
    }
    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    size_t position = 8;
    put(file + position + 8, width);
    put(file + position + 12, height);
    memcpy(file + position + 16, "\x08\x02\0\0\0", 5);
    position += close_chunk(file + position, "IHDR", 13);
    uLong packed = packed_max;
    if (compress2(file + position + 8, &packed, rows, (uLong)raw, 4) != Z_OK) {
        free(rows);
        free(file);
        return NULL;
    }
    free(rows);
    position += close_chunk(file + position, "IDAT", packed);
    position += close_chunk(file + position, "IEND", 0);
    *count = position;
    return file;
}
