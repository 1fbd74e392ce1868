#include "COnnxRuntime.h"

#include <dlfcn.h>
#include <stdio.h>

/// What OrtGetApiBase points to.
typedef struct OnnxBase {
    const OnnxTable *(*table)(uint32_t level);
    const char *(*version)(void);
} OnnxBase;

/// The function in a slot of the table, as the C type given.
#define SLOT(index, type) ((type)((void *const *)table)[index])

OnnxOpening onnx_open(const char *path, const OnnxTable **table, const char **version, char *detail,
                      size_t detail_capacity) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *words = dlerror();
        snprintf(detail, detail_capacity, "%s", words == NULL ? "dlopen gave no reason" : words);
        return ONNX_NO_LIBRARY;
    }
    const OnnxBase *(*base)(void) = (const OnnxBase *(*)(void))dlsym(library, "OrtGetApiBase");
    if (base == NULL) {
        snprintf(detail, detail_capacity, "it has no function OrtGetApiBase");
        dlclose(library);
        return ONNX_NOT_THE_RUNTIME;
    }
    *version = base()->version();
    *table = base()->table(ONNX_API_LEVEL);
    if (*table == NULL) {
        snprintf(detail, detail_capacity, "%s", *version);
        return ONNX_TOO_OLD;
    }
    return ONNX_OPENED;
}

int onnx_status_code(const OnnxTable *table, const OnnxStatus *status) {
    typedef int (*Call)(const OnnxStatus *);
    return SLOT(1, Call)(status);
}

const char *onnx_status_message(const OnnxTable *table, const OnnxStatus *status) {
    typedef const char *(*Call)(const OnnxStatus *);
    return SLOT(2, Call)(status);
}

void onnx_release_status(const OnnxTable *table, OnnxStatus *status) {
    typedef void (*Call)(OnnxStatus *);
    SLOT(93, Call)(status);
}

OnnxStatus *onnx_create_environment(const OnnxTable *table, int log_level, const char *name,
                                    OnnxEnvironment **environment) {
    typedef OnnxStatus *(*Call)(int, const char *, OnnxEnvironment **);
    return SLOT(3, Call)(log_level, name, environment);
}

void onnx_release_environment(const OnnxTable *table, OnnxEnvironment *environment) {
    typedef void (*Call)(OnnxEnvironment *);
    SLOT(92, Call)(environment);
}

OnnxStatus *onnx_available_providers(const OnnxTable *table, char ***names, int *count) {
    typedef OnnxStatus *(*Call)(char ***, int *);
    return SLOT(125, Call)(names, count);
}

OnnxStatus *onnx_release_available_providers(const OnnxTable *table, char **names, int count) {
    typedef OnnxStatus *(*Call)(char **, int);
    return SLOT(126, Call)(names, count);
}

OnnxStatus *onnx_create_session_options(const OnnxTable *table, OnnxSessionOptions **options) {
    typedef OnnxStatus *(*Call)(OnnxSessionOptions **);
    return SLOT(10, Call)(options);
}

void onnx_release_session_options(const OnnxTable *table, OnnxSessionOptions *options) {
    typedef void (*Call)(OnnxSessionOptions *);
    SLOT(100, Call)(options);
}

OnnxStatus *onnx_set_optimization_level(const OnnxTable *table, OnnxSessionOptions *options, int level) {
    typedef OnnxStatus *(*Call)(OnnxSessionOptions *, int);
    return SLOT(23, Call)(options, level);
}

OnnxStatus *onnx_set_intra_op_threads(const OnnxTable *table, OnnxSessionOptions *options, int count) {
    typedef OnnxStatus *(*Call)(OnnxSessionOptions *, int);
    return SLOT(24, Call)(options, count);
}

OnnxStatus *onnx_set_inter_op_threads(const OnnxTable *table, OnnxSessionOptions *options, int count) {
    typedef OnnxStatus *(*Call)(OnnxSessionOptions *, int);
    return SLOT(25, Call)(options, count);
}

OnnxStatus *onnx_add_configuration(const OnnxTable *table, OnnxSessionOptions *options, const char *key,
                                   const char *value) {
    typedef OnnxStatus *(*Call)(OnnxSessionOptions *, const char *, const char *);
    return SLOT(130, Call)(options, key, value);
}

OnnxStatus *onnx_set_deterministic_compute(const OnnxTable *table, OnnxSessionOptions *options, bool on) {
    typedef OnnxStatus *(*Call)(OnnxSessionOptions *, bool);
    return SLOT(273, Call)(options, on);
}

