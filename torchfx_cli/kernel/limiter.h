/* A limiter that looks ahead: see kernel/limiting.py, which holds its state, for the way of the gain.
 *
 * The smallest needed gain of a window is found in blocks of its length (van Herk, 1992; Gil and Werman, 1993): that
 * of the block at hand up to here, and that of the block before from here on. Gains are rounded to GRAIN, so that the
 * running sums of the means are exact and do not drift. These loops use no fma: the twin gives the same bits.
 */
#ifndef LIMITER_H
#define LIMITER_H
#define GRAIN 0x1.8p14 /* x + GRAIN - GRAIN is x, rounded to a multiple of 2^-38 */

typedef struct {
    int64_t channels, delay, window, first, second; /* lengths in frames; the two means' */
    int64_t at_held, at_window, at_first, at_second;
    double ceiling, release, norm; /* norm 0: samples only */
    double lowest, released, first_sum, second_sum;
    const double *taps;
    double *held, *heard, *block, *before, *first_ring, *second_ring;
} limiter;
#endif

/* The level of each frame of the tile; between samples it is that of PEAK_TAPS / 2 frames ago. */
INLINE void NAME(levels)(limiter *s, const double *x, int64_t count, double *level, int64_t channels) {
    memset(level, 0, TILE_FRAMES * sizeof *level);
    if (s->norm == 0.0) NAME(peaks)(x, count, level, channels);
    else NAME(peak_levels)(x, count, s->taps, s->norm, s->ceiling, s->heard, level, channels);
}

/* The gain of each frame, `delay` frames late, in place of the level. */
STATIC void NAME(limited_gains)(limiter *s, int64_t count, double *gain) {
    const double release = s->release, rest = 1.0 - release;
    const double first_part = 1.0 / (double)s->first, second_part = 1.0 / (double)s->second;
    double lowest = s->lowest, released = s->released, first_sum = s->first_sum, second_sum = s->second_sum;
    int64_t at = s->at_window, at1 = s->at_first, at2 = s->at_second;
    for (int64_t n = 0; n < count; n += LANES) {
        const vec level = load(gain + n);
        store(gain + n, select(level > splat(s->ceiling), s->ceiling / level, splat(1.0)));
    }
    for (int64_t n = 0; n < count; n++) {
        const double needed = gain[n];
        s->block[at] = needed;
        lowest = needed < lowest ? needed : lowest;
        const double earlier = s->before[++at], target = earlier < lowest ? earlier : lowest;
        if (at == s->window) {
            double least = 1.0;
            while (at) {
                at--;
                least = s->block[at] < least ? s->block[at] : least;
                s->before[at] = least;
            }
            lowest = 1.0;
        }
        const double back = release * released + rest * target;
        released = back < target ? back : target;
        const double fine = released + GRAIN - GRAIN;
        first_sum += fine - s->first_ring[at1];
        s->first_ring[at1] = fine;
        at1 = at1 + 1 == s->first ? 0 : at1 + 1;
        const double mean = first_sum * first_part + GRAIN - GRAIN;
        second_sum += mean - s->second_ring[at2];
        s->second_ring[at2] = mean;
        at2 = at2 + 1 == s->second ? 0 : at2 + 1;
        gain[n] = second_sum * second_part;
    }
    s->lowest = lowest, s->released = released, s->first_sum = first_sum, s->second_sum = second_sum;
    s->at_window = at, s->at_first = at1, s->at_second = at2;
}

/* Exchange the tile with the frames of `delay` ago, times their gains; what rounding leaves above the ceiling is cut. */
INLINE void NAME(exchange)(limiter *s, double *x, int64_t count, const double *gain, int64_t channels) {
    const double ceiling = s->ceiling;
    for (int64_t n = 0; n < count;) {
        int64_t run = s->delay ? s->delay - s->at_held : count;
        run = run < count - n ? run : count - n;
        double *held = s->held + s->at_held * channels;
        for (int64_t m = 0; m < run; m++)
            for (int64_t c = 0; c < channels; c++) {
                const int64_t i = m * channels + c, o = n * channels + i;
                double y = x[o];
                if (s->delay) {
                    const double old = held[i];
                    held[i] = y;
                    y = old;
                }
                y *= gain[n + m];
                y = y > ceiling ? ceiling : y;
                x[o] = y < -ceiling ? -ceiling : y;
            }
        n += run;
        if (s->delay) s->at_held = s->at_held + run == s->delay ? 0 : s->at_held + run;
    }
}

INLINE void NAME(limit_tiles)(limiter *s, double *x, int64_t frames, int64_t channels) {
    double gain[TILE_FRAMES];
    while (frames) {
        const int64_t count = frames < TILE_FRAMES ? frames : TILE_FRAMES;
        NAME(levels)(s, x, count, gain, channels);
        NAME(limited_gains)(s, count, gain);
        NAME(exchange)(s, x, count, gain, channels);
        x += count * channels;
        frames -= count;
    }
}

EXPORT void NAME(limit)(limiter *s, double *x, int64_t frames) {
    const fp_mode mode = flush_subnormals();
    FOR_CHANNELS(NAME(limit_tiles), s->channels, s, x, frames);
    restore_mode(mode);
}
