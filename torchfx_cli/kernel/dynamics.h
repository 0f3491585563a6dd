/* Gains that follow the level: compressor, expander, de-esser and gate. One gain for all channels of a frame, from the
 * highest of them. Only the smoothing goes from frame to frame; levels and factors are computed for LANES frames at
 * once, by series that leave errors of 1e-15. See kernel/following.py for the meaning of the numbers.
 */
#ifndef DYNAMICS_H
#define DYNAMICS_H
#define TILE_FRAMES 256              /* a multiple of LANES */
#define ROUNDER 0x1.8p52             /* x + ROUNDER - ROUNDER is x, rounded to a whole number */
#define DB_PER_OCTAVE 6.0205999132796239 /* 20 log10(2) */

typedef struct {
    double threshold, slope, knee, down, up, wet, dry, lowest, sign, averaging;
} curve;

typedef struct {
    double open, close, attack, release, closed, hold;
} gate;

/* Call f(..., channels) with 1 and 2 as constants, which the compiler unrolls. */
#define FOR_CHANNELS(f, channels, ...)                 \
    do {                                               \
        if ((channels) == 1) f(__VA_ARGS__, 1);        \
        else if ((channels) == 2) f(__VA_ARGS__, 2);   \
        else f(__VA_ARGS__, channels);                 \
    } while (0)
#endif