OnnxStatus *onnx_create_cuda_options(const OnnxTable *table, OnnxCUDAOptions **options) {
    typedef OnnxStatus *(*Call)(OnnxCUDAOptions **);
    return SLOT(205, Call)(options);
}

OnnxStatus *onnx_update_cuda_options(const OnnxTable *table, OnnxCUDAOptions *options,
                                     const char *const *keys, const char *const *values, size_t count) {
    typedef OnnxStatus *(*Call)(OnnxCUDAOptions *, const char *const *, const char *const *, size_t);
    return SLOT(206, Call)(options, keys, values, count);
}

OnnxStatus *onnx_append_cuda(const OnnxTable *table, OnnxSessionOptions *session_options,
                             const OnnxCUDAOptions *options) {
    typedef OnnxStatus *(*Call)(OnnxSessionOptions *, const OnnxCUDAOptions *);
    return SLOT(204, Call)(session_options, options);
}

void onnx_release_cuda_options(const OnnxTable *table, OnnxCUDAOptions *options) {
    typedef void (*Call)(OnnxCUDAOptions *);
    SLOT(208, Call)(options);
}

OnnxStatus *onnx_create_session(const OnnxTable *table, const OnnxEnvironment *environment, const char *path,
                                const OnnxSessionOptions *options, OnnxSession **session) {
    typedef OnnxStatus *(*Call)(const OnnxEnvironment *, const char *, const OnnxSessionOptions *,
                                OnnxSession **);
    return SLOT(7, Call)(environment, path, options, session);
}

OnnxStatus *onnx_create_session_from_bytes(const OnnxTable *table, const OnnxEnvironment *environment,
                                           const void *bytes, size_t byte_count,
                                           const OnnxSessionOptions *options, OnnxSession **session) {
    typedef OnnxStatus *(*Call)(const OnnxEnvironment *, const void *, size_t, const OnnxSessionOptions *,
                                OnnxSession **);
    return SLOT(8, Call)(environment, bytes, byte_count, options, session);
}

void onnx_release_session(const OnnxTable *table, OnnxSession *session) {
    typedef void (*Call)(OnnxSession *);
    SLOT(95, Call)(session);
}

typedef OnnxStatus *(*SessionCount)(const OnnxSession *, size_t *);
typedef OnnxStatus *(*SessionName)(const OnnxSession *, size_t, OnnxAllocator *, char **);
typedef OnnxStatus *(*SessionType)(const OnnxSession *, size_t, OnnxTypeInfo **);

OnnxStatus *onnx_input_count(const OnnxTable *table, const OnnxSession *session, size_t *count) {
    return SLOT(30, SessionCount)(session, count);
}

OnnxStatus *onnx_output_count(const OnnxTable *table, const OnnxSession *session, size_t *count) {
    return SLOT(31, SessionCount)(session, count);
}

OnnxStatus *onnx_input_name(const OnnxTable *table, const OnnxSession *session, size_t index,
                            OnnxAllocator *allocator, char **name) {
    return SLOT(36, SessionName)(session, index, allocator, name);
}

OnnxStatus *onnx_output_name(const OnnxTable *table, const OnnxSession *session, size_t index,
                             OnnxAllocator *allocator, char **name) {
    return SLOT(37, SessionName)(session, index, allocator, name);
}

OnnxStatus *onnx_input_type(const OnnxTable *table, const OnnxSession *session, size_t index,
                            OnnxTypeInfo **info) {
    return SLOT(33, SessionType)(session, index, info);
}

OnnxStatus *onnx_output_type(const OnnxTable *table, const OnnxSession *session, size_t index,
                             OnnxTypeInfo **info) {
    return SLOT(34, SessionType)(session, index, info);
}

void onnx_release_type_info(const OnnxTable *table, OnnxTypeInfo *info) {
    typedef void (*Call)(OnnxTypeInfo *);
    SLOT(98, Call)(info);
}

OnnxStatus *onnx_tensor_info_of_type(const OnnxTable *table, const OnnxTypeInfo *info,
                                     const OnnxTensorInfo **tensor) {
    typedef OnnxStatus *(*Call)(const OnnxTypeInfo *, const OnnxTensorInfo **);
    return SLOT(55, Call)(info, tensor);
}

OnnxStatus *onnx_element_type(const OnnxTable *table, const OnnxTensorInfo *tensor, int *type) {
    typedef OnnxStatus *(*Call)(const OnnxTensorInfo *, int *);
    return SLOT(60, Call)(tensor, type);
}

OnnxStatus *onnx_rank(const OnnxTable *table, const OnnxTensorInfo *tensor, size_t *rank) {
    typedef OnnxStatus *(*Call)(const OnnxTensorInfo *, size_t *);
    return SLOT(61, Call)(tensor, rank);
}

