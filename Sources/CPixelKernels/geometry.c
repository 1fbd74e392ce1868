#include "pixel_geometry.h"

#include "affine_vector.h"
#include "pixel_level.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Moving pixels without changing them, and Pillow's affine transform. */

#pragma STDC FP_CONTRACT OFF

static const double pi = 3.14159265358979323846;

void pixel_copy(struct pixel_region region, uint8_t *out) {
    size_t length = (size_t)region.width * 3;
    for (int32_t y = 0; y < region.height; y++) {
        memcpy(out + (size_t)y * length, region.pixels + (size_t)y * region.stride, length);
    }
}

void pixel_crop(
    struct pixel_region image, int64_t top, int64_t left, int32_t height, int32_t width, uint8_t *out) {
    size_t length = (size_t)width * 3;
    int64_t first = left < 0 ? -left : 0;
    int64_t last = image.width - left < width ? image.width - left : width;
    for (int32_t y = 0; y < height; y++, out += length) {
        int64_t from = top + y;
        if (from < 0 || from >= image.height || first >= last) {
            memset(out, 0, length);
            continue;
        }
        memset(out, 0, (size_t)first * 3);
        memcpy(
            out + first * 3, image.pixels + (size_t)from * image.stride + (left + first) * 3,
            (size_t)(last - first) * 3);
        memset(out + last * 3, 0, (size_t)(width - last) * 3);
    }
}

void pixel_flip(uint8_t *pixels, int32_t width, int32_t height) {
    for (int32_t y = 0; y < height; y++) {
        uint8_t *left = pixels + (size_t)y * (size_t)width * 3, *right = left + ((size_t)width - 1) * 3;
        for (; left < right; left += 3, right -= 3) {
            uint8_t pixel[3];
            memcpy(pixel, left, 3);
            memcpy(left, right, 3);
            memcpy(right, pixel, 3);
        }
    }
}

void pixel_erase(
    uint8_t *pixels, int32_t width, int32_t height, int64_t top, int64_t left, int64_t rows,
        int64_t columns) {
    int64_t bottom = top + rows < height ? top + rows : height;
    int64_t right = left + columns < width ? left + columns : width;
    if (top < 0 || left < 0 || right <= left) return;
    for (int64_t y = top; y < bottom; y++) memset(pixels + (y * width + left) * 3, 0,
        (size_t)(right - left) * 3);
}

/* MARK: Affine */

static int floor_to_int(double value) { return value < 0.0 ? (int)floor(value) : (int)value; }
static int fixed_point(double value) { return floor_to_int(value * 65536.0 + 0.5); }

/* Only scaled and moved: Pillow walks both sides by repeated addition. */
static void affine_scale(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const double m[6]) {
    double y = m[5] + m[4] * 0.5;
    for (int32_t row = 0; row < height; row++, y += m[4]) {
        if (!(y >= 0.0 && y < height)) continue;
        const uint8_t *from = in + (size_t)(int)y * (size_t)width * 3;
        double x = m[2] + m[0] * 0.5;
        uint8_t *pixel = out + (size_t)row * (size_t)width * 3;
        for (int32_t column = 0; column < width; column++, x += m[0], pixel += 3) {
            if (x >= 0.0 && x < width) memcpy(pixel, from + (size_t)(int)x * 3, 3);
        }
    }
}

static void affine_fixed_plain(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const struct fixed_matrix *m) {
    uint32_t start_x = m->x, start_y = m->y;
    for (int32_t row = 0; row < height; row++, start_x += m->x_down, start_y += m->y_down) {
        uint32_t x = start_x, y = start_y;
        for (int32_t column = 0; column < width; column++, x += m->x_right, y += m->y_right, out += 3) {
            int32_t from_x = (int32_t)x >> 16, from_y = (int32_t)y >> 16;
            if (from_x < 0 || from_x >= width || from_y < 0 || from_y >= height) continue;
            memcpy(out, in + ((size_t)from_y * (size_t)width + (size_t)from_x) * 3, 3);
        }
    }
}