/* log2 of x > 0: x = 2^e m with m near 1, log(m) = 2 artanh((m - 1) / (m + 1)). Of 0 it is about -1023. */
INLINE vec NAME(log2)(vec x) {
    const ivec bits = (ivec)x;
    vec m = (vec)((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
    const ivec high = m > splat(0x1.6a09e667f3bcdp0); /* sqrt(2) */
    m = select(high, m * 0.5, m);
    const ivec exponent = ((bits >> 52) & 0x7ff) - 1023 - high; /* true is -1 */
    const vec e = (vec)(exponent + 0x4338000000000000) - splat(ROUNDER);
    const vec t = (m - 1.0) / (m + 1.0), s = t * t;
    vec sum = splat(1.0 / 21.0);
    for (int n = 19; n > 0; n -= 2) sum = fma_(sum, s, splat(1.0 / n));
    return e + t * sum * 2.8853900817779268; /* 2 / ln(2) */
}

/* 2^y for y from -1000 to 1000: y = k + f, 2^f by the series of the exponential. */
INLINE vec NAME(exp2)(vec y) {
    y = select(y < splat(-1000.0), splat(-1000.0), y);
    const vec shifted = y + ROUNDER, f = (y - (shifted - ROUNDER)) * 0.69314718055994531;
    vec sum = splat(1.0);
    for (int n = 13; n > 0; n--) sum = fma_(sum, f * (1.0 / n), splat(1.0));
    return sum * (vec)(((ivec)shifted << 52) + 0x3ff0000000000000);
}

/* The highest absolute value of each frame. */
INLINE void NAME(peaks)(const double *x, int64_t count, double *level, int64_t channels) {
    for (int64_t n = 0; n < count; n++) {
        double highest = 0.0;
        for (int64_t c = 0; c < channels; c++) {
            const double a = fabs(x[n * channels + c]);
            highest = a > highest ? a : highest;
        }
        level[n] = highest;
    }
}

/* The highest mean square of each frame, of a mean that forgets by `keep` a frame; mean: that of each channel. */
INLINE void NAME(mean_squares)(const double *x, int64_t count, double keep, double *mean, double *level,
                               int64_t channels) {
    const double rest = 1.0 - keep;
    for (int64_t n = 0; n < count; n++) {
        double highest = 0.0;
        for (int64_t c = 0; c < channels; c++) {
            const double a = x[n * channels + c];
            mean[c] = keep * mean[c] + rest * a * a;
            highest = mean[c] > highest ? mean[c] : highest;
        }
        level[n] = highest;
    }
}

INLINE void NAME(scale_frames)(double *x, int64_t count, const double *factor, int64_t channels) {
    for (int64_t n = 0; n < count; n++)
        for (int64_t c = 0; c < channels; c++) x[n * channels + c] *= factor[n];
}

/* A shelf: below its band 1, above it the factor; see effects/deesser.py. */
INLINE void NAME(shelve_frames)(double *x, const double *high, const double *band, int64_t count, const double *factor,
                                int64_t channels) {
    for (int64_t n = 0; n < count; n++) {
        const double less = factor[n] - 1.0, middle = sqrt(factor[n]) - 1.0;
        for (int64_t c = 0; c < channels; c++) {
            const int64_t i = n * channels + c;
            x[i] += less * high[i] + middle * band[i];
        }
    }
}

/* The factor of each frame in place of its level (its mean square where the curve averages). */
INLINE void NAME(factors)(const curve *k, int64_t count, double *level, double *smoothed) {
    const double half = k->knee / 2.0, bend = k->knee > 0.0 ? 0.5 / k->knee : 0.0;
    const double unit = k->sign * (k->averaging > 0.0 ? DB_PER_OCTAVE / 2.0 : DB_PER_OCTAVE);
    const double offset = k->sign * k->threshold, down = k->down, up = k->up;
    double gain = *smoothed, wanted[TILE_FRAMES];
    for (int64_t n = count; n % LANES; n++) level[n] = 0.0;
    for (int64_t n = 0; n < count; n += LANES) {
        const vec over = NAME(log2)(load(level + n)) * unit - offset, above = over + half;
        const vec bent = select(above > splat(0.0), above * above * bend, splat(0.0));
        store(wanted + n, larger(k->slope * select(over >= splat(half), over, bent), splat(k->lowest)));
    }
    for (int64_t n = 0; n < count; n++) {
        const double falling = down * gain + (1.0 - down) * wanted[n];
        const double rising = up * gain + (1.0 - up) * wanted[n];
        gain = wanted[n] < gain ? falling : rising;
        wanted[n] = gain;
    }
    for (int64_t n = 0; n < count; n += LANES)
        store(level + n, k->dry + k->wet * NAME(exp2)(load(wanted + n) * (1.0 / DB_PER_OCTAVE)));
    *smoothed = gain;
}

INLINE void NAME(follow_tiles)(double *x, const double *key, const double *band, int64_t frames, const curve *k,
                               double *state, int64_t channels) {
    double level[TILE_FRAMES];
    while (frames) {
        const int64_t count = frames < TILE_FRAMES ? frames : TILE_FRAMES;
        if (k->averaging > 0.0) NAME(mean_squares)(key, count, k->averaging, state + 1, level, channels);
        else NAME(peaks)(key, count, level, channels);
        NAME(factors)(k, count, level, state);
        if (band) NAME(shelve_frames)(x, key, band, count, level, channels);
        else NAME(scale_frames)(x, count, level, channels);
        x += count * channels;
        key += count * channels;
        if (band) band += count * channels;
        frames -= count;
    }
}

/* state: the smoothed gain in dB, then the mean square of each channel. key may be x; band may be NULL. */
EXPORT void NAME(follow)(double *x, const double *key, const double *band, int64_t frames, int64_t channels,
                         const curve *k, double *state) {
    const fp_mode mode = flush_subnormals();
    FOR_CHANNELS(NAME(follow_tiles), channels, x, key, band, frames, k, state);
    restore_mode(mode);
}

INLINE void NAME(gate_tiles)(double *x, int64_t frames, const gate *g, double *state, int64_t channels) {
    const double keep[2] = {g->release, g->attack};
    const double add[2] = {(1.0 - g->release) * g->closed, 1.0 - g->attack};
    const int64_t held = (int64_t)g->hold + 1;
    double gain = state[0], level[TILE_FRAMES];
    int64_t left = (int64_t)state[1];
    while (frames) {
        const int64_t count = frames < TILE_FRAMES ? frames : TILE_FRAMES;
        NAME(peaks)(x, count, level, channels);
        for (int64_t n = 0; n < count; n++) {
            const int loud = level[n] >= g->open, kept = level[n] >= g->close;
            const int64_t rest = left > 0 ? left - 1 : 0;
            left = loud | (kept & (left > 0)) ? held : rest;
            gain = keep[left > 0] * gain + add[left > 0];
            level[n] = gain;
        }
        NAME(scale_frames)(x, count, level, channels);
        x += count * channels;
        frames -= count;
    }
    state[0] = gain, state[1] = (double)left;
}

/* state: the gain, and for how many frames it is still open. */
EXPORT void NAME(gate)(double *x, int64_t frames, int64_t channels, const gate *g, double *state) {
    const fp_mode mode = flush_subnormals();
    FOR_CHANNELS(NAME(gate_tiles), channels, x, frames, g, state);
    restore_mode(mode);
}
