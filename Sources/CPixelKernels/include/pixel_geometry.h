#ifndef PIXEL_GEOMETRY_H
#define PIXEL_GEOMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Filters of Pillow's Image.resize. */
enum pixel_filter {
    PIXEL_NEAREST = 0,
    PIXEL_BOX,
    PIXEL_BILINEAR,
    PIXEL_HAMMING,
    PIXEL_BICUBIC,
    PIXEL_LANCZOS,
};

/* A rectangle of RGB bytes inside an image: `stride` bytes from one row to the next. */
struct pixel_region {
    const uint8_t *pixels;
    int32_t width;
    int32_t height;
    size_t stride;
};

/* Memory that grows to what the largest view needs and is then reused. One thread at a time. */
struct pixel_workspace;
struct pixel_workspace *pixel_workspace_create(void);
void pixel_workspace_free(struct pixel_workspace *workspace);

/* Three image buffers of the workspace, for chains of operations: at least `count` bytes, NULL without
 * memory. Asking for more than before may move the buffer. */
uint8_t *pixel_workspace_image(struct pixel_workspace *workspace, int index, size_t count);

/* What is wanted of a resized image: the size of the whole, and the part of it to compute. */
struct pixel_window {
    int32_t full_width, full_height;
    int32_t left, top;
    int32_t width, height;
};

/* The window of Pillow's region.resize((full_width, full_height), filter), into rows without padding. Only
 * what the window needs is read and computed. `out` must not overlap the region. Returns false without
 * memory. */
bool pixel_resize(
    struct pixel_region region, uint8_t *out, struct pixel_window window, enum pixel_filter filter,
    struct pixel_workspace *workspace);

/* Copies `region` to rows without padding. */
void pixel_copy(struct pixel_region region, uint8_t *out);

/* Copies the box at (top, left) of `image`, black where it leaves the image, as Image.crop does. */
void pixel_crop(
    struct pixel_region image, int64_t top, int64_t left, int32_t height, int32_t width, uint8_t *out);

/* Mirrors each row of a packed image in place. */
void pixel_flip(uint8_t *pixels, int32_t width, int32_t height);

/* Blackens the part of the rectangle that lies inside a packed image. */
void pixel_erase(
    uint8_t *pixels, int32_t width, int32_t height, int64_t top, int64_t left, int64_t rows, int64_t columns);

/* Pillow's transform(size, AFFINE, matrix, filter, fillcolor=fill) of a packed image to one of equal
 * size; filter is PIXEL_NEAREST, PIXEL_BILINEAR or PIXEL_BICUBIC. */
void pixel_affine(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, const double matrix[6],
    enum pixel_filter filter, const uint8_t fill[3]);

/* Pillow's rotate(angle, filter, fillcolor=fill): counter-clockwise degrees about the centre. */
void pixel_rotate(
    const uint8_t *in, uint8_t *out, int32_t width, int32_t height, double angle, enum pixel_filter filter,
    const uint8_t fill[3]);

#endif
