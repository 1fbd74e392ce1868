/// The part of libsentencepiece (a C++ library) that Bolster calls, as C: a model is opened from its bytes,
/// texts become token numbers. All calls on an open model may come from several threads at once.
#ifndef C_SENTENCE_PIECE_H
#define C_SENTENCE_PIECE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct PieceModel PieceModel;

/// Opens a serialised `.model` file. NULL where the bytes are none; `detail` then says why.
PieceModel *piece_model_open(const void *bytes, size_t count, char *detail, size_t detail_capacity);
void piece_model_close(PieceModel *model);

/// Number of pieces.
int32_t piece_model_size(const PieceModel *model);

/// Token numbers of UTF-8 text, without any token at start or end.
///
/// Writes up to `capacity` numbers and gives back how many the text has, which may be more; -1 where the
/// library refused, with its words in `detail`.
int64_t piece_model_encode(const PieceModel *model, const char *text, size_t count, int32_t *ids,
                           size_t capacity, char *detail, size_t detail_capacity);

#ifdef __cplusplus
}
#endif

#endif
