/* A compressor: one gain for all channels of a frame, from the highest of them, smoothed in dB. Only the smoothing goes
 * from frame to frame; levels and factors are computed for LANES frames at once, by series that leave errors of 1e-15.
 *
 * curve: threshold in dB, slope, knee in dB, factors of attack and release a frame, linear gain behind; see
 * effects/compressor.py. state: the smoothed gain in dB.
 */
#ifndef DYNAMICS_H
#define DYNAMICS_H
#define TILE_FRAMES 256              /* a multiple of LANES */
#define ROUNDER 0x1.8p52             /* x + ROUNDER - ROUNDER is x, rounded to a whole number */
#define DB_PER_OCTAVE 6.0205999132796239 /* 20 log10(2) */
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
    vec sum = splat(1.0 / 23.0);
    for (int n = 21; n > 0; n -= 2) sum = sum * s + 1.0 / n;
    return e + t * sum * 2.8853900817779268; /* 2 / ln(2) */
}

/* 2^y for y from -1000 to 1000: y = k + f, 2^f by the series of the exponential. */
INLINE vec NAME(exp2)(vec y) {
    y = select(y < splat(-1000.0), splat(-1000.0), y);
    const vec shifted = y + ROUNDER, f = (y - (shifted - ROUNDER)) * 0.69314718055994531;
    vec sum = splat(1.0);
    for (int n = 14; n > 0; n--) sum = sum * f * (1.0 / n) + 1.0;
    return sum * (vec)(((ivec)shifted << 52) + 0x3ff0000000000000);
}

EXPORT void NAME(compress)(double *x, int64_t frames, int64_t channels, const double *curve, double *state) {
    const fp_mode mode = flush_subnormals();
    const double threshold = curve[0], slope = curve[1], knee = curve[2], makeup = curve[5];
    const double attack = curve[3], release = curve[4], half = knee / 2.0, bend = knee > 0.0 ? 0.5 / knee : 0.0;
    double gain = *state;
    double level[TILE_FRAMES], wanted[TILE_FRAMES];
    while (frames) {
        const int64_t count = frames < TILE_FRAMES ? frames : TILE_FRAMES;
        for (int64_t n = 0; n < count; n++) {
            double highest = 0.0;
            for (int64_t c = 0; c < channels; c++) {
                const double a = fabs(x[n * channels + c]);
                highest = a > highest ? a : highest;
            }
            level[n] = highest;
        }
        for (int64_t n = count; n % LANES; n++) level[n] = 0.0;
        for (int64_t n = 0; n < count; n += LANES) {
            const vec over = NAME(log2)(load(level + n)) * DB_PER_OCTAVE - threshold, up = over + half;
            const vec bent = select(up > splat(0.0), up * up * bend, splat(0.0));
            store(wanted + n, slope * select(over >= splat(half), over, bent));
        }
        for (int64_t n = 0; n < count; n++) {
            const double down = attack * gain + (1.0 - attack) * wanted[n];
            const double back = release * gain + (1.0 - release) * wanted[n];
            gain = wanted[n] < gain ? down : back;
            wanted[n] = gain;
        }
        for (int64_t n = 0; n < count; n += LANES)
            store(level + n, makeup * NAME(exp2)(load(wanted + n) * (1.0 / DB_PER_OCTAVE)));
        for (int64_t n = 0; n < count; n++)
            for (int64_t c = 0; c < channels; c++) x[n * channels + c] *= level[n];
        x += count * channels;
        frames -= count;
    }
    *state = gain;
    restore_mode(mode);
}
