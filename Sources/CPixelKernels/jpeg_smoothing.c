#include "jpeg_smoothing.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Where a progressive JPEG ends before its last scan, libjpeg-turbo estimates the missing low frequencies of
 * a block from the mean values (the first coefficients, "DC") of the 5 x 5 blocks around it. Version 3.0.1
 * mended which neighbours count at the edges: with vertical subsampling, and in components two blocks wide.
 * Pillow's wheels have that version, Debian 12 has 2.1.5. The estimates are a part of the pixels, so this
 * file makes those of the newer version on the older one's coefficients. It takes the place of the decoder's
 * step from coefficients to samples, which jpegint.h declares. */

#if LIBJPEG_TURBO_VERSION_NUMBER < 3000001

#include <jpegint.h>

/* An estimate is the sum of the 25 mean values, weighted, times the quantizer of DC, over 256 times its own
 * quantizer. Weights for horizontal frequencies; their transposes serve the vertical ones. */
typedef int weights[25];

/* For blocks of which nothing but the mean value is known. */
static const weights mean = {
    -2, -6, -8, -6, -2, -6, 6, 42, 6, -6, -8, 42, 152, 42, -8, -6, 6, 42, 6, -6, -2, -6, -8, -6, -2};
static const weights first = {
    -1, -1, 0, 1, 1, -3, 13, 0, -13, 3, -3, 38, 0, -38, 3, -3, 13, 0, -13, 3, -1, -1, 0, 1, 1};
static const weights second = {0, 0, 0, 0, 0, 0, 2, -5, 2, 0, 1, 7, -14, 7, 1, 0, 2, -5, 2, 0, 0, 0, 0, 0, 0};
static const weights both = {-1, 0, 0, 0, 1, 0, 9, 0, -9, 0, 0, 0, 0, 0, 0, 0, -9, 0, 9, 0, 1, 0, 0, 0, -1};
static const weights third = {0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 2, 0, -2, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0};
static const weights mixed = {0, 0, 0, 0, 0, 0, 1, -3, 1, 0, 0, 0, 0, 0, 0, 0, -1, 3, -1, 0, 0, 0, 0, 0, 0};
/* For blocks of which more is known. */
static const weights known_first = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -7, 50, 0, -50, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static const weights known_second = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 13, -24, 13, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static const weights known_both = {
    0, -1, 0, 1, 0, -1, 10, 0, -10, 1, 0, 0, 0, 0, 0, 1, -10, 0, 10, -1, 0, 1, 0, -1, 0};

/* In zigzag order. */
static const struct estimate {
    /* In the block, which is stored row by row. */
    int position;
    bool transposed;
    const weights *alone, *with_others;
} estimates[SMOOTHED] = {
    {0, false, &mean, NULL}, {1, false, &first, &known_first}, {8, true, &first, &known_first},
    {16, true, &second, &known_second}, {9, false, &both, &known_both}, {2, false, &second, &known_second},
    {3, false, &third, NULL}, {10, false, &mixed, NULL}, {17, true, &mixed, NULL}, {24, true, &third, NULL},
};

/* One block row of a component, and the two above and below it; at the image's edges a row stands for those
 * that are missing. */
struct neighbourhood {
    JBLOCKROW rows[5];
    int last_column;
};

/* The mean values row by row and column by column. */
struct means {
    int plain[25], transposed[25];
};

/* False where all are equal: then every estimate is what the block has already, because the weights of an
 * estimate add up to 0, those of the mean to 256. */
static bool gather_means(const struct neighbourhood *around, int column, struct means *means) {
    int differences = 0;
    for (int across = 0; across < 5; across++) {
        int at = column + across - 2;
        at = at < 0 ? 0 : at > around->last_column ? around->last_column : at;
        for (int down = 0; down < 5; down++) {
            int mean = around->rows[down][at][0];
            means->plain[down * 5 + across] = means->transposed[across * 5 + down] = mean;
            differences |= mean ^ means->plain[0];
        }
    }
    return differences != 0;
}

/* `unknown` lowest bits of the coefficient are not known, or none of it is where that is negative. */
static JCOEF predict(
    const weights *weights, const int means[25], const JQUANT_TBL *table, int position, int unknown) {
    int sum = 0;
    for (int index = 0; index < 25; index++) sum += (*weights)[index] * means[index];
    long quantizer = table->quantval[position];
    long magnitude = (quantizer * 128 + labs(sum) * table->quantval[0]) / (quantizer * 256);
    if (unknown > 0 && magnitude >= 1L << unknown) magnitude = (1L << unknown) - 1;
    return (JCOEF)(sum < 0 ? -magnitude : magnitude);
}

static void smooth_block(
    JCOEF *block, const struct means *means, const JQUANT_TBL *table, const int known[SMOOTHED]) {
    bool alone = true;
    for (int index = 1; index < SMOOTHED; index++) alone = alone && known[index] == -1;
    for (int index = 1; index < SMOOTHED; index++) {
        const struct estimate *estimate = &estimates[index];
        const weights *weights = alone ? estimate->alone : estimate->with_others;
        if (!weights || known[index] == 0 || block[estimate->position] != 0) continue;
        const int *values = estimate->transposed ? means->transposed : means->plain;
        block[estimate->position] = predict(weights, values, table, estimate->position, known[index]);
    }
    if (alone) block[0] = predict(estimates[0].alone, means->plain, table, 0, 0);
}

