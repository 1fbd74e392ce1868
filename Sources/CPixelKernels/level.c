#include "pixel_level.h"

#include <stdatomic.h>

static atomic_int level_max = PIXEL_AVX512;

void pixel_set_level_max(enum pixel_level maximum) { atomic_store_explicit(&level_max, maximum,
    memory_order_relaxed); }

static enum pixel_level best(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma")) {
        return PIXEL_AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
        && __builtin_cpu_supports("f16c")) {
        return PIXEL_AVX2;
    }
#endif
    return PIXEL_PLAIN;
}

enum pixel_level pixel_level(void) {
    enum pixel_level found = best();
    int maximum = atomic_load_explicit(&level_max, memory_order_relaxed);
    return (int)found < maximum ? found : (enum pixel_level)maximum;
}