OnnxStatus *onnx_dimensions(const OnnxTable *table, const OnnxTensorInfo *tensor, int64_t *dimensions,
                            size_t rank) {
    typedef OnnxStatus *(*Call)(const OnnxTensorInfo *, int64_t *, size_t);
    return SLOT(62, Call)(tensor, dimensions, rank);
}

OnnxStatus *onnx_default_allocator(const OnnxTable *table, OnnxAllocator **allocator) {
    typedef OnnxStatus *(*Call)(OnnxAllocator **);
    return SLOT(78, Call)(allocator);
}

OnnxStatus *onnx_allocate(const OnnxTable *table, OnnxAllocator *allocator, size_t byte_count, void **bytes) {
    typedef OnnxStatus *(*Call)(OnnxAllocator *, size_t, void **);
    return SLOT(75, Call)(allocator, byte_count, bytes);
}

OnnxStatus *onnx_free(const OnnxTable *table, OnnxAllocator *allocator, void *bytes) {
    typedef OnnxStatus *(*Call)(OnnxAllocator *, void *);
    return SLOT(76, Call)(allocator, bytes);
}

OnnxStatus *onnx_create_cpu_memory_info(const OnnxTable *table, OnnxMemoryInfo **info) {
    typedef OnnxStatus *(*Call)(int, int, OnnxMemoryInfo **);
    return SLOT(69, Call)(/* device allocator */ 0, /* default memory */ 0, info);
}

void onnx_release_memory_info(const OnnxTable *table, OnnxMemoryInfo *info) {
    typedef void (*Call)(OnnxMemoryInfo *);
    SLOT(94, Call)(info);
}

OnnxStatus *onnx_create_cuda_memory_info(const OnnxTable *table, int ordinal, OnnxMemoryInfo **info) {
    typedef OnnxStatus *(*Call)(const char *, int, int, int, OnnxMemoryInfo **);
    return SLOT(68, Call)("Cuda", /* arena allocator */ 1, ordinal, /* default memory */ 0, info);
}

OnnxStatus *onnx_create_allocator(const OnnxTable *table, const OnnxSession *session,
                                  const OnnxMemoryInfo *info, OnnxAllocator **allocator) {
    typedef OnnxStatus *(*Call)(const OnnxSession *, const OnnxMemoryInfo *, OnnxAllocator **);
    return SLOT(131, Call)(session, info, allocator);
}

void onnx_release_allocator(const OnnxTable *table, OnnxAllocator *allocator) {
    typedef void (*Call)(OnnxAllocator *);
    SLOT(132, Call)(allocator);
}

OnnxStatus *onnx_create_tensor(const OnnxTable *table, const OnnxMemoryInfo *info, void *bytes,
                               size_t byte_count, const int64_t *shape, size_t rank, int element_type,
                               OnnxValue **value) {
    typedef OnnxStatus *(*Call)(const OnnxMemoryInfo *, void *, size_t, const int64_t *, size_t, int,
                                OnnxValue **);
    return SLOT(49, Call)(info, bytes, byte_count, shape, rank, element_type, value);
}

void onnx_release_value(const OnnxTable *table, OnnxValue *value) {
    typedef void (*Call)(OnnxValue *);
    SLOT(96, Call)(value);
}

OnnxStatus *onnx_create_binding(const OnnxTable *table, OnnxSession *session, OnnxBinding **binding) {
    typedef OnnxStatus *(*Call)(OnnxSession *, OnnxBinding **);
    return SLOT(134, Call)(session, binding);
}

void onnx_release_binding(const OnnxTable *table, OnnxBinding *binding) {
    typedef void (*Call)(OnnxBinding *);
    SLOT(135, Call)(binding);
}

typedef OnnxStatus *(*Bind)(OnnxBinding *, const char *, const OnnxValue *);

OnnxStatus *onnx_bind_input(const OnnxTable *table, OnnxBinding *binding, const char *name,
                            const OnnxValue *value) {
    return SLOT(136, Bind)(binding, name, value);
}

OnnxStatus *onnx_bind_output(const OnnxTable *table, OnnxBinding *binding, const char *name,
                             const OnnxValue *value) {
    return SLOT(137, Bind)(binding, name, value);
}

OnnxStatus *onnx_run(const OnnxTable *table, OnnxSession *session, const OnnxBinding *binding) {
    typedef OnnxStatus *(*Call)(OnnxSession *, const void *, const OnnxBinding *);
    return SLOT(133, Call)(session, NULL, binding);
}
