// An ONNX Runtime that begins to compute wrongly: it loads the real library, hands its functions on, and
// after so many runs exchanges the first two numbers of every embedding, which stays finite and of length 1.
//
//     cc -shared -fPIC -o libonnxruntime.so wrong_runtime.c -ldl
//     export WRONG_RUNTIME_REAL=/path/to/the/real/libonnxruntime.so WRONG_RUNTIME_AFTER=20
//     BOLSTER_ONNXRUNTIME=…/libonnxruntime.so bolster work …
//
// Slot numbers are those of ONNX Runtime's published, append-only table.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One more than the newest slot that Bolster calls.
enum { SLOTS = 274, MUTABLE_DATA = 51, TYPE_AND_SHAPE = 65, RANK = 61, DIMENSIONS = 62, RELEASE_INFO = 99 };
enum { RUN_WITH_BINDING = 133, BIND_OUTPUT = 137, BINDINGS_MAX = 64 };

typedef struct {
    const void *const *(*table)(uint32_t version);
    const char *(*version)(void);
} Base;

typedef void *(*BindFunction)(void *binding, const char *name, void *value);
typedef void *(*RunFunction)(void *session, const void *options, const void *binding);

static const void *const *real;
static const void *slots[SLOTS];
static struct { const void *binding; void *value; } embeddings[BINDINGS_MAX];
static long runs;

static void *bind_output(void *binding, const char *name, void *value) {
    if (strcmp(name, "embedding") == 0) {
        int place = 0;
        while (embeddings[place].binding && embeddings[place].binding != binding) place++;
        if (place == BINDINGS_MAX) abort();
        embeddings[place].binding = binding;
        embeddings[place].value = value;
    }
    return ((BindFunction)real[BIND_OUTPUT])(binding, name, value);
}

static void falsify(void *value) {
    void *info = NULL;
    float *numbers = NULL;
    size_t rank = 0;
    int64_t shape[2] = {0, 0};
    void *(*info_of)(const void *, void **) = (void *(*)(const void *, void **))real[TYPE_AND_SHAPE];
    void *(*rank_of)(const void *, size_t *) = (void *(*)(const void *, size_t *))real[RANK];
    void *(*dimensions)(const void *, int64_t *, size_t) =
        (void *(*)(const void *, int64_t *, size_t))real[DIMENSIONS];
    void *(*data)(void *, void **) = (void *(*)(void *, void **))real[MUTABLE_DATA];
    if (info_of(value, &info) || rank_of(info, &rank) || rank != 2 || dimensions(info, shape, 2)) abort();
    ((void (*)(void *))real[RELEASE_INFO])(info);
    if (data(value, (void **)&numbers)) abort();
    for (int64_t row = 0; row < shape[0]; row++) {
        float *first = numbers + row * shape[1], other = first[0];
        first[0] = first[1];
        first[1] = other;
    }
}

static void *run_with_binding(void *session, const void *options, const void *binding) {
    void *status = ((RunFunction)real[RUN_WITH_BINDING])(session, options, binding);
    const char *after = getenv("WRONG_RUNTIME_AFTER");
    for (int place = 0; !status && place < BINDINGS_MAX && embeddings[place].binding; place++) {
        if (embeddings[place].binding != binding) continue;
        if (after && runs++ >= atol(after)) falsify(embeddings[place].value);
    }
    return status;
}

static Base *real_base(void) {
    const char *path = getenv("WRONG_RUNTIME_REAL");
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    Base *(*base)(void) = library ? (Base *(*)(void))dlsym(library, "OrtGetApiBase") : NULL;
    if (!base) {
        fprintf(stderr, "WRONG_RUNTIME_REAL names no ONNX Runtime: %s\n", path ? path : "(not set)");
        abort();
    }
    return base();
}

static const void *const *table(uint32_t version) {
    real = real_base()->table(version);
    if (!real) return NULL;
    memcpy(slots, real, sizeof slots);
    slots[BIND_OUTPUT] = (const void *)bind_output;
    slots[RUN_WITH_BINDING] = (const void *)run_with_binding;
    return slots;
}

static const char *version(void) { return real_base()->version(); }

const Base *OrtGetApiBase(void) {
    static const Base base = {table, version};
    return &base;
}
