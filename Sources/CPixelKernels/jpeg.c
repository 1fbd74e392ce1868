#include "pixel_decode.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "jpeg_smoothing.h"

/* JPEG by libjpeg, driven as Pillow drives it: a source that suspends, fed in blocks of 64 KiB, and one end
 * marker (FF D9) appended when the bytes run out. libjpeg then fills what is missing; where it gives up
 * with an error, the rows read so far stay and the others keep Pillow's initial value. */

enum { BLOCK = 65536 };

static enum pixel_status complain(struct pixel_complaint *complaint, enum pixel_status status,
    const char *text) {
    snprintf(complaint->buffer, sizeof complaint->buffer, "%s", text);
    return status;
}

/* MARK: The header, as Pillow reads it */

struct header {
    struct pixel_size size;
    int components;
    bool lossless;
};

static bool is_frame_header(unsigned marker) {
    return (marker >= 0xFFC0 && marker <= 0xFFCF && marker != 0xFFC4 && marker != 0xFFC8 && marker != 0xFFCC)
        || marker == 0xFFDE;
}

static bool has_segment(unsigned marker) {
    return is_frame_header(marker) || marker == 0xFFC4 || marker == 0xFFCC
        || (marker >= 0xFFDA && marker <= 0xFFDF)
        || (marker >= 0xFFE0 && marker <= 0xFFEF) || marker == 0xFFFE;
}

static enum pixel_status read_frame_header(
    const uint8_t *segment, size_t length, struct header *header, struct pixel_complaint *complaint) {
    if (length < 6) return complain(complaint, PIXEL_UNDECODABLE, "the JPEG's frame header is too short");
    if (segment[0] != 8) {
        snprintf(
            complaint->buffer, sizeof complaint->buffer, "the JPEG has %d bits a sample, only 8 can be read",
            segment[0]);
        return PIXEL_UNDECODABLE;
    }
    header->size.height = (uint32_t)segment[1] << 8 | segment[2];
    header->size.width = (uint32_t)segment[3] << 8 | segment[4];
    header->components = segment[5];
    if (header->components != 1 && header->components != 3 && header->components != 4) {
        snprintf(
            complaint->buffer, sizeof complaint->buffer,
                "the JPEG has %d components, only 1, 3 and 4 can be read",
            header->components);
        return PIXEL_UNDECODABLE;
    }
    /* Each component has an identifier, a sampling and a table; Pillow stops at a cut triple. */
    if ((length - 6) % 3 != 0) {
        return complain(complaint, PIXEL_UNDECODABLE, "the JPEG's frame header is cut");
    }
    return PIXEL_OK;
}

static enum pixel_status check_quantization(
    const uint8_t *segment, size_t length, struct pixel_complaint *complaint) {
    while (length > 0) {
        size_t table = 1 + (segment[0] >> 4 == 0 ? 64 : 128);
        if (length < table) return complain(complaint, PIXEL_UNDECODABLE, "a JPEG quantization table is cut");
        segment += table;
        length -= table;
    }
    return PIXEL_OK;
}

/* Pillow reads a field of each of these without looking at the segment's length first. */
static enum pixel_status check_application_segment(
    unsigned marker, const uint8_t *segment, size_t length, struct pixel_complaint *complaint) {
    bool cut = (marker == 0xFFE0 && length >= 4 && length < 7 && memcmp(segment, "JFIF", 4) == 0)
        || (marker == 0xFFEE && length >= 5 && length < 7 && memcmp(segment, "Adobe", 5) == 0);
    return cut ? complain(complaint, PIXEL_UNDECODABLE, "a JPEG application segment is cut") : PIXEL_OK;
}