/* Sheared along the rows: each output row is a piece of an input row. */
static void affine_shear_rows(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const struct fixed_matrix *m) {
    uint32_t x = m->x, y = m->y;
    for (int32_t row = 0; row < height; row++, x += m->x_down, y += m->y_down, out += (size_t)width * 3) {
        int64_t from_x = (int32_t)x >> 16;
        int32_t from_y = (int32_t)y >> 16;
        if (from_y < 0 || from_y >= height) continue;
        int64_t first = from_x < 0 ? -from_x : 0;
        int64_t last = width - from_x < width ? width - from_x : width;
        if (first >= last) continue;
        const uint8_t *from = in + ((int64_t)from_y * width + from_x + first) * 3;
        memcpy(out + first * 3, from, (size_t)(last - first) * 3);
    }
}

/* In 16.16 fixed point, which Pillow uses while the coordinates fit. */
static void affine_fixed(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const double m[6]) {
    /* Unsigned, so that a step past the last pixel may wrap. */
    struct fixed_matrix fixed = {
        (uint32_t)fixed_point(m[0]), (uint32_t)fixed_point(m[1]),
        (uint32_t)fixed_point(m[2] + m[0] * 0.5 + m[1] * 0.5), (uint32_t)fixed_point(m[3]),
        (uint32_t)fixed_point(m[4]), (uint32_t)fixed_point(m[5] + m[3] * 0.5 + m[4] * 0.5)};
    if (pixel_level() != PIXEL_PLAIN && fixed.x_right == 1 << 16 && fixed.y_right == 0) {
        affine_shear_rows(in, out, width, height, &fixed);
    } else if (!affine_fixed_vector(in, out, width, height, &fixed)) {
        affine_fixed_plain(in, out, width, height, &fixed);
    }
}

/* By repeated addition in double precision, where fixed point would overflow. */
static void affine_double(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const double m[6]) {
    double start_x = m[2] + m[1] * 0.5 + m[0] * 0.5, start_y = m[5] + m[4] * 0.5 + m[3] * 0.5;
    for (int32_t row = 0; row < height; row++, start_x += m[1], start_y += m[4]) {
        double x = start_x, y = start_y;
        for (int32_t column = 0; column < width; column++, x += m[0], y += m[3], out += 3) {
            if (!(x >= 0.0 && x < width && y >= 0.0 && y < height)) continue;
            memcpy(out, in + ((size_t)(int)y * (size_t)width + (size_t)(int)x) * 3, 3);
        }
    }
}

static int clamp(int value, int size) { return value < 0 ? 0 : value < size ? value : size - 1; }

static double cubic(double v1, double v2, double v3, double v4, double d) {
    double p1 = v2;
    double p2 = -v1 + v3;
    double p3 = 2 * (v1 - v2) + v3 - v4;
    double p4 = -v1 + v2 - v3 + v4;
    return p1 + d * (p2 + d * (p3 + d * p4));
}

/* The four (bicubic) or two (bilinear) values of one row around x, interpolated at distance dx. */
static double interpolate_row(const uint8_t *row, int x, int width, double dx, enum pixel_filter filter) {
    if (filter == PIXEL_BILINEAR) {
        double a = row[clamp(x, width) * 3], b = row[clamp(x + 1, width) * 3];
        return a + (b - a) * dx;
    }
    return cubic(
        row[clamp(x, width) * 3], row[clamp(x + 1, width) * 3], row[clamp(x + 2, width) * 3],
        row[clamp(x + 3, width) * 3], dx);
}

static void affine_smooth(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const double m[6],
    enum pixel_filter filter) {
    int taps = filter == PIXEL_BILINEAR ? 2 : 4, back = filter == PIXEL_BILINEAR ? 0 : 1;
    for (int32_t row = 0; row < height; row++) {
        for (int32_t column = 0; column < width; column++, out += 3) {
            double x = m[0] * (column + 0.5) + m[1] * (row + 0.5) + m[2];
            double y = m[3] * (column + 0.5) + m[4] * (row + 0.5) + m[5];
            if (!(x >= 0.0 && x < width && y >= 0.0 && y < height)) continue;
            x -= 0.5;
            y -= 0.5;
            int left = floor_to_int(x), top = floor_to_int(y);
            double dx = x - left, dy = y - top;
            left -= back;
            top -= back;
            for (int channel = 0; channel < 3; channel++) {
                double values[4];
                const uint8_t *base = in + channel;
                size_t stride = (size_t)width * 3;
                values[0] = interpolate_row(base + (size_t)clamp(top, height) * stride, left, width, dx,
                    filter);
                for (int k = 1; k < taps; k++) {
                    bool inside = top + k >= 0 && top + k < height;
                    values[k] = inside
                        ? interpolate_row(base + (size_t)(top + k) * stride, left, width, dx, filter)
                        : values[k - 1];
                }
                double value = filter == PIXEL_BILINEAR ? values[0] + (values[1] - values[0]) * dy
                                                        : cubic(values[0], values[1], values[2], values[3],
                                                            dy);
                out[channel] = value <= 0.0 ? 0 : value >= 255.0 ? 255 : (uint8_t)value;
            }
        }
    }
}