/* How many block rows of the component the present row of MCUs has. */
static int block_rows_of(j_decompress_ptr decoder, const jpeg_component_info *component) {
    int whole = component->v_samp_factor;
    int rest = (int)component->height_in_blocks % whole;
    return decoder->output_iMCU_row + 1 == decoder->total_iMCU_rows && rest > 0 ? rest : whole;
}

/* The component's block rows from the present row of MCUs on, with two rows of MCUs before and behind it. */
static JBLOCKARRAY fetch_blocks(j_decompress_ptr decoder, int index, int block_rows) {
    int factor = decoder->comp_info[index].v_samp_factor;
    int row = (int)decoder->output_iMCU_row, left = (int)decoder->total_iMCU_rows - 1 - row;
    int before = row < 2 ? row : 2, behind = left < 2 ? left : 2;
    JBLOCKARRAY rows = decoder->mem->access_virt_barray(
        (j_common_ptr)decoder, decoder->coef->coef_arrays[index], (JDIMENSION)((row - before) * factor),
        (JDIMENSION)(before * factor + block_rows * (behind + 1)), FALSE);
    return rows + before * factor;
}

static void smooth_component(j_decompress_ptr decoder, int index, JSAMPARRAY out) {
    const struct smoothing *smoothing = decoder->client_data;
    jpeg_component_info *component = &decoder->comp_info[index];
    bool reached = decoder->output_iMCU_row <= decoder->master->last_good_iMCU_row;
    const int *known = smoothing->known[reached ? 0 : 1][index];
    int block_rows = block_rows_of(decoder, component);
    JBLOCKARRAY blocks = fetch_blocks(decoder, index, block_rows);
    /* In the last row of MCUs, when it is not whole, these count as if every row were like it: so the library
     * counts. */
    int count = block_rows * (int)decoder->total_iMCU_rows;
    struct neighbourhood around = {.last_column = (int)component->width_in_blocks - 1};
    for (int row = 0; row < block_rows; row++, out += component->DCT_scaled_size) {
        int place = (int)decoder->output_iMCU_row * block_rows + row;
        int above = place < 2 ? place : 2, below = count - 1 - place < 2 ? count - 1 - place : 2;
        for (int step = -2; step <= 2; step++) {
            around.rows[step + 2] = blocks[row + (step < -above ? -above : step > below ? below : step)];
        }
        for (int column = 0; column <= around.last_column; column++) {
            struct means means;
            _Alignas(32) JBLOCK block;
            memcpy(block, blocks[row][column], sizeof block);
            if (gather_means(&around, column, &means)) {
                smooth_block(block, &means, component->quant_table, known);
            }
            decoder->idct->inverse_DCT[index](
                decoder, component, block, out, (JDIMENSION)(column * component->DCT_scaled_size));
        }
    }
}

/* One row of MCUs, from coefficients to samples. All scans have been read by then. */
static int decompress_smoothed(j_decompress_ptr decoder, JSAMPIMAGE out) {
    for (int index = 0; index < decoder->num_components; index++) {
        if (decoder->comp_info[index].component_needed) smooth_component(decoder, index, out[index]);
    }
    decoder->output_iMCU_row++;
    return decoder->output_iMCU_row < decoder->total_iMCU_rows ? JPEG_ROW_COMPLETED : JPEG_SCAN_COMPLETED;
}

/* When the library smooths: the mean of every component is known in part, its quantizers are there, and some
 * coefficient is not known in full. */
static bool is_smoothed(j_decompress_ptr decoder) {
    if (!decoder->progressive_mode || !decoder->do_block_smoothing || !decoder->coef_bits
        || !decoder->coef->coef_arrays) {
        return false;
    }
    bool unfinished = false;
    for (int index = 0; index < decoder->num_components; index++) {
        const JQUANT_TBL *table = decoder->comp_info[index].quant_table;
        if (!table || decoder->coef_bits[index][0] < 0) return false;
        for (int place = 0; place < SMOOTHED; place++) {
            if (table->quantval[estimates[place].position] == 0) return false;
            if (place > 0 && decoder->coef_bits[index][place] != 0) unfinished = true;
        }
    }
    return unfinished;
}

void smooth_as_pillow(j_decompress_ptr decoder, struct smoothing *smoothing) {
    if (!is_smoothed(decoder)) return;
    int components = decoder->num_components;
    for (int index = 0; index < components; index++) {
        for (int place = 0; place < SMOOTHED; place++) {
            smoothing->known[0][index][place] = decoder->coef_bits[index][place];
            smoothing->known[1][index][place] =
                decoder->input_scan_number > 1 ? decoder->coef_bits[components + index][place] : -1;
        }
    }
    decoder->client_data = smoothing;
    decoder->coef->decompress_data = decompress_smoothed;
}

#else

void smooth_as_pillow(j_decompress_ptr decoder, struct smoothing *smoothing) {
    (void)decoder, (void)smoothing;
}

#endif
