// An ONNX Runtime with a GPU that is none: it loads the real library, hands its functions on, and adds a
// provider "CUDAExecutionProvider" that computes on the CPU. What is allocated as the GPU's memory can be
// touched while a graph runs and at no other time: a host that reads or writes it dies of SIGSEGV, and a
// tensor of one memory that is declared to be of the other ends the program.
//
//     cc -shared -fPIC -o libonnxruntime.so device_runtime.c -ldl -lpthread
//     export DEVICE_RUNTIME_REAL=/path/to/the/real/libonnxruntime.so DEVICE_RUNTIME_REPORT=/path/of/a/file
//     BOLSTER_ONNXRUNTIME=…/libonnxruntime.so bolster caption --device cuda:0 …
//
// At the end the report has a line for every tensor that was bound: its name, runs with it in the device's
// memory, runs with it in the host's, and the bytes that the latter carried over the border.
//
// Slot numbers are those of ONNX Runtime's published, append-only table.
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// One more than the newest slot that Bolster calls.
enum { SLOTS = 274, CREATE_TENSOR = 49, CREATE_INFO = 68, CREATE_CPU_INFO = 69, ALLOC = 75, FREE = 76 };
enum { RELEASE_INFO = 94, RELEASE_VALUE = 96, PROVIDERS = 125, RELEASE_PROVIDERS = 126 };
enum { CREATE_ALLOCATOR = 131, RELEASE_ALLOCATOR = 132, RUN_WITH_BINDING = 133, RELEASE_BINDING = 135 };
enum { BIND_INPUT = 136, BIND_OUTPUT = 137, APPEND_CUDA = 204, CREATE_CUDA = 205, UPDATE_CUDA = 206 };
enum { RELEASE_CUDA = 208, PLACES = 4096, NAME = 32 };

typedef struct {
    const void *const *(*table)(uint32_t version);
    const char *(*version)(void);
} Base;

static const void *const *real;
static const void *slots[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long running;

// What is known, by place; a free place has a null pointer.
static struct { char *bytes; size_t size; } regions[PLACES];
static struct { const void *value; bool is_device; size_t size; } values[PLACES];
static struct { const void *binding; char name[NAME]; bool is_device; size_t size; } bounds[PLACES];
static struct { char name[NAME]; long device, host; size_t carried; } reports[PLACES];
static const void *infos[PLACES];
static char the_allocator, the_options;

static void die(const char *words, const char *name) {
    fprintf(stderr, "device_runtime: %s: %s\n", words, name);
    abort();
}

static int find(const void *array, size_t stride, const void *wanted) {
    for (int place = 0; place < PLACES; place++) {
        if (*(const void *const *)((const char *)array + place * stride) == wanted) return place;
    }
    if (wanted == NULL) die("no place is left", "enlarge PLACES");
    return -1;
}
#define FIND(array, wanted) find(array, sizeof array[0], wanted)

static bool is_device_info(const void *info) { return info != NULL && FIND(infos, info) >= 0; }

static int region_of(const char *bytes) {
    for (int place = 0; place < PLACES; place++) {
        char *first = regions[place].bytes;
        if (first != NULL && bytes >= first && bytes < first + regions[place].size) return place;
    }
    return -1;
}

static void protect(int rights) {
    for (int place = 0; place < PLACES; place++) {
        if (regions[place].bytes) mprotect(regions[place].bytes, regions[place].size, rights);
    }
}

static void *create_info(const char *name, int kind, int ordinal, int memory, void **info) {
    if (strcmp(name, "Cuda") != 0 || kind != 1 || ordinal != 0 || memory != 0) die("no such memory", name);
    void *status = ((void *(*)(int, int, void **))real[CREATE_CPU_INFO])(0, 0, info);
    pthread_mutex_lock(&lock);
    if (status == NULL) infos[FIND(infos, NULL)] = *info;
    pthread_mutex_unlock(&lock);
    return status;
}

static void release_info(void *info) {
    pthread_mutex_lock(&lock);
    if (is_device_info(info)) infos[FIND(infos, info)] = NULL;
    pthread_mutex_unlock(&lock);
    ((void (*)(void *))real[RELEASE_INFO])(info);
}

static void *create_allocator(const void *session, const void *info, void **allocator) {
    (void)session;
    if (!is_device_info(info)) die("an allocator of the host's", "nobody asks for one");
    *allocator = &the_allocator;
    return NULL;
}

static void release_allocator(void *allocator) {
    if (allocator != &the_allocator) die("an allocator of the host's", "nobody has one");
}

static void *allocate(void *allocator, size_t size, void **bytes) {
    typedef void *(*Call)(void *, size_t, void **);
    if (allocator != &the_allocator) return ((Call)real[ALLOC])(allocator, size, bytes);
    size_t whole = (size + 4095) & ~(size_t)4095;
    char *region = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) die("mmap failed", "");
    // New memory of a GPU holds anything; here it holds what is no number.
    memset(region, 0xff, whole);
    pthread_mutex_lock(&lock);
    if (running == 0) mprotect(region, whole, PROT_NONE);
    int place = FIND(regions, NULL);
    regions[place].bytes = region;
    regions[place].size = whole;
    pthread_mutex_unlock(&lock);
    *bytes = region;
    return NULL;
}

