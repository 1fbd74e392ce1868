#include "workspace.h"

#include <math.h>
#include <string.h>

/* Pillow's resampling of 8-bit channels: each side on its own, rounded to 8 bits in between. Pillow 13 goes
 * down the columns first where that spares work by its own reckoning, otherwise across the rows first; the
 * order shows in the rounding.
 * The filter is stretched by the scale where an image shrinks, sampled at pixel centres, clipped at the
 * edges, normalised to a sum of 1 in double precision and only then rounded to 22-bit fixed point. All
 * expressions keep Pillow's order of operations: its results are wanted, not better ones. */

#pragma STDC FP_CONTRACT OFF

enum { PRECISION = 22 };

static const double pi = 3.14159265358979323846;

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

static double bilinear(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x) {
    x = fabs(x);
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x = x * pi;
    return sin(x) / x * (0.54f + 0.46f * cos(x));
}

static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x) {
    if (x == 0.0) return 1.0;
    x = x * pi;
    return sin(x) / x;
}

static double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

static const struct {
    double (*weight)(double);
    double support;
} filters[] = {
    [PIXEL_BOX] = {box, 0.5},           [PIXEL_BILINEAR] = {bilinear, 1.0}, [PIXEL_HAMMING] = {hamming, 1.0},
    [PIXEL_BICUBIC] = {bicubic, 2.0},   [PIXEL_LANCZOS] = {lanczos, 3.0},
};

static bool reserve(struct resampling *plan, int32_t out_size) {
    size_t weights = (size_t)out_size * (size_t)plan->taps;
    plan->starts = growing_need(&plan->starts_memory, (size_t)out_size * sizeof(int32_t));
    plan->counts = growing_need(&plan->counts_memory, (size_t)out_size * sizeof(int32_t));
    plan->weights = growing_need(&plan->weights_memory, weights * sizeof(int32_t));
    return plan->starts && plan->counts && plan->weights
        && growing_need(&plan->exact_memory, (size_t)plan->taps * sizeof(double));
}

/* Plans outputs first_out ..< first_out + count of a side that shrinks or grows from in_size to full_size. */
static bool plan_side(
    struct resampling *plan, int32_t in_size, int32_t full_size, int32_t first_out, int32_t out_size,
    enum pixel_filter filter) {
    double scale = (double)(float)in_size / full_size;
    double stretch = scale < 1.0 ? 1.0 : scale;
    double support = filters[filter].support * stretch;
    plan->taps = (int32_t)ceil(support) * 2 + 1;
    if (!reserve(plan, out_size)) return false;
    double *exact = plan->exact_memory.bytes;
    double inverse = 1.0 / stretch;
    for (int32_t i = 0; i < out_size; i++) {
        double centre = (first_out + i + 0.5) * scale;
        int32_t first = (int32_t)(centre - support + 0.5);
        if (first < 0) first = 0;
        int32_t last = (int32_t)(centre + support + 0.5);
        if (last > in_size) last = in_size;
        int32_t count = last - first;
        double sum = 0.0;
        for (int32_t k = 0; k < count; k++) {
            exact[k] = filters[filter].weight((k + first - centre + 0.5) * inverse);
            sum += exact[k];
        }
        int32_t *weights = plan->weights + (size_t)i * (size_t)plan->taps;
        for (int32_t k = 0; k < count; k++) {
            double weight = (sum != 0.0 ? exact[k] / sum : exact[k]) * (1 << PRECISION);
            weights[k] = (int32_t)(weight < 0 ? -0.5 + weight : 0.5 + weight);
        }
        for (int32_t k = count; k < plan->taps; k++) weights[k] = 0;
        plan->starts[i] = first;
        plan->counts[i] = count;
    }
    return true;
}

static uint8_t clip(int32_t sum) {
    int32_t value = sum >> PRECISION;
    return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
}

static void resample_row(const uint8_t *in, uint8_t *out, int32_t width, const struct resampling *plan) {
    for (int32_t x = 0; x < width; x++, out += 3) {
        const int32_t *weights = plan->weights + (size_t)x * (size_t)plan->taps;
        const uint8_t *pixel = in + (size_t)plan->starts[x] * 3;
        int32_t red = 1 << (PRECISION - 1), green = red, blue = red;
        for (int32_t k = 0; k < plan->counts[x]; k++, pixel += 3) {
            red += pixel[0] * weights[k];
            green += pixel[1] * weights[k];
            blue += pixel[2] * weights[k];
        }
        out[0] = clip(red);
        out[1] = clip(green);
        out[2] = clip(blue);
    }
}

/* One output row from `count` input rows, `length` bytes each. */
static void resample_column(
    const uint8_t *in, size_t stride, uint8_t *out, size_t length, const int32_t *weights, int32_t count) {
    for (size_t x = 0; x < length; x++) {
        int32_t sum = 1 << (PRECISION - 1);
        for (int32_t k = 0; k < count; k++) sum += in[x + (size_t)k * stride] * weights[k];
        out[x] = clip(sum);
    }
}

