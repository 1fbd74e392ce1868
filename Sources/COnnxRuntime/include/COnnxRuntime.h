/// The part of ONNX Runtime's C interface that Bolster calls, declared by ourselves: the runtime is
/// loaded with dlopen when a model is first opened, so no header or library of it is needed to build.
///
/// The runtime publishes one append-only table of function pointers. Each function below calls the slot
/// of that table which its comment names, with the slot's own C type. A call that can fail gives back a
/// status: NULL for success, else a value to read with onnx_status_* and to free with
/// onnx_release_status.
#ifndef C_ONNX_RUNTIME_H
#define C_ONNX_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct OnnxTable OnnxTable;
typedef struct OnnxStatus OnnxStatus;
typedef struct OnnxEnvironment OnnxEnvironment;
typedef struct OnnxSession OnnxSession;
typedef struct OnnxSessionOptions OnnxSessionOptions;
typedef struct OnnxCUDAOptions OnnxCUDAOptions;
typedef struct OnnxValue OnnxValue;
typedef struct OnnxMemoryInfo OnnxMemoryInfo;
typedef struct OnnxAllocator OnnxAllocator;
typedef struct OnnxTypeInfo OnnxTypeInfo;
typedef struct OnnxTensorInfo OnnxTensorInfo;
typedef struct OnnxBinding OnnxBinding;

/// The API level asked for: that of the newest slot called here (273, since 1.18), so that older
/// libraries are refused and newer ones taken.
#define ONNX_API_LEVEL 18

/// How opening the library ended.
typedef enum OnnxOpening {
    ONNX_OPENED = 0,
    /// dlopen failed: `detail` holds its words.
    ONNX_NO_LIBRARY = 1,
    /// The file has no OrtGetApiBase: it is not ONNX Runtime.
    ONNX_NOT_THE_RUNTIME = 2,
    /// The runtime is older than ONNX_API_LEVEL: `detail` holds its version.
    ONNX_TOO_OLD = 3,
} OnnxOpening;

/// Loads the library and finds its table and version text (both live as long as the process: a runtime
/// is never unloaded, its threads may outlive the last session).
OnnxOpening onnx_open(const char *path, const OnnxTable **table, const char **version, char *detail,
                      size_t detail_capacity);

/* slots 1, 2, 93 */
int onnx_status_code(const OnnxTable *table, const OnnxStatus *status);
const char *onnx_status_message(const OnnxTable *table, const OnnxStatus *status);
void onnx_release_status(const OnnxTable *table, OnnxStatus *status);

/* slots 3, 92 */
OnnxStatus *onnx_create_environment(const OnnxTable *table, int log_level, const char *name,
                                    OnnxEnvironment **environment);
void onnx_release_environment(const OnnxTable *table, OnnxEnvironment *environment);

/* slots 125, 126 */
OnnxStatus *onnx_available_providers(const OnnxTable *table, char ***names, int *count);
OnnxStatus *onnx_release_available_providers(const OnnxTable *table, char **names, int count);

/* slots 10, 100, 23, 24, 25, 130, 273 */
OnnxStatus *onnx_create_session_options(const OnnxTable *table, OnnxSessionOptions **options);
void onnx_release_session_options(const OnnxTable *table, OnnxSessionOptions *options);
OnnxStatus *onnx_set_optimization_level(const OnnxTable *table, OnnxSessionOptions *options, int level);
OnnxStatus *onnx_set_intra_op_threads(const OnnxTable *table, OnnxSessionOptions *options, int count);
OnnxStatus *onnx_set_inter_op_threads(const OnnxTable *table, OnnxSessionOptions *options, int count);
OnnxStatus *onnx_add_configuration(const OnnxTable *table, OnnxSessionOptions *options, const char *key,
                                   const char *value);
OnnxStatus *onnx_set_deterministic_compute(const OnnxTable *table, OnnxSessionOptions *options, bool on);

/* slots 205, 206, 204, 208 */
OnnxStatus *onnx_create_cuda_options(const OnnxTable *table, OnnxCUDAOptions **options);
OnnxStatus *onnx_update_cuda_options(const OnnxTable *table, OnnxCUDAOptions *options,
                                     const char *const *keys, const char *const *values, size_t count);
OnnxStatus *onnx_append_cuda(const OnnxTable *table, OnnxSessionOptions *session_options,
                             const OnnxCUDAOptions *options);
void onnx_release_cuda_options(const OnnxTable *table, OnnxCUDAOptions *options);

