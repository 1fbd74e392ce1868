#include "CRecordKernels.h"

#include <string.h>

// Four tables, so that a run of equal exponents does not wait for its own last store.
#define COUNT_EXPONENTS(name, type, shift)                                                     \
    void name(const type *values, size_t count, uint64_t counts[256]) {                        \
        uint32_t parts[4][256];                                                                \
        while (count > 0) {                                                                    \
            size_t run = count < (1u << 30) ? count : (1u << 30);                              \
            size_t i = 0;                                                                      \
            memset(parts, 0, sizeof parts);                                                    \
            for (; i + 4 <= run; i += 4) {                                                     \
                parts[0][(values[i] >> (shift)) & 255]++;                                      \
                parts[1][(values[i + 1] >> (shift)) & 255]++;                                  \
                parts[2][(values[i + 2] >> (shift)) & 255]++;                                  \
                parts[3][(values[i + 3] >> (shift)) & 255]++;                                  \
            }                                                                                  \
            for (; i < run; i++) parts[0][(values[i] >> (shift)) & 255]++;                     \
            for (int e = 0; e < 256; e++)                                                      \
                counts[e] += (uint64_t)parts[0][e] + parts[1][e] + parts[2][e] + parts[3][e];  \
            values += run;                                                                     \
            count -= run;                                                                      \
        }                                                                                      \
    }

COUNT_EXPONENTS(record_count_exponents16, uint16_t, 7)
COUNT_EXPONENTS(record_count_exponents32, uint32_t, 23)

void record_fill_table(const uint8_t mapped[256], uint16_t table[65536]) {
    for (uint32_t v = 0; v < 65536; v++)
        table[v] = (uint16_t)((v & 0x807Fu) | (uint32_t)mapped[(v >> 7) & 255] << 7);
}

// 128 values at a time make 16 bytes of each plane. The vectors are the compiler's portable ones: SSE2 on
// any x86-64, NEON on arm64.
enum { BATCH = 128 };
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

// Transposes an 8 by 8 bit matrix in each 64-bit half, a row a byte (Warren, Hacker's Delight, 2nd edition,
// section 7-3).
static inline words2 transposed(words2 x) {
    words2 t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAull;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCull;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0ull;
    return x ^ t ^ (t << 28);
}

