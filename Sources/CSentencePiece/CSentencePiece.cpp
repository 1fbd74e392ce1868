#include "CSentencePiece.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

struct PieceModel {
    sentencepiece::SentencePieceProcessor processor;
};

// No exception may cross the border to Swift, so that each function that can throw catches everything.

PieceModel *piece_model_open(const void *bytes, size_t count, char *detail, size_t detail_capacity) {
    try {
        auto model = std::make_unique<PieceModel>();
        const auto status =
            model->processor.LoadFromSerializedProto(std::string(static_cast<const char *>(bytes), count));
        if (status.ok()) return model.release();
        std::snprintf(detail, detail_capacity, "%s", status.ToString().c_str());
    } catch (const std::exception &error) {
        std::snprintf(detail, detail_capacity, "%s", error.what());
    }
    return nullptr;
}

void piece_model_close(PieceModel *model) { delete model; }

int32_t piece_model_size(const PieceModel *model) { return model->processor.GetPieceSize(); }

int64_t piece_model_encode(const PieceModel *model, const char *text, size_t count, int32_t *ids,
                           size_t capacity, char *detail, size_t detail_capacity) {
    try {
        std::vector<int> found;
        const auto status = model->processor.Encode(std::string(text, count), &found);
        if (status.ok()) {
            std::copy_n(found.begin(), std::min(found.size(), capacity), ids);
            return static_cast<int64_t>(found.size());
        }
        std::snprintf(detail, detail_capacity, "%s", status.ToString().c_str());
    } catch (const std::exception &error) {
        std::snprintf(detail, detail_capacity, "%s", error.what());
    }
    return -1;
}
