/* The power of a signal behind second-order sections: the squares of its channels by weights, added in their order.
 *
 * The sections work on a copy, a tile at a time, which does not leave the first-level cache.
 */
#ifndef POWER_ONCE
#define POWER_ONCE
enum {
    POWER_TILE = 512, /* samples: 4 KB, as longer copies go through slow instructions of some processors */
    POWER_CHANNELS = 2048
};
#endif

INLINE void NAME(squares)(const double *x, int64_t frames, int64_t channels, const double *weights, double *out) {
    for (int64_t n = 0; n < frames; n++, x += channels) {
        double sum = 0.0;
        for (int64_t c = 0; c < channels; c++) sum += weights[c] * x[c] * x[c];
        out[n] = sum;
    }
}

/* The same of two channels, LANES frames at a time. */
INLINE void NAME(squares_2)(const double *x, int64_t frames, const double *weights, double *out) {
    vec weight;
    for (int lane = 0; lane < LANES; lane++) weight[lane] = weights[lane % 2];
    int64_t n = 0;
    for (; n + LANES <= frames; n += LANES) {
        const vec a = load(x + 2 * n), b = load(x + 2 * n + LANES), p = weight * a * a, q = weight * b * b;
        store(out + n, 0.0 + EVEN(p, q) + ODD(p, q));
    }
    NAME(squares)(x + 2 * n, frames - n, 2, weights, out + n);
}

/* x [frames, channels], up to POWER_CHANNELS channels; weights [channels], sos and state as in sos.h -> out [frames] */
EXPORT void NAME(power)(const double *x, int64_t frames, int64_t channels, const double *sos, int64_t sections,
                        double *state, const double *weights, double *out) {
    double tile[POWER_CHANNELS];
    int64_t count = channels < POWER_TILE ? POWER_TILE / channels : 1;
    for (; frames; frames -= count, x += count * channels, out += count) {
        if (count > frames) count = frames;
        const double *heard = x;
        if (sections) {
            memcpy(tile, x, (size_t)(count * channels) * sizeof *tile);
            NAME(sos)(tile, count, channels, sos, sections, state);
            heard = tile;
        }
        if (channels == 1) NAME(squares)(heard, count, 1, weights, out);
        else if (channels == 2) NAME(squares_2)(heard, count, weights, out);
        else NAME(squares)(heard, count, channels, weights, out);
    }
}
