/* The highest value around each sample at eight times the rate; see design/truepeak.py for the taps.
 *
 * row[n .. n + PEAK_TAPS - 1] surround the gap behind sample n + PEAK_TAPS / 2 - 1. Of two values that mirror each
 * other, even + odd and even - odd, the higher absolute one is |even| + |odd|.
 */
#ifndef TRUEPEAK_H
#define TRUEPEAK_H
#define PEAK_TAPS 64
#define PEAK_STEP 16 /* frames that are computed together; a multiple of 2 LANES */
#endif

/* The largest absolute value of `count` samples from x on, `count` a multiple of LANES. */
INLINE double NAME(largest)(const double *x, int64_t count) {
    vec most = splat(0.0);
    for (int64_t n = 0; n < count; n += LANES) most = larger(most, absolute(load(x + n)));
    double result = 0.0;
    for (int lane = 0; lane < LANES; lane++) result = most[lane] > result ? most[lane] : result;
    return result;
}

/* level[n] = the higher of itself and the peak at and behind sample n + PEAK_TAPS / 2 - 1 of the row. Peaks up to
 * `floor` may be given lower than they are: where no sample is large enough to make more, the work is spared; `norm`
 * is the largest sum of absolute taps. Writes PEAK_STEP at a time, reads PEAK_TAPS more. */
STATIC void NAME(true_peaks)(const double *row, int64_t frames, const double *taps, double norm, double floor,
                             double *level) {
    for (int64_t start = 0; start < frames; start += PEAK_STEP) {
        const int quiet = NAME(largest)(row + start, PEAK_STEP + PEAK_TAPS) * norm <= floor;
        for (int64_t n = start; n < start + PEAK_STEP; n += 2 * LANES) {
            const double *left = row + n + PEAK_TAPS / 2 - 1, *right = left + 1;
            vec high0 = larger(load(level + n), absolute(load(left)));
            vec high1 = larger(load(level + n + LANES), absolute(load(left + LANES)));
            if (!quiet) {
                vec odd[6] = {{0}}, even[8] = {{0}};
                for (int i = 0; i < PEAK_TAPS / 2; i++) {
                    const vec d0 = load(left - i) - load(right + i);
                    const vec d1 = load(left - i + LANES) - load(right + i + LANES);
                    for (int k = 0; k < 3; k++) {
                        const vec tap = splat(taps[7 * i + 2 * k + 1]);
                        odd[2 * k] = fma_(tap, d0, odd[2 * k]);
                        odd[2 * k + 1] = fma_(tap, d1, odd[2 * k + 1]);
                    }
                }
                for (int i = 0; i < PEAK_TAPS / 2; i++) {
                    const vec s0 = load(left - i) + load(right + i);
                    const vec s1 = load(left - i + LANES) + load(right + i + LANES);
                    for (int k = 0; k < 4; k++) {
                        const vec tap = splat(taps[7 * i + 2 * k]);
                        even[2 * k] = fma_(tap, s0, even[2 * k]);
                        even[2 * k + 1] = fma_(tap, s1, even[2 * k + 1]);
                    }
                }
                for (int k = 0; k < 3; k++) {
                    high0 = larger(high0, absolute(even[2 * k]) + absolute(odd[2 * k]));
                    high1 = larger(high1, absolute(even[2 * k + 1]) + absolute(odd[2 * k + 1]));
                }
                high0 = larger(high0, absolute(even[6]));
                high1 = larger(high1, absolute(even[7]));
            }
            store(level + n, high0);
            store(level + n + LANES, high1);
        }
    }
}

/* The same for a tile of up to TILE_FRAMES frames: the highest of all channels, zeros to start with. heard: the
 * PEAK_TAPS - 1 frames before of each channel, updated. */
INLINE void NAME(peak_levels)(const double *x, int64_t count, const double *taps, double norm, double floor,
                              double *heard, double *level, int64_t channels) {
    double row[TILE_FRAMES + 2 * PEAK_TAPS];
    for (int64_t c = 0; c < channels; c++, heard += PEAK_TAPS - 1) {
        memcpy(row, heard, (PEAK_TAPS - 1) * sizeof *row);
        for (int64_t n = 0; n < count; n++) row[PEAK_TAPS - 1 + n] = x[n * channels + c];
        memset(row + PEAK_TAPS - 1 + count, 0, (PEAK_STEP + 1) * sizeof *row);
        NAME(true_peaks)(row, count, taps, norm, floor, level);
        memcpy(heard, row + count, (PEAK_TAPS - 1) * sizeof *row);
    }
}

/* The highest of `highest` and all peaks of the block and the PEAK_TAPS - 1 frames before it. */
EXPORT double NAME(true_peak)(const double *x, int64_t frames, int64_t channels, const double *taps, double norm,
                              double *heard, double highest) {
    double level[TILE_FRAMES + PEAK_STEP];
    for (int64_t count; frames; frames -= count, x += count * channels) {
        count = frames < TILE_FRAMES ? frames : TILE_FRAMES;
        memset(level, 0, sizeof level);
        NAME(peak_levels)(x, count, taps, norm, highest, heard, level, channels);
        for (int64_t n = 0; n < count; n++) highest = level[n] > highest ? level[n] : highest;
    }
    return highest;
}