static void *release(void *allocator, void *bytes) {
    if (allocator != &the_allocator) return ((void *(*)(void *, void *))real[FREE])(allocator, bytes);
    pthread_mutex_lock(&lock);
    int place = FIND(regions, bytes);
    if (place < 0) die("memory that was never allocated", "is freed");
    munmap(regions[place].bytes, regions[place].size);
    regions[place].bytes = NULL;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void *create_tensor(const void *info, void *bytes, size_t size, const int64_t *shape, size_t rank,
                           int element, void **value) {
    pthread_mutex_lock(&lock);
    bool is_device = is_device_info(info);
    int region = region_of(bytes);
    if (is_device != (region >= 0)) die("memory and its description differ", is_device ? "host" : "device");
    if (is_device && (char *)bytes + size > regions[region].bytes + regions[region].size) die("too long", "");
    pthread_mutex_unlock(&lock);
    typedef void *(*Call)(const void *, void *, size_t, const int64_t *, size_t, int, void **);
    void *status = ((Call)real[CREATE_TENSOR])(info, bytes, size, shape, rank, element, value);
    if (status != NULL) return status;
    pthread_mutex_lock(&lock);
    int place = FIND(values, NULL);
    values[place].value = *value;
    values[place].is_device = is_device;
    values[place].size = size;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void release_value(void *value) {
    pthread_mutex_lock(&lock);
    int place = value == NULL ? -1 : FIND(values, value);
    if (place >= 0) values[place].value = NULL;
    pthread_mutex_unlock(&lock);
    ((void (*)(void *))real[RELEASE_VALUE])(value);
}

static void note(void *binding, const char *name, const void *value) {
    pthread_mutex_lock(&lock);
    int known = FIND(values, value), place = PLACES - 1;
    if (known < 0) die("a value from nowhere", name);
    while (place >= 0 && (bounds[place].binding != binding || strcmp(bounds[place].name, name) != 0)) place--;
    if (place < 0) place = FIND(bounds, NULL);
    bounds[place].binding = binding;
    snprintf(bounds[place].name, NAME, "%s", name);
    bounds[place].is_device = values[known].is_device;
    bounds[place].size = values[known].size;
    pthread_mutex_unlock(&lock);
}

typedef void *(*Bind)(void *, const char *, const void *);

static void *bind_input(void *binding, const char *name, const void *value) {
    note(binding, name, value);
    return ((Bind)real[BIND_INPUT])(binding, name, value);
}

static void *bind_output(void *binding, const char *name, const void *value) {
    note(binding, name, value);
    return ((Bind)real[BIND_OUTPUT])(binding, name, value);
}

static void release_binding(void *binding) {
    pthread_mutex_lock(&lock);
    for (int place = 0; place < PLACES; place++) {
        if (binding != NULL && bounds[place].binding == binding) bounds[place].binding = NULL;
    }
    pthread_mutex_unlock(&lock);
    ((void (*)(void *))real[RELEASE_BINDING])(binding);
}

static void count(const void *binding) {
    for (int place = 0; place < PLACES; place++) {
        if (bounds[place].binding != binding) continue;
        int line = 0;
        while (reports[line].name[0] && strcmp(reports[line].name, bounds[place].name) != 0) line++;
        memcpy(reports[line].name, bounds[place].name, NAME);
        if (bounds[place].is_device) {
            reports[line].device++;
        } else {
            reports[line].host++;
            reports[line].carried += bounds[place].size;
        }
    }
}

static void *run_with_binding(void *session, const void *options, const void *binding) {
    pthread_mutex_lock(&lock);
    count(binding);
    if (running++ == 0) protect(PROT_READ | PROT_WRITE);
    pthread_mutex_unlock(&lock);
    typedef void *(*Call)(void *, const void *, const void *);
    void *status = ((Call)real[RUN_WITH_BINDING])(session, options, binding);
    pthread_mutex_lock(&lock);
    if (--running == 0) protect(PROT_NONE);
    pthread_mutex_unlock(&lock);
    return status;
}

static void *providers(char ***names, int *count) {
    static char *known[] = {"CUDAExecutionProvider", "CPUExecutionProvider"};
    *names = known;
    *count = 2;
    return NULL;
}

static void *release_providers(char **names, int count) {
    (void)names, (void)count;
    return NULL;
}

static void *create_cuda(void **options) {
    *options = &the_options;
    return NULL;
}

static void *update_cuda(void *options, const char *const *keys, const char *const *words, size_t count) {
    (void)options;
    for (size_t index = 0; index < count; index++) {
        bool is_zero = strcmp(words[index], "0") == 0;
        if (strcmp(keys[index], "device_id") == 0 && !is_zero) die("no such device", words[index]);
        if (strcmp(keys[index], "use_tf32") == 0 && !is_zero) die("TF32 is asked for", words[index]);
    }
    return NULL;
}

static void *append_cuda(void *session_options, const void *options) {
    (void)session_options;
    if (options != &the_options) die("options from nowhere", "");
    return NULL;
}

static void release_cuda(void *options) { (void)options; }

static void report(void) {
    const char *path = getenv("DEVICE_RUNTIME_REPORT");
    FILE *file = path ? fopen(path, "w") : NULL;
    for (int line = 0; file && reports[line].name[0]; line++) {
        fprintf(file, "%s %ld %ld %zu\n", reports[line].name, reports[line].device, reports[line].host,
                reports[line].carried);
    }
    for (int place = 0; file && place < PLACES; place++) {
        if (regions[place].bytes) fprintf(file, "never_freed 0 0 %zu\n", regions[place].size);
    }
    if (file) fclose(file);
}

static Base *real_base(void) {
    const char *path = getenv("DEVICE_RUNTIME_REAL");
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    Base *(*base)(void) = library ? (Base *(*)(void))dlsym(library, "OrtGetApiBase") : NULL;
    if (!base) die("DEVICE_RUNTIME_REAL names no ONNX Runtime", path ? path : "(not set)");
    return base();
}

static const void *const *table(uint32_t version) {
    real = real_base()->table(version);
    if (!real) return NULL;
    memcpy(slots, real, sizeof slots);
    const struct { int slot; const void *function; } own[] = {
        {CREATE_TENSOR, create_tensor}, {CREATE_INFO, create_info}, {ALLOC, allocate}, {FREE, release},
        {RELEASE_INFO, release_info}, {RELEASE_VALUE, release_value}, {PROVIDERS, providers},
        {RELEASE_PROVIDERS, release_providers}, {CREATE_ALLOCATOR, create_allocator},
        {RELEASE_ALLOCATOR, release_allocator}, {RUN_WITH_BINDING, run_with_binding},
        {RELEASE_BINDING, release_binding}, {BIND_INPUT, bind_input}, {BIND_OUTPUT, bind_output},
        {APPEND_CUDA, append_cuda}, {CREATE_CUDA, create_cuda}, {UPDATE_CUDA, update_cuda},
        {RELEASE_CUDA, release_cuda},
    };
    for (size_t index = 0; index < sizeof own / sizeof own[0]; index++) {
        slots[own[index].slot] = own[index].function;
    }
    atexit(report);
    return slots;
}

static const char *version(void) { return real_base()->version(); }

const Base *OrtGetApiBase(void) {
    static const Base base = {table, version};
    return &base;
}
