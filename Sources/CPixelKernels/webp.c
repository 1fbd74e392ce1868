#include "pixel_decode.h"

#include <stdio.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

/* WebP by libwebp. Pillow decodes every file through libwebp's animation decoder, whose first frame is the
 * frame's own pixels on a transparent black canvas: so the first frame is taken from the demuxer and
 * decoded in place. Files that the demuxer finds incomplete are refused by both. */

static enum pixel_status complain(struct pixel_complaint *complaint, enum pixel_status status,
    const char *text) {
    snprintf(complaint->buffer, sizeof complaint->buffer, "%s", text);
    return status;
}

static uint32_t little_endian(const uint8_t *bytes, int count) {
    uint32_t value = 0;
    for (int index = 0; index < count; index++) value |= (uint32_t)bytes[index] << (8 * index);
    return value;
}

enum pixel_status pixel_webp_size(
    const uint8_t *bytes, size_t count, struct pixel_size *size, struct pixel_complaint *complaint) {
    const uint8_t *chunk = bytes + 12;
    if (count >= 30 && memcmp(chunk, "VP8 ", 4) == 0 && memcmp(bytes + 23, "\x9d\x01\x2a", 3) == 0) {
        size->width = little_endian(bytes + 26, 2) & 0x3FFF;
        size->height = little_endian(bytes + 28, 2) & 0x3FFF;
    } else if (count >= 30 && memcmp(chunk, "VP8X", 4) == 0) {
        size->width = little_endian(bytes + 24, 3) + 1;
        size->height = little_endian(bytes + 27, 3) + 1;
    } else if (count >= 25 && memcmp(chunk, "VP8L", 4) == 0 && bytes[20] == 0x2F) {
        uint32_t bits = little_endian(bytes + 21, 4);
        size->width = (bits & 0x3FFF) + 1;
        size->height = (bits >> 14 & 0x3FFF) + 1;
    } else {
        return complain(complaint, PIXEL_UNDECODABLE, "the WebP file has no readable header");
    }
    if (size->width == 0 || size->height == 0) {
        return complain(complaint, PIXEL_UNDECODABLE, "the WebP file has a side of 0 pixels");
    }
    return PIXEL_OK;
}

static enum pixel_status decode_frame(
    const WebPIterator *frame, uint8_t *pixels, struct pixel_size size, struct pixel_complaint *complaint) {
    if (frame->x_offset < 0 || frame->y_offset < 0 || frame->width <= 0 || frame->height <= 0
        || (uint32_t)(frame->x_offset + frame->width) > size.width
        || (uint32_t)(frame->y_offset + frame->height) > size.height) {
        return complain(complaint, PIXEL_UNDECODABLE, "the WebP file's first frame leaves its canvas");
    }
    size_t stride = (size_t)size.width * 3;
    size_t offset = (size_t)frame->y_offset * stride + (size_t)frame->x_offset * 3;
    size_t available = stride * size.height - offset;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) {
        return complain(complaint, PIXEL_UNSUPPORTED, "libwebp has another version than its header");
    }
    if (WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &config.input) != VP8_STATUS_OK
        || config.input.width != frame->width || config.input.height != frame->height) {
        return complain(complaint, PIXEL_UNDECODABLE, "the WebP file's first frame is damaged");
    }
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels + offset;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = available;
    VP8StatusCode code = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    if (code == VP8_STATUS_OUT_OF_MEMORY) {
        return complain(complaint, PIXEL_NO_MEMORY, "no memory to decode a WebP");
    }
    if (code != VP8_STATUS_OK) {
        snprintf(complaint->buffer, sizeof complaint->buffer, "libwebp cannot decode the image (code %d)",
            code);
        return PIXEL_UNDECODABLE;
    }
    return PIXEL_OK;
}

enum pixel_status pixel_webp_decode(
    const uint8_t *bytes, size_t count, uint8_t *pixels, struct pixel_size size,
    struct pixel_complaint *complaint) {
    WebPData data = {bytes, count};
    WebPDemuxer *demuxer = WebPDemux(&data);
    if (!demuxer) return complain(complaint, PIXEL_UNDECODABLE, "the WebP file is cut or damaged");
    enum pixel_status status;
    WebPIterator frame;
    if (WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH) != size.width
        || WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT) != size.height) {
        status = complain(complaint, PIXEL_UNDECODABLE, "the WebP file contradicts its own size");
    } else if (!WebPDemuxGetFrame(demuxer, 1, &frame)) {
        status = complain(complaint, PIXEL_UNDECODABLE, "the WebP file has no frame");
    } else {
        memset(pixels, 0, (size_t)size.width * size.height * 3);
        status = decode_frame(&frame, pixels, size, complaint);
        WebPDemuxReleaseIterator(&frame);
    }
    WebPDemuxDelete(demuxer);
    return status;
}
