#include "workspace.h"

#include <stdlib.h>

void *growing_need(struct growing *memory, size_t count) {
    if (count > memory->capacity) {
        free(memory->bytes);
        memory->bytes = NULL;
        memory->capacity = 0;
        /* Kernels may read, never write, up to 64 bytes past the end. */
        memory->bytes = aligned_alloc(64, (count + 64 + 63) / 64 * 64);
        if (memory->bytes) memory->capacity = count;
    }
    return memory->bytes;
}

struct pixel_workspace *pixel_workspace_create(void) { return calloc(1, sizeof(struct pixel_workspace)); }

static void release(struct resampling *resampling) {
    free(resampling->starts_memory.bytes);
    free(resampling->counts_memory.bytes);
    free(resampling->weights_memory.bytes);
    free(resampling->exact_memory.bytes);
    free(resampling->parts_memory.bytes);
}

void pixel_workspace_free(struct pixel_workspace *workspace) {
    if (!workspace) return;
    for (int index = 0; index < 3; index++) free(workspace->images[index].bytes);
    free(workspace->rows.bytes);
    release(&workspace->across);
    release(&workspace->down);
    free(workspace);
}

uint8_t *pixel_workspace_image(struct pixel_workspace *workspace, int index, size_t count) {
    return growing_need(&workspace->images[index], count);
}