static void resize_nearest(struct pixel_region region, uint8_t *out, struct pixel_window window) {
    double step_x = (double)(float)region.width / window.full_width;
    double step_y = (double)(float)region.height / window.full_height;
    double start_x = step_x * 0.5, y = step_y * 0.5;
    /* Pillow reaches a pixel by repeated addition, so the pixels outside the window are walked too. */
    for (int32_t column = 0; column < window.left; column++) start_x += step_x;
    for (int32_t row = 0; row < window.top; row++) y += step_y;
    for (int32_t row = 0; row < window.height; row++, y += step_y) {
        bool inside = (int32_t)y < region.height;
        const uint8_t *in = region.pixels + (inside ? (size_t)(int32_t)y * region.stride : 0);
        double x = start_x;
        for (int32_t column = 0; column < window.width; column++, out += 3, x += step_x) {
            if (inside && (int32_t)x < region.width) memcpy(out, in + (size_t)(int32_t)x * 3, 3);
            else memset(out, 0, 3);
        }
    }
}

/* Rows of `length` bytes, `stride` bytes apart. */
struct rows {
    const uint8_t *first;
    size_t stride;
    size_t length;
};

static void resample_rows(
    struct rows in, uint8_t *out, int32_t width, int32_t count, const struct resampling *across) {
    size_t length = (size_t)width * 3;
    for (int32_t y = 0; y < count; y++) {
        resample_row(in.first + (size_t)y * in.stride, out + (size_t)y * length, width, across);
    }
}

/* `in` begins at input row `first`. */
static void resample_columns(
    struct rows in, int32_t first, uint8_t *out, int32_t height, const struct resampling *down) {
    for (int32_t y = 0; y < height; y++) {
        resample_column(
            in.first + (size_t)(down->starts[y] - first) * in.stride, in.stride, out + (size_t)y * in.length,
            in.length, down->weights + (size_t)y * (size_t)down->taps, down->counts[y]);
    }
}

/* Both passes; only what the second looks at passes through the first. */
static bool resample_both(
    struct pixel_region region, uint8_t *out, struct pixel_window window, struct pixel_workspace *workspace) {
    struct resampling *across = &workspace->across, *down = &workspace->down;
    bool columns_first = region.height > window.full_height
        && region.height - window.full_height > 2 * ((int64_t)region.width - window.full_width);
    struct resampling *second = columns_first ? across : down;
    int32_t outputs = columns_first ? window.width : window.height;
    int32_t first = second->starts[0];
    int32_t between = second->starts[outputs - 1] + second->counts[outputs - 1] - first;
    if (columns_first) {
        size_t length = (size_t)between * 3;
        uint8_t *resampled = growing_need(&workspace->rows, (size_t)window.height * length);
        if (!resampled) return false;
        struct rows rows = {region.pixels + (size_t)first * 3, region.stride, length};
        resample_columns(rows, 0, resampled, window.height, down);
        for (int32_t x = 0; x < window.width; x++) across->starts[x] -= first;
        resample_rows((struct rows){resampled, length, length}, out, window.width, window.height, across);
        return true;
    }
    size_t length = (size_t)window.width * 3;
    uint8_t *resampled = growing_need(&workspace->rows, (size_t)between * length);
    if (!resampled) return false;
    struct rows rows = {region.pixels + (size_t)first * region.stride, region.stride, 0};
    resample_rows(rows, resampled, window.width, between, across);
    resample_columns((struct rows){resampled, length, length}, first, out, window.height, down);
    return true;
}

bool pixel_resize(
    struct pixel_region region, uint8_t *out, struct pixel_window window, enum pixel_filter filter,
    struct pixel_workspace *workspace) {
    bool change_width = region.width != window.full_width, change_height = region.height != window.full_height;
    if (filter == PIXEL_NEAREST && (change_width || change_height)) {
        resize_nearest(region, out, window);
        return true;
    }
    if (change_width
        && !plan_side(&workspace->across, region.width, window.full_width, window.left, window.width, filter)) {
        return false;
    }
    if (change_height
        && !plan_side(&workspace->down, region.height, window.full_height, window.top, window.height, filter)) {
        return false;
    }
    if (change_width && change_height) return resample_both(region, out, window, workspace);
    if (!change_width) region.pixels += (size_t)window.left * 3;
    if (!change_height) region.pixels += (size_t)window.top * region.stride;
    struct rows rows = {region.pixels, region.stride, (size_t)window.width * 3};
    if (change_width) {
        resample_rows(rows, out, window.width, window.height, &workspace->across);
    } else if (change_height) {
        resample_columns(rows, 0, out, window.height, &workspace->down);
    } else {
        region.width = window.width;
        region.height = window.height;
        pixel_copy(region, out);
    }
    return true;
}
