/* Channels made of channels: each a sum of those heard, by weights, added in their order from 0 up.
 *
 * A weight of 0 is passed over, as it would make NaN of an infinity. Where it is not, in the loops of one and two
 * channels, whose samples are finite, adding 0 changes no bit: a sum that began with +0 is never -0.
 */

INLINE void NAME(mix_small)(const double *x, int64_t frames, int heard, const double *weights, int made, double *out) {
    double w[4];
    for (int i = 0; i < made * heard; i++) w[i] = weights[i];
    for (int64_t n = 0; n < frames; n++)
        for (int m = 0; m < made; m++) {
            double sum = 0.0 + w[m * heard] * x[n * heard];
            if (heard == 2) sum += w[m * heard + 1] * x[n * heard + 1];
            out[n * made + m] = sum;
        }
}

STATIC void NAME(mix_any)(const double *x, int64_t frames, int64_t heard, const double *weights, int64_t made,
                          double *out) {
    for (int64_t n = 0; n < frames; n++, x += heard, out += made)
        for (int64_t m = 0; m < made; m++) {
            const double *const w = weights + m * heard;
            double sum = 0.0;
            for (int64_t c = 0; c < heard; c++)
                if (w[c] != 0.0) sum += w[c] * x[c];
            out[m] = sum;
        }
}

/* x [frames, heard], weights [made, heard] -> out [frames, made] */
EXPORT void NAME(mix)(const double *x, int64_t frames, int64_t heard, const double *weights, int64_t made,
                      double *out) {
    if (heard == 2 && made == 1) NAME(mix_small)(x, frames, 2, weights, 1, out);
    else if (heard == 2 && made == 2) NAME(mix_small)(x, frames, 2, weights, 2, out);
    else if (heard == 1 && made == 2) NAME(mix_small)(x, frames, 1, weights, 2, out);
    else NAME(mix_any)(x, frames, heard, weights, made, out);
}
