#ifndef CRecordKernels_H
#define CRecordKernels_H

#include <stddef.h>
#include <stdint.h>

// Kernels of the record-file codec and of the embeddings' encodings. All numbers are little-endian, no
// buffer may overlap another, and nothing here allocates.

// Adds to counts[e] how many of the values have the exponent field e.
void record_count_exponents16(const uint16_t *values, size_t count, uint64_t counts[256]);
void record_count_exponents32(const uint32_t *values, size_t count, uint64_t counts[256]);

// The exponent fields of bfloat16, and of the upper halves of fp32, replaced by mapped[e]: a table from
// every 16-bit value to its replacement.
void record_fill_table(const uint8_t mapped[256], uint16_t table[65536]);

// Replaces each value (or upper half of a 32-bit value) by table's and writes the bits as planes, the most
// significant bit's plane first. A plane has ceil(count / 8) bytes; bit i of byte b belongs to value 8 b + i,
// and bits past the last value are 0. `planes` has room for 16 (or 32) planes.
void record_shuffle16(const uint16_t *values, size_t count, const uint16_t table[65536], uint8_t *planes);
void record_shuffle32(const uint32_t *values, size_t count, const uint16_t table[65536], uint8_t *planes);

// The inverse, with the inverse table.
void record_unshuffle16(const uint8_t *planes, size_t count, const uint16_t table[65536], uint16_t *values);
void record_unshuffle32(const uint8_t *planes, size_t count, const uint16_t table[65536], uint32_t *values);

// fp32 to bfloat16, to nearest, ties to even, every NaN to 0x7FC0: as PyTorch rounds.
void record_round_bf16(const uint32_t *values, size_t count, uint16_t *rounded);
// bfloat16 to fp32, exact.
void record_widen_bf16(const uint16_t *values, size_t count, uint32_t *widened);

#endif
