/* libFuzzer's entry for the image decoders: any bytes decode or are refused, without a bad access, within the
 * limits of memory that the caller of *_size sets. The pixels are then resized, so that every one is read. */

#include "CPixelKernels.h"

#include <stdlib.h>
#include <string.h>

enum { PIXELS_MAX = 1 << 20 };

struct format {
    enum pixel_status (*size)(const uint8_t *, size_t, struct pixel_size *, struct pixel_complaint *);
    enum pixel_status (*decode)(const uint8_t *, size_t, uint8_t *, struct pixel_size,
        struct pixel_complaint *);
};

static const struct format jpeg = {pixel_jpeg_size, pixel_jpeg_decode};
static const struct format png = {pixel_png_size, pixel_png_decode};
static const struct format webp = {pixel_webp_size, pixel_webp_decode};

static const struct format *format_of(const uint8_t *bytes, size_t count) {
    if (count >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0) return &jpeg;
    if (count >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return &png;
    if (count >= 16 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) return &webp;
    return NULL;
}

static void shrink(const uint8_t *pixels, struct pixel_size size) {
    static struct pixel_workspace *workspace;
    if (!workspace) workspace = pixel_workspace_create();
    struct pixel_region region = {pixels, (int32_t)size.width, (int32_t)size.height, (size_t)size.width * 3};
    uint8_t out[7 * 5 * 3 + 64];
    struct pixel_window window = {7, 5, 0, 0, 7, 5};
    if (!pixel_resize(region, out, window, PIXEL_BICUBIC, workspace)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    const struct format *format = format_of(bytes, count);
    if (!format) return 0;
    struct pixel_size size = {0, 0};
    struct pixel_complaint complaint = {""};
    if (format->size(bytes, count, &size, &complaint) != PIXEL_OK) return 0;
    if (size.width == 0 || size.height == 0 || (uint64_t)size.width * size.height > PIXELS_MAX) return 0;
    size_t length = (size_t)size.width * size.height * 3;
    uint8_t *pixels = malloc(length + 64);
    if (!pixels) return 0;
    memset(pixels + length, 0, 64);
    enum pixel_status status = format->decode(bytes, count, pixels, size, &complaint);
    if (status == PIXEL_OK || status == PIXEL_TRUNCATED) shrink(pixels, size);
    free(pixels);
    return 0;
}