/* Walks the markers up to the first scan. */
static enum pixel_status read_header(
    const uint8_t *bytes, size_t count, struct header *header, struct pixel_complaint *complaint) {
    memset(header, 0, sizeof *header);
    if (count < 3 || bytes[0] != 0xFF || bytes[1] != 0xD8 || bytes[2] != 0xFF) {
        return complain(complaint, PIXEL_UNDECODABLE, "the bytes do not begin as a JPEG does");
    }
    size_t position = 3;
    while (position < count) {
        /* Here the byte before `position` is FF; anything that is no marker's second byte is passed over. */
        unsigned marker = 0xFF00 | bytes[position++];
        if (marker == 0xFFFF) continue;
        if (marker != 0xFF00) {
            if (marker < 0xFFC0) {
                return complain(complaint, PIXEL_UNDECODABLE, "the JPEG has an unknown marker");
            }
            if (has_segment(marker)) {
                if (count - position < 2) {
                    return complain(complaint, PIXEL_UNDECODABLE, "the JPEG ends in its header");
                }
                size_t length = (size_t)bytes[position] << 8 | bytes[position + 1];
                position += 2;
                length = length < 2 ? 0 : length - 2;
                if (count - position < length) {
                    return complain(complaint, PIXEL_UNDECODABLE, "the JPEG ends in its header");
                }
                enum pixel_status status = PIXEL_OK;
                if (is_frame_header(marker)) {
                    status = read_frame_header(bytes + position, length, header, complaint);
                    header->lossless = marker == 0xFFC3 || marker == 0xFFCB;
                } else if (marker == 0xFFDB) {
                    status = check_quantization(bytes + position, length, complaint);
                } else {
                    status = check_application_segment(marker, bytes + position, length, complaint);
                }
                if (status != PIXEL_OK) return status;
                position += length;
                if (marker == 0xFFDA) {
                    if (header->size.width == 0 || header->size.height == 0) {
                        return complain(complaint, PIXEL_UNDECODABLE,
                            "the JPEG's scan comes before its size");
                    }
                    return PIXEL_OK;
                }
            }
        }
        while (position < count && bytes[position] != 0xFF) position++;
        position++;
    }
    return complain(complaint, PIXEL_UNDECODABLE, "the JPEG has no scan");
}

enum pixel_status pixel_jpeg_size(
    const uint8_t *bytes, size_t count, struct pixel_size *size, struct pixel_complaint *complaint) {
    struct header header;
    enum pixel_status status = read_header(bytes, count, &header, complaint);
    if (status != PIXEL_OK) return status;
    if (header.lossless) return complain(complaint, PIXEL_UNSUPPORTED, "libjpeg does not read lossless JPEG");
    *size = header.size;
    return PIXEL_OK;
}

/* MARK: The source */

struct source {
    struct jpeg_source_mgr base;
    /* Bytes that libjpeg wants passed over and that have not arrived. */
    size_t skip;
};

struct failure {
    struct jpeg_error_mgr base;
    jmp_buf escape;
};

static void ignore_source(j_decompress_ptr decoder) { (void)decoder; }

static boolean suspend(j_decompress_ptr decoder) {
    (void)decoder;
    return FALSE;
}

static void skip_bytes(j_decompress_ptr decoder, long wanted) {
    if (wanted <= 0) return;
    struct source *source = (struct source *)decoder->src;
    size_t available = source->base.bytes_in_buffer;
    size_t step = (size_t)wanted < available ? (size_t)wanted : available;
    source->base.next_input_byte += step;
    source->base.bytes_in_buffer -= step;
    source->skip = (size_t)wanted - step;
}

static void escape(j_common_ptr decoder) { longjmp(((struct failure *)decoder->err)->escape, 1); }
static void keep_quiet(j_common_ptr decoder) { (void)decoder; }

/* MARK: Decoding */

/* What survives a longjmp: everything that changes between setjmp and the jump lives here, in memory. */
struct decoding {
    struct jpeg_decompress_struct decoder;
    struct failure failure;
    struct source source;
    struct smoothing smoothing;
    enum { HEADER, START, ROWS, FINISH, DONE } state;
    struct pixel_size size;
    uint32_t row;
    uint8_t *pixels;
    uint8_t *line;
    uint8_t *tail;
    bool cut;
};

/* Adobe's inverted CMYK to RGB, as Pillow multiplies it. */
static void rgb_from_inverted_cmyk(const uint8_t *in, uint8_t *out, uint32_t width) {
    for (uint32_t x = 0; x < width; x++, in += 4, out += 3) {
        int white = in[3];
        for (int channel = 0; channel < 3; channel++) {
            int product = (255 - in[channel]) * white + 128;
            out[channel] = (uint8_t)(white - ((product + (product >> 8)) >> 8));
        }
    }
}

static void store_line(struct decoding *state) {
    uint32_t width = state->size.width;
    uint8_t *out = state->pixels + (size_t)state->row * width * 3;
    switch (state->decoder.out_color_space) {
        case JCS_CMYK: rgb_from_inverted_cmyk(state->line, out, width); break;
        case JCS_GRAYSCALE:
            for (uint32_t x = 0; x < width; x++) memset(out + (size_t)x * 3, state->line[x], 3);
            break;
        default: break;
    }
}

