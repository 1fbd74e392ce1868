/* libFuzzer's entry for programs with a main of their own, as its documentation gives it. */

#ifndef BOLSTER_FUZZER_H
#define BOLSTER_FUZZER_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *bytes, size_t count));

#endif