// Rotates the index of each of 128 bytes (seven bits: which vector, which byte) to the left by one.
static inline void rotate_indices(bytes16 x[8]) {
    bytes16 y[8];
    for (int i = 0; i < 4; i++) {
        y[2 * i] = __builtin_shufflevector(
            x[i], x[i + 4], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        y[2 * i + 1] = __builtin_shufflevector(
            x[i], x[i + 4], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    memcpy(x, y, sizeof y);
}

// One byte of each of 128 values to 16 bytes of each of eight planes, the lowest bit's last.
static inline void lane_to_planes(const uint8_t lane[BATCH], uint8_t *planes, size_t stride) {
    bytes16 x[8];
    memcpy(x, lane, sizeof x);
    for (int i = 0; i < 8; i++) x[i] = (bytes16)transposed((words2)x[i]);
    // From (group of eight values, plane), four bits and three, to (plane, group).
    for (int round = 0; round < 4; round++) rotate_indices(x);
    for (int bit = 0; bit < 8; bit++) memcpy(planes + (size_t)(7 - bit) * stride, &x[bit], 16);
}

static inline void planes_to_lane(const uint8_t *planes, size_t stride, uint8_t lane[BATCH]) {
    bytes16 x[8];
    for (int bit = 0; bit < 8; bit++) memcpy(&x[bit], planes + (size_t)(7 - bit) * stride, 16);
    for (int round = 0; round < 3; round++) rotate_indices(x);
    for (int i = 0; i < 8; i++) x[i] = (bytes16)transposed((words2)x[i]);
    memcpy(lane, x, sizeof x);
}

#define MAPPED16(v) (table[v])
#define MAPPED32(v) ((uint32_t)table[(v) >> 16] << 16 | ((v) & 0xFFFFu))

// A batch that is not full is filled with zeros beside, and only the bytes that its planes have are copied.
#define SHUFFLE(name, type, bytes, MAPPED)                                                     \
    static inline void name##_batch(                                                           \
        const type *values, const uint16_t *table, uint8_t *planes, size_t stride) {           \
        type mapped[BATCH];                                                                    \
        uint8_t lane[BATCH];                                                                   \
        for (int i = 0; i < BATCH; i++) mapped[i] = MAPPED(values[i]);                         \
        for (int k = 0; k < bytes; k++) {                                                      \
            for (int i = 0; i < BATCH; i++) lane[i] = (uint8_t)(mapped[i] >> (8 * k));         \
            lane_to_planes(lane, planes + (size_t)(8 * (bytes - 1 - k)) * stride, stride);     \
        }                                                                                      \
    }                                                                                          \
    void name(const type *values, size_t count, const uint16_t table[65536], uint8_t *planes) { \
        const size_t stride = (count + 7) / 8;                                                 \
        size_t done = 0;                                                                       \
        for (; done + BATCH <= count; done += BATCH)                                           \
            name##_batch(values + done, table, planes + done / 8, stride);                     \
        if (done == count) return;                                                             \
        type rest[BATCH];                                                                      \
        uint8_t aside[8 * bytes * 16];                                                         \
        for (size_t i = 0; i < BATCH; i++) rest[i] = done + i < count ? values[done + i] : 0;  \
        name##_batch(rest, table, aside, 16);                                                  \
        /* A zero maps to something: its bits past the last value are cleared again. */        \
        const size_t whole = (count - done) / 8;                                               \
        const uint8_t mask = (uint8_t)((1u << (count - done) % 8) - 1);                        \
        for (int plane = 0; plane < 8 * bytes; plane++) {                                      \
            uint8_t *target = planes + (size_t)plane * stride + done / 8;                      \
            memcpy(target, aside + 16 * plane, whole);                                         \
            if (mask) target[whole] = aside[16 * plane + whole] & mask;                        \
        }                                                                                      \
    }

SHUFFLE(record_shuffle16, uint16_t, 2, MAPPED16)
SHUFFLE(record_shuffle32, uint32_t, 4, MAPPED32)

#define UNSHUFFLE(name, type, bytes, MAPPED)                                                   \
    static inline void name##_batch(                                                           \
        const uint8_t *planes, size_t stride, const uint16_t *table, type *values) {           \
        uint8_t lanes[bytes][BATCH];                                                           \
        type joined[BATCH];                                                                    \
        for (int k = 0; k < bytes; k++)                                                        \
            planes_to_lane(planes + (size_t)(8 * (bytes - 1 - k)) * stride, stride, lanes[k]); \
        for (int i = 0; i < BATCH; i++) {                                                      \
            type v = 0;                                                                        \
            for (int k = 0; k < bytes; k++) v |= (type)((type)lanes[k][i] << (8 * k));         \
            joined[i] = v;                                                                     \
        }                                                                                      \
        for (int i = 0; i < BATCH; i++) values[i] = MAPPED(joined[i]);                         \
    }                                                                                          \
    void name(const uint8_t *planes, size_t count, const uint16_t table[65536], type *values) { \
        const size_t stride = (count + 7) / 8;                                                 \
        size_t done = 0;                                                                       \
        for (; done + BATCH <= count; done += BATCH)                                           \
            name##_batch(planes + done / 8, stride, table, values + done);                     \
        if (done == count) return;                                                             \
        type rest[BATCH];                                                                      \
        uint8_t aside[8 * bytes * 16] = {0};                                                   \
        for (int plane = 0; plane < 8 * bytes; plane++)                                        \
            memcpy(aside + 16 * plane, planes + (size_t)plane * stride + done / 8, stride - done / 8); \
        name##_batch(aside, 16, table, rest);                                                  \
        memcpy(values + done, rest, (count - done) * sizeof(type));                            \
    }

UNSHUFFLE(record_unshuffle16, uint16_t, 2, MAPPED16)
UNSHUFFLE(record_unshuffle32, uint32_t, 4, MAPPED32)

void record_round_bf16(const uint32_t *values, size_t count, uint16_t *rounded) {
    for (size_t i = 0; i < count; i++) {
        const uint32_t v = values[i];
        const uint32_t nearest = (v + 0x7FFFu + ((v >> 16) & 1u)) >> 16;
        rounded[i] = (v & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC0u : (uint16_t)nearest;
    }
}

void record_widen_bf16(const uint16_t *values, size_t count, uint32_t *widened) {
    for (size_t i = 0; i < count; i++) widened[i] = (uint32_t)values[i] << 16;
}
