#include "workspace.h"

#include "pixel_level.h"

#include <math.h>
#include <string.h>

/* Pillow's resampling of 8-bit channels: each side on its own, rounded to 8 bits in between. Pillow 13 goes
 * down the columns first where that spares work by its own reckoning, otherwise across the rows first; the
 * order shows in the rounding.
 * The filter is stretched by the scale where an image shrinks, sampled at pixel centres, clipped at the
 * edges, normalised to a sum of 1 in double precision and only then rounded to 22-bit fixed point. All
 * expressions keep Pillow's order of operations: its results are wanted, not better ones. */

#pragma STDC FP_CONTRACT OFF

static const double pi = 3.14159265358979323846;

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

static inline double bilinear(double x) {
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

/* Without branches, so that compilers make vector code of it. */
static inline double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    double inner = ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    double outer = (((x - 5) * x + 8) * x - 4) * a;
    return x < 1.0 ? inner : x < 2.0 ? outer : 0.0;
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

static bool reserve(struct resampling *plan, int32_t taps, int32_t outputs) {
    plan->stride = (taps + 7) / 8 * 8;
    size_t weights = (size_t)outputs * (size_t)plan->stride;
    plan->starts = growing_need(&plan->starts_memory, (size_t)outputs * sizeof(int32_t));
    plan->counts = growing_need(&plan->counts_memory, (size_t)outputs * sizeof(int32_t));
    plan->weights = growing_need(&plan->weights_memory, weights * sizeof(int32_t));
    plan->parts = growing_need(&plan->parts_memory, weights / 4 * PARTS * sizeof(uint32_t));
    return plan->starts && plan->counts && plan->weights && plan->parts
        && growing_need(&plan->exact_memory, (size_t)plan->stride * sizeof(double));
}

/* A side's geometry: which inputs an output looks at. */
struct side {
    int32_t in_size, first_out, outputs;
    double scale, support, inverse;
};

/* The weights of every output. `weigh` is a constant where this is inlined. */
static inline __attribute__((always_inline)) void weigh_side(
    struct resampling *plan, const struct side *side, double (*weigh)(double)) {
    double *restrict exact = plan->exact_memory.bytes;
    int32_t stride = plan->stride;
    for (int32_t i = 0; i < side->outputs; i++) {
        double centre = (side->first_out + i + 0.5) * side->scale;
        int32_t first = (int32_t)(centre - side->support + 0.5);
        if (first < 0) first = 0;
        int32_t last = (int32_t)(centre + side->support + 0.5);
        if (last > side->in_size) last = side->in_size;
        int32_t count = last - first;
        for (int32_t k = 0; k < stride; k++) exact[k] = weigh((k + first - centre + 0.5) * side->inverse);
        double sum = 0.0;
        for (int32_t k = 0; k < count; k++) sum += exact[k];
        double divisor = sum != 0.0 ? sum : 1.0;
        int32_t *restrict weights = plan->weights + (size_t)i * (size_t)stride;
        for (int32_t k = 0; k < stride; k++) {
            double weight = exact[k] / divisor * (1 << PRECISION);
            int32_t rounded = (int32_t)(weight < 0 ? -0.5 + weight : 0.5 + weight);
            weights[k] = k < count ? rounded : 0;
        }
        plan->starts[i] = first;
        plan->counts[i] = count;
    }
}

static void weigh_plain(struct resampling *plan, const struct side *side, enum pixel_filter filter) {
    weigh_side(plan, side, filters[filter].weight);
}

#if defined(__x86_64__)
static __attribute__((target("avx2"))) void weigh_bicubic_avx2(struct resampling *plan,
    const struct side *side) {
    weigh_side(plan, side, bicubic);
}
static __attribute__((target("avx512f,avx512dq,avx512vl,prefer-256-bit"))) void weigh_bicubic_avx512(
    struct resampling *plan, const struct side *side) {
    weigh_side(plan, side, bicubic);
}
#endif

/* The vector kernels hold weights in 24 bits; normalised weights are far smaller. */
static bool fits_parts(const struct resampling *plan, int32_t outputs) {
    int32_t largest = 0;
    for (size_t index = 0; index < (size_t)outputs * (size_t)plan->stride; index++) {
        int32_t weight = plan->weights[index] < 0 ? -plan->weights[index] : plan->weights[index];
        largest = weight > largest ? weight : largest;
    }
    return largest < (1 << 23) - (1 << 16);
}

/* Plans outputs first_out ..< first_out + outputs of a side that goes from in_size to full_size. Lowers
 * `level` where the weights need it. */
static bool plan_side(
    struct resampling *plan, int32_t in_size, int32_t full_size, int32_t first_out, int32_t outputs,
    enum pixel_filter filter, enum pixel_level *level) {
    double scale = (double)(float)in_size / full_size;
    double stretch = scale < 1.0 ? 1.0 : scale;
    double support = filters[filter].support * stretch;
    struct side side = {in_size, first_out, outputs, scale, support, 1.0 / stretch};
    if (!reserve(plan, (int32_t)ceil(support) * 2 + 1, outputs)) return false;
#if defined(__x86_64__)
    if (filter == PIXEL_BICUBIC && *level == PIXEL_AVX512 && __builtin_cpu_supports("avx512dq")) {
        weigh_bicubic_avx512(plan, &side);
    } else if (filter == PIXEL_BICUBIC && *level != PIXEL_PLAIN) {
        weigh_bicubic_avx2(plan, &side);
    } else {
        weigh_plain(plan, &side, filter);
    }
    if (!fits_parts(plan, outputs)) *level = PIXEL_PLAIN;
    if (*level == PIXEL_AVX512) cut_weights_avx512(plan, outputs);
    if (*level == PIXEL_AVX2) cut_weights_avx2(plan, outputs);
#else
    weigh_plain(plan, &side, filter);
    *level = PIXEL_PLAIN;
#endif
    return true;
}

static uint8_t clip(int32_t sum) {
    int32_t value = sum >> PRECISION;
    return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
}

static void resample_row(const uint8_t *in, uint8_t *out, int32_t width, const struct resampling *plan) {
    for (int32_t x = 0; x < width; x++, out += 3) {
        const int32_t *weights = plan->weights + (size_t)x * (size_t)plan->stride;
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

static void resample_rows_plain(const struct row_pass *pass) {
    for (int32_t y = 0; y < pass->count; y++) {
        resample_row(
            pass->in + (size_t)y * pass->in_stride, pass->out + (size_t)y * (size_t)pass->width * 3,
                pass->width,
            pass->plan);
    }
}

static void resample_columns_plain(const struct column_pass *pass) {
    const struct resampling *plan = pass->plan;
    for (int32_t y = 0; y < pass->height; y++) {
        const uint8_t *in = pass->in + (size_t)(plan->starts[y] - pass->first) * pass->in_stride;
        const int32_t *weights = plan->weights + (size_t)y * (size_t)plan->stride;
        uint8_t *out = pass->out + (size_t)y * pass->length;
        for (size_t x = 0; x < pass->length; x++) {
            int32_t sum = 1 << (PRECISION - 1);
            for (int32_t k = 0; k < plan->counts[y]; k++) sum += in[x
                + (size_t)k * pass->in_stride] * weights[k];
            out[x] = clip(sum);
        }
    }
}

static void resample_rows(const struct row_pass *pass, enum pixel_level level) {
    switch (level) {
#if defined(__x86_64__)
        case PIXEL_AVX512: resample_rows_avx512(pass); return;
        case PIXEL_AVX2: resample_rows_avx2(pass); return;
#endif
        default: resample_rows_plain(pass); return;
    }
}

static void resample_columns(const struct column_pass *pass, enum pixel_level level) {
    switch (level) {
#if defined(__x86_64__)
        case PIXEL_AVX512: resample_columns_avx512(pass); return;
        case PIXEL_AVX2: resample_columns_avx2(pass); return;
#endif
        default: resample_columns_plain(pass); return;
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

/* Both passes; only what the second looks at passes through the first. */
static bool resample_both(
    struct pixel_region region, uint8_t *out, struct pixel_window window, struct pixel_workspace *workspace,
    enum pixel_level level) {
    struct resampling *across = &workspace->across, *down = &workspace->down;
    bool columns_first = region.height > window.full_height
        && region.height - window.full_height > 2 * ((int64_t)region.width - window.full_width);
    struct resampling *second = columns_first ? across : down;
    int32_t outputs = columns_first ? window.width : window.height;
    int32_t first = second->starts[0];
    int32_t between = second->starts[outputs - 1] + second->counts[outputs - 1] - first;
    if (columns_first) {
        size_t length = (size_t)between * 3;
        uint8_t *middle = growing_need(&workspace->rows, (size_t)window.height * length);
        if (!middle) return false;
        const uint8_t *in = region.pixels + (size_t)first * 3;
        struct column_pass columns = {in, region.stride, length, middle, 0, window.height, down};
        resample_columns(&columns, level);
        for (int32_t x = 0; x < window.width; x++) across->starts[x] -= first;
        struct row_pass rows = {middle, length, out, window.width, window.height, across};
        resample_rows(&rows, level);
        return true;
    }
    size_t length = (size_t)window.width * 3;
    uint8_t *middle = growing_need(&workspace->rows, (size_t)between * length);
    if (!middle) return false;
    const uint8_t *in = region.pixels + (size_t)first * region.stride;
    struct row_pass rows = {in, region.stride, middle, window.width, between, across};
    resample_rows(&rows, level);
    struct column_pass columns = {middle, length, length, out, first, window.height, down};
    resample_columns(&columns, level);
    return true;
}

bool pixel_resize(
    struct pixel_region region, uint8_t *out, struct pixel_window window, enum pixel_filter filter,
    struct pixel_workspace *workspace) {
    bool change_width = region.width != window.full_width,
        change_height = region.height != window.full_height;
    if (filter == PIXEL_NEAREST && (change_width || change_height)) {
        resize_nearest(region, out, window);
        return true;
    }
    struct resampling *across = &workspace->across, *down = &workspace->down;
    enum pixel_level level = pixel_level();
    if (change_width
        && !plan_side(across, region.width, window.full_width, window.left, window.width, filter, &level)) {
        return false;
    }
    if (change_height
        && !plan_side(down, region.height, window.full_height, window.top, window.height, filter, &level)) {
        return false;
    }
    if (change_width && change_height) return resample_both(region, out, window, workspace, level);
    if (!change_width) region.pixels += (size_t)window.left * 3;
    if (!change_height) region.pixels += (size_t)window.top * region.stride;
    if (change_width) {
        struct row_pass rows = {region.pixels, region.stride, out, window.width, window.height, across};
        resample_rows(&rows, level);
    } else if (change_height) {
        struct column_pass columns = {
            region.pixels, region.stride, (size_t)window.width * 3, out, 0, window.height, down};
        resample_columns(&columns, level);
    } else {
        region.width = window.width;
        region.height = window.height;
        pixel_copy(region, out);
    }
    return true;
}