static bool begin(struct decoding *state, int components) {
    int found;
    do found = jpeg_read_header(&state->decoder, FALSE);
    while (found == JPEG_HEADER_TABLES_ONLY);
    if (found == JPEG_SUSPENDED) return false;
    state->decoder.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    state->state = START;
    return true;
}

static bool read_rows(struct decoding *state) {
    while (state->row < state->size.height) {
        JSAMPROW line = state->line;
        bool direct = state->decoder.out_color_space == JCS_RGB;
        if (direct) line = state->pixels + (size_t)state->row * state->size.width * 3;
        if (jpeg_read_scanlines(&state->decoder, &line, 1) != 1) return false;
        if (!direct) store_line(state);
        state->row++;
    }
    state->state = FINISH;
    return true;
}

/* Goes on with the bytes of the source until it needs more or is done. */
static void advance(struct decoding *state, int components) {
    if (state->source.skip > 0) {
        skip_bytes(&state->decoder, (long)state->source.skip);
        if (state->source.skip > 0) return;
    }
    if (state->state == HEADER && !begin(state, components)) return;
    if (state->state == START) {
        if (!jpeg_start_decompress(&state->decoder)) return;
        /* A second frame header may contradict the first: nothing may be written past a row. */
        if (state->decoder.output_width != state->size.width) longjmp(state->failure.escape, 1);
        smooth_as_pillow(&state->decoder, &state->smoothing);
        state->state = ROWS;
    }
    if (state->state == ROWS && !read_rows(state)) return;
    if (state->state == FINISH) {
        if (!jpeg_finish_decompress(&state->decoder) && state->row < state->size.height) return;
        state->state = DONE;
    }
}

/* Feeds the file block by block, each behind what was left of the last, then the end marker. */
static void feed(struct decoding *state, const uint8_t *bytes, size_t count, int components) {
    size_t consumed = 0, given = 0;
    while (given < count && state->state != DONE) {
        given = count - given < BLOCK ? count : given + BLOCK;
        state->source.base.next_input_byte = bytes + consumed;
        state->source.base.bytes_in_buffer = given - consumed;
        advance(state, components);
        consumed = (size_t)(state->source.base.next_input_byte - bytes);
    }
    if (state->state == DONE) return;
    state->cut = true;
    size_t left = count - consumed;
    state->tail = malloc(left + 2);
    if (!state->tail) return;
    memcpy(state->tail, bytes + consumed, left);
    state->tail[left] = 0xFF;
    state->tail[left + 1] = 0xD9;
    state->source.base.next_input_byte = state->tail;
    state->source.base.bytes_in_buffer = left + 2;
    advance(state, components);
}

enum pixel_status pixel_jpeg_decode(
    const uint8_t *bytes, size_t count, uint8_t *pixels, struct pixel_size size,
    struct pixel_complaint *complaint) {
    struct header header;
    enum pixel_status status = read_header(bytes, count, &header, complaint);
    if (status != PIXEL_OK) return status;
    struct decoding *state = calloc(1, sizeof *state);
    if (state) state->line = calloc(size.width, 4);
    if (!state || !state->line) {
        free(state);
        return complain(complaint, PIXEL_NO_MEMORY, "no memory to decode a JPEG");
    }
    state->size = size;
    state->pixels = pixels;

    state->decoder.err = jpeg_std_error(&state->failure.base);
    state->failure.base.error_exit = escape;
    state->failure.base.output_message = keep_quiet;
    if (setjmp(state->failure.escape) == 0) {
        jpeg_create_decompress(&state->decoder);
        state->source.base.init_source = ignore_source;
        state->source.base.fill_input_buffer = suspend;
        state->source.base.skip_input_data = skip_bytes;
        state->source.base.resync_to_restart = jpeg_resync_to_restart;
        state->source.base.term_source = ignore_source;
        state->decoder.src = &state->source.base;
        feed(state, bytes, count, header.components);
    } else {
        state->cut = true;
        state->decoder.err->format_message((j_common_ptr)&state->decoder, complaint->buffer);
    }
    /* What no row reached holds zeros: white as four components of CMYK, black otherwise. */
    size_t row = (size_t)size.width * 3;
    memset(pixels + state->row * row, header.components == 4 ? 255 : 0, (size.height - state->row) * row);
    bool whole = !state->cut && state->failure.base.num_warnings == 0;
    jpeg_destroy_decompress(&state->decoder);
    free(state->tail);
    free(state->line);
    free(state);
    return whole ? PIXEL_OK : PIXEL_TRUNCATED;
}
