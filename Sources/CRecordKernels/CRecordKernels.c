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

// The transpose of an 8 by 8 bit matrix, a row a byte (Warren, Hacker's Delight, 2nd edition, 7-3).
static inline uint64_t transposed(uint64_t x) {
    uint64_t t;
    t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAull;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCull;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0ull;
    return x ^ t ^ (t << 28);
}

// `bytes` bytes a value, eight values at a time: byte k of each value is a row of a bit matrix whose
// transpose holds a byte of eight planes.
#define SHUFFLE(name, type, bytes, shift)                                                      \
    void name(const type *values, size_t count, const uint8_t mapped[256], uint8_t *planes) {  \
        const type kept = (type) ~((type)255 << (shift));                                      \
        const size_t plane = (count + 7) / 8;                                                  \
        for (size_t group = 0; group < plane; group++) {                                       \
            const size_t have = count - 8 * group < 8 ? count - 8 * group : 8;                 \
            uint64_t rows[bytes] = {0};                                                        \
            for (size_t i = 0; i < have; i++) {                                                \
                type v = values[8 * group + i];                                                \
                v = (type)((v & kept) | ((type)mapped[(v >> (shift)) & 255] << (shift)));      \
                for (int k = 0; k < bytes; k++) rows[k] |= (uint64_t)((v >> (8 * k)) & 255) << (8 * i); \
            }                                                                                  \
            for (int k = 0; k < bytes; k++) {                                                  \
                const uint64_t columns = transposed(rows[k]);                                  \
                for (int bit = 0; bit < 8; bit++)                                              \
                    planes[(size_t)(8 * bytes - 1 - (8 * k + bit)) * plane + group] =          \
                        (uint8_t)(columns >> (8 * bit));                                       \
            }                                                                                  \
        }                                                                                      \
    }

SHUFFLE(record_shuffle16, uint16_t, 2, 7)
SHUFFLE(record_shuffle32, uint32_t, 4, 23)

#define UNSHUFFLE(name, type, bytes, shift)                                                    \
    void name(const uint8_t *planes, size_t count, const uint8_t mapped[256], type *values) {  \
        const type kept = (type) ~((type)255 << (shift));                                      \
        const size_t plane = (count + 7) / 8;                                                  \
        for (size_t group = 0; group < plane; group++) {                                       \
            const size_t have = count - 8 * group < 8 ? count - 8 * group : 8;                 \
            uint64_t rows[bytes];                                                              \
            for (int k = 0; k < bytes; k++) {                                                  \
                uint64_t columns = 0;                                                          \
                for (int bit = 0; bit < 8; bit++)                                              \
                    columns |= (uint64_t)planes[(size_t)(8 * bytes - 1 - (8 * k + bit)) * plane + group] \
                               << (8 * bit);                                                   \
                rows[k] = transposed(columns);                                                 \
            }                                                                                  \
            for (size_t i = 0; i < have; i++) {                                                \
                type v = 0;                                                                    \
                for (int k = 0; k < bytes; k++) v |= (type)((type)((rows[k] >> (8 * i)) & 255) << (8 * k)); \
                values[8 * group + i] =                                                        \
                    (type)((v & kept) | ((type)mapped[(v >> (shift)) & 255] << (shift)));      \
            }                                                                                  \
        }                                                                                      \
    }

UNSHUFFLE(record_unshuffle16, uint16_t, 2, 7)
UNSHUFFLE(record_unshuffle32, uint32_t, 4, 23)

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
