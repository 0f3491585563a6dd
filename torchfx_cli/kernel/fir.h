/* out[j] = sum over i of taps[i] in[j - i stride]: a short impulse response over interleaved channels (stride = their
 * number), lanes = consecutive samples. `in` must reach (count_of_taps - 1) stride samples back.
 *
 * Every sample adds taps 0, LANES, 2 LANES, ..., then 1, LANES + 1, ... and so on, so it does not matter where blocks
 * were cut. Between two neighbours in this order the input moves by `stride` whole vectors: one that was loaded serves
 * several of them. A load for each multiply-add, three of eight of which reach over a cache line, took longer than it.
 */
#ifndef FIR_ONCE
#define FIR_ONCE
enum { FIR_VECS = 8, /* as many sums in flight as two multiply-adds a cycle, four cycles long, need */
       FIR_TAPS = 4 };
#endif

/* Adds `count` taps, LANES apart, to FIR_VECS sums. */
INLINE void NAME(fir_taps)(const double *in, vec *sum, const double *taps, const int stride,
                           const int count) {
    vec tap[FIR_TAPS];
    for (int q = 0; q < count; q++) tap[q] = splat(taps[q * LANES]);
#pragma GCC unroll 16
    for (int m = 0; m < FIR_VECS + (count - 1) * stride; m++) {
        const vec heard = load(in + (FIR_VECS - 1 - m) * LANES);
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            const int v = FIR_VECS - 1 - m + q * stride;
            if (v >= 0 && v < FIR_VECS) sum[v] = fma_(tap[q], heard, sum[v]);
        }
    }
}

/* `is_tiled`: stride is 1 or 2, and known to the compiler. */
INLINE void NAME(fir_some)(const double *in, double *out, const double *taps, int64_t count_of_taps, int64_t stride,
                           int vecs, int is_tiled) {
    vec sum[FIR_VECS];
    for (int v = 0; v < vecs; v++) sum[v] = splat(0.0);
    const int count = stride == 1 ? FIR_TAPS : FIR_TAPS / 2; /* more of two channels leave too few registers */
    for (int64_t r = 0; r < LANES; r++) {
        int64_t i = r;
        for (; is_tiled && i + (count - 1) * LANES < count_of_taps; i += count * LANES)
            NAME(fir_taps)(in - i * stride, sum, taps + i, (int)stride, count);
        for (; i < count_of_taps; i += LANES) {
            const vec tap = splat(taps[i]);
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++) sum[v] = fma_(tap, load(in - i * stride + v * LANES), sum[v]);
        }
    }
    for (int v = 0; v < vecs; v++) store(out + v * LANES, sum[v]);
}

EXPORT void NAME(fir)(const double *in, double *out, int64_t count, const double *taps, int64_t count_of_taps,
                      int64_t stride) {
    const fp_mode mode = flush_subnormals();
    int64_t j = 0;
    for (; j + FIR_VECS * LANES <= count; j += FIR_VECS * LANES) {
        if (stride == 1) NAME(fir_some)(in + j, out + j, taps, count_of_taps, 1, FIR_VECS, 1);
        else if (stride == 2) NAME(fir_some)(in + j, out + j, taps, count_of_taps, 2, FIR_VECS, 1);
        else NAME(fir_some)(in + j, out + j, taps, count_of_taps, stride, FIR_VECS, 0);
    }
    for (; j + LANES <= count; j += LANES) NAME(fir_some)(in + j, out + j, taps, count_of_taps, stride, 1, 0);
    for (; j < count; j++) {
        double sum = 0.0;
        for (int64_t r = 0; r < LANES; r++)
            for (int64_t i = r; i < count_of_taps; i += LANES) sum = fma1(taps[i], in[j - i * stride], sum);
        out[j] = sum;
    }
    restore_mode(mode);
}