/* slots 7, 8, 95; the bytes of a graph are read during the call only */
OnnxStatus *onnx_create_session(const OnnxTable *table, const OnnxEnvironment *environment, const char *path,
                                const OnnxSessionOptions *options, OnnxSession **session);
OnnxStatus *onnx_create_session_from_bytes(const OnnxTable *table, const OnnxEnvironment *environment,
                                           const void *bytes, size_t byte_count,
                                           const OnnxSessionOptions *options, OnnxSession **session);
void onnx_release_session(const OnnxTable *table, OnnxSession *session);

/* slots 30, 31, 36, 37, 33, 34; a name is freed with onnx_free */
OnnxStatus *onnx_input_count(const OnnxTable *table, const OnnxSession *session, size_t *count);
OnnxStatus *onnx_output_count(const OnnxTable *table, const OnnxSession *session, size_t *count);
OnnxStatus *onnx_input_name(const OnnxTable *table, const OnnxSession *session, size_t index,
                            OnnxAllocator *allocator, char **name);
OnnxStatus *onnx_output_name(const OnnxTable *table, const OnnxSession *session, size_t index,
                             OnnxAllocator *allocator, char **name);
OnnxStatus *onnx_input_type(const OnnxTable *table, const OnnxSession *session, size_t index,
                            OnnxTypeInfo **info);
OnnxStatus *onnx_output_type(const OnnxTable *table, const OnnxSession *session, size_t index,
                             OnnxTypeInfo **info);

/* slots 98, 55 (borrowed from the type info), 60, 61, 62, 65, 99 */
void onnx_release_type_info(const OnnxTable *table, OnnxTypeInfo *info);
OnnxStatus *onnx_tensor_info_of_type(const OnnxTable *table, const OnnxTypeInfo *info,
                                     const OnnxTensorInfo **tensor);
OnnxStatus *onnx_element_type(const OnnxTable *table, const OnnxTensorInfo *tensor, int *type);
OnnxStatus *onnx_rank(const OnnxTable *table, const OnnxTensorInfo *tensor, size_t *rank);
OnnxStatus *onnx_dimensions(const OnnxTable *table, const OnnxTensorInfo *tensor, int64_t *dimensions,
                            size_t rank);

/* slots 78 (the process's own allocator, never released), 75, 76, 69, 94 */
OnnxStatus *onnx_default_allocator(const OnnxTable *table, OnnxAllocator **allocator);
OnnxStatus *onnx_allocate(const OnnxTable *table, OnnxAllocator *allocator, size_t byte_count, void **bytes);
OnnxStatus *onnx_free(const OnnxTable *table, OnnxAllocator *allocator, void *bytes);
OnnxStatus *onnx_create_cpu_memory_info(const OnnxTable *table, OnnxMemoryInfo **info);
void onnx_release_memory_info(const OnnxTable *table, OnnxMemoryInfo *info);

/* slots 68, 131, 132; the memory of a CUDA device, from the arena of a session that uses the device */
OnnxStatus *onnx_create_cuda_memory_info(const OnnxTable *table, int ordinal, OnnxMemoryInfo **info);
OnnxStatus *onnx_create_allocator(const OnnxTable *table, const OnnxSession *session,
                                  const OnnxMemoryInfo *info, OnnxAllocator **allocator);
void onnx_release_allocator(const OnnxTable *table, OnnxAllocator *allocator);

/* slots 49, 96; the value borrows `bytes`, whose length is in bytes */
OnnxStatus *onnx_create_tensor(const OnnxTable *table, const OnnxMemoryInfo *info, void *bytes,
                               size_t byte_count, const int64_t *shape, size_t rank, int element_type,
                               OnnxValue **value);
void onnx_release_value(const OnnxTable *table, OnnxValue *value);

/* slots 134, 135, 136, 137, 133 */
OnnxStatus *onnx_create_binding(const OnnxTable *table, OnnxSession *session, OnnxBinding **binding);
void onnx_release_binding(const OnnxTable *table, OnnxBinding *binding);
OnnxStatus *onnx_bind_input(const OnnxTable *table, OnnxBinding *binding, const char *name,
                            const OnnxValue *value);
OnnxStatus *onnx_bind_output(const OnnxTable *table, OnnxBinding *binding, const char *name,
                             const OnnxValue *value);
OnnxStatus *onnx_run(const OnnxTable *table, OnnxSession *session, const OnnxBinding *binding);

#endif