static bool fits_fixed_point(const double m[6], int x, int y) {
    return fabs(x * m[0] + y * m[1] + m[2]) < 32768.0 && fabs(x * m[3] + y * m[4] + m[5]) < 32768.0;
}

static void fill_image(uint8_t *out, size_t count, const uint8_t fill[3]) {
    if (fill[0] == fill[1] && fill[1] == fill[2]) {
        memset(out, fill[0], count * 3);
        return;
    }
    for (size_t index = 0; index < count; index++) memcpy(out + index * 3, fill, 3);
}

void pixel_affine(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const double matrix[6],
    enum pixel_filter filter, const uint8_t fill[3]) {
    fill_image(out, (size_t)width * (size_t)height, fill);
    if (filter != PIXEL_NEAREST) {
        affine_smooth(in, out, width, height, matrix, filter);
    } else if (matrix[1] == 0 && matrix[3] == 0) {
        affine_scale(in, out, width, height, matrix);
    } else if (fits_fixed_point(matrix, 0, 0) && fits_fixed_point(matrix, width, height)
               && fits_fixed_point(matrix, 0, height) && fits_fixed_point(matrix, width, 0)) {
        affine_fixed(in, out, width, height, matrix);
    } else {
        affine_double(in, out, width, height, matrix);
    }
}

/* MARK: Rotation */

/* Python's round(value, 15): to the nearest decimal, correctly rounded both ways. */
static double round_to_15_places(double value) {
    char text[32];
    snprintf(text, sizeof text, "%.15f", value);
    return strtod(text, NULL);
}

/* A quarter or half turn: out[y][x] is in[height - 1 - y][width - 1 - x] and the like. */
static void turn(const uint8_t *in, uint8_t *out, int32_t width, int32_t height, int quarters) {
    for (int32_t y = 0; y < height; y++) {
        for (int32_t x = 0; x < width; x++, out += 3) {
            int32_t from_x = quarters == 2 ? width - 1 - x : quarters == 1 ? height - 1 - y : y;
            int32_t from_y = quarters == 2 ? height - 1 - y : quarters == 1 ? x : width - 1 - x;
            memcpy(out, in + ((size_t)from_y * (size_t)width + (size_t)from_x) * 3, 3);
        }
    }
}

void pixel_rotate(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, double angle, enum pixel_filter filter,
    const uint8_t fill[3]) {
    angle = fmod(angle, 360.0);
    if (angle < 0) angle += 360.0;
    if (angle == 0) {
        memcpy(out, in, (size_t)width * (size_t)height * 3);
        return;
    }
    if (angle == 180 || (width == height && (angle == 90 || angle == 270))) {
        turn(in, out, width, height, (int)angle / 90);
        return;
    }
    double radians = -(angle * (pi / 180.0));
    double centre_x = width / 2.0, centre_y = height / 2.0;
    double m[6] = {
        round_to_15_places(cos(radians)), round_to_15_places(sin(radians)), 0.0,
        round_to_15_places(-sin(radians)), round_to_15_places(cos(radians)), 0.0};
    /* Named so that each product is rounded before the sum, as in Python. */
    double left = m[0] * -centre_x + m[1] * -centre_y + m[2];
    double top = m[3] * -centre_x + m[4] * -centre_y + m[5];
    m[2] = left + centre_x;
    m[5] = top + centre_y;
    pixel_affine(in, out, width, height, m, filter, fill);
}
