/* out[j] = sum over i of taps[i] in[j - i stride]: a short impulse response over interleaved channels (stride = their
 * number), lanes = consecutive samples. The sum runs from i = 0 up for every sample, so it does not matter where
 * blocks were cut. `in` must reach (count_of_taps - 1) stride samples back.
 */
#ifndef FIR_ONCE
#define FIR_ONCE
enum { FIR_VECS = 8 }; /* as many sums in flight as two multiply-adds a cycle, four cycles long, need */
#endif

INLINE void NAME(fir_some)(const double *in, double *out, const double *taps, int64_t count_of_taps, int64_t stride,
                           int vecs) {
    vec sum[FIR_VECS];
    for (int v = 0; v < vecs; v++) sum[v] = splat(0.0);
    for (int64_t i = 0; i < count_of_taps; i++, in -= stride) {
        const vec tap = splat(taps[i]);
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) sum[v] = fma_(tap, load(in + v * LANES), sum[v]);
    }
    for (int v = 0; v < vecs; v++) store(out + v * LANES, sum[v]);
}

EXPORT void NAME(fir)(const double *in, double *out, int64_t count, const double *taps, int64_t count_of_taps,
                      int64_t stride) {
    const fp_mode mode = flush_subnormals();
    int64_t j = 0;
    for (; j + FIR_VECS * LANES <= count; j += FIR_VECS * LANES)
        NAME(fir_some)(in + j, out + j, taps, count_of_taps, stride, FIR_VECS);
    for (; j + LANES <= count; j += LANES) NAME(fir_some)(in + j, out + j, taps, count_of_taps, stride, 1);
    for (; j < count; j++) {
        double sum = 0.0;
        for (int64_t i = 0; i < count_of_taps; i++) sum = fma1(taps[i], in[j - i * stride], sum);
        out[j] = sum;
    }
    restore_mode(mode);
}
