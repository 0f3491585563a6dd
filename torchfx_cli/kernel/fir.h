/* out[j] = sum over i of taps[i] in[j - i stride]: a short impulse response over interleaved channels (stride = their
 * number). `in` must reach (count_of_taps - 1) stride samples back.
 *
 * Lanes are neighbouring channels where there are LANES or more. Fewer are laid out anew in `room`, lanes = LANES
 * parts of the signal, one behind the other. Either way both the next tap and the next frame are `step` doubles away,
 * so a vector that was loaded serves several taps, and none reaches over a cache line in `room`.
 *
 * Taps that mirror each other (linear phase) are multiplied with the sum of their two samples: half as many
 * multiply-adds, beside additions for which some processors have other units. Every sample adds the same terms in the
 * same order, so it does not matter where blocks were cut.
 */
#ifndef FIR_ONCE
#define FIR_ONCE
enum { FIR_ROOM = 4096, /* doubles, 32 KB: what a first-level cache holds */
       FIR_SHORT = 12,  /* fewer taps cost less than laying out anew */
       /* As many sums in flight as two multiply-adds a cycle, four cycles long, need, and as registers are left. */
       FIR_TAPS = 3, MIRRORED_VECS = 8, ANY_VECS = 12 };

/* As symmetric as rounding leaves a design. */
static int fir_mirrored(const double *taps, int64_t count) {
    double largest = 0.0;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(taps[i]));
    for (int64_t i = 0; i < count / 2; i++)
        if (!(fabs(taps[i] - taps[count - 1 - i]) <= 4 * DBL_EPSILON * largest)) return 0;
    return 1;
}
#endif

/* Adds `count` taps to `vecs` sums `step` apart. `far` is where the mirror image of the first tap is heard. */
INLINE void NAME(fir_taps)(const double *in, const double *far, vec *sum, const double *taps, const int64_t step,
                           const int vecs, const int count, const int mirrored) {
    vec tap[FIR_TAPS];
    for (int q = 0; q < count; q++) tap[q] = splat(taps[q]);
    __asm__("" : "+r"(in), "+r"(far)); /* or GCC keeps samples for the next taps, and has no registers for sums */
#pragma GCC unroll 16
    for (int d = 1 - count; d < vecs; d++) {
        const vec near = load(in + d * step);
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            const int v = d + q;
            if (v < 0 || v >= vecs) continue;
            sum[v] = fma_(tap[q], mirrored ? near + load(far + (v + q) * step) : near, sum[v]);
        }
    }
}

/* `vecs` vectors of output, `step` apart; taps are `stride` apart, the same if `count` of them go together. */
INLINE void NAME(fir_some)(const double *in, double *out, const double *taps, const int64_t count_of_taps,
                           const int64_t stride, const int64_t step, const int vecs, const int count,
                           const int mirrored) {
    const double *far = in - (count_of_taps - 1) * stride;
    vec sum[ANY_VECS];
    for (int v = 0; v < vecs; v++) sum[v] = splat(0.0);
    int64_t i = mirrored ? count_of_taps / 2 : count_of_taps;
    if (mirrored && count_of_taps % 2) NAME(fir_taps)(in - i * stride, far, sum, taps + i, step, vecs, 1, 0);
    for (i -= count; i >= 0; i -= count)
        NAME(fir_taps)(in - i * stride, far + i * stride, sum, taps + i, step, vecs, count, mirrored);
    for (i += count - 1; i >= 0; i--)
        NAME(fir_taps)(in - i * stride, far + i * stride, sum, taps + i, step, vecs, 1, mirrored);
    for (int v = 0; v < vecs; v++) store(out + v * step, sum[v]);
}

INLINE double NAME(fir_one)(const double *in, const double *taps, int64_t count_of_taps, int64_t stride, int mirrored) {
    const double *far = in - (count_of_taps - 1) * stride;
    const int64_t half = count_of_taps / 2;
    double sum = mirrored && count_of_taps % 2 ? fma1(taps[half], in[-half * stride], 0.0) : 0.0;
    for (int64_t i = (mirrored ? half : count_of_taps) - 1; i >= 0; i--)
        sum = fma1(taps[i], mirrored ? in[-i * stride] + far[i * stride] : in[-i * stride], sum);
    return sum;
}

/* room[m] = {in[m], in[m + part], in[m + 2 part], ...}, m < count, and back; at the end a few of them twice. */
INLINE void NAME(fir_apart)(const double *in, int64_t part, double *room, int64_t count) {
    for (int64_t m = 0; m < count; m += LANES) {
        const int64_t at = m + LANES <= count ? m : count - LANES;
        vec z[LANES];
        for (int i = 0; i < LANES; i++) z[i] = load(in + i * part + at);
        NAME(turn)(z);
        for (int i = 0; i < LANES; i++) store(room + (at + i) * LANES, z[i]);
    }
}
INLINE void NAME(fir_together)(const double *room, double *out, int64_t part) {
    for (int64_t m = 0; m < part; m += LANES) {
        const int64_t at = m + LANES <= part ? m : part - LANES;
        vec z[LANES];
        for (int i = 0; i < LANES; i++) z[i] = load(room + (at + i) * LANES);
        NAME(turn)(z);
        for (int i = 0; i < LANES; i++) store(out + i * part + at, z[i]);
    }
}

/* LANES channels or more, the last of them in a vector with some of the one before. This and the next give the number
 * of samples that they made: those of whole groups of `vecs` frames. */
INLINE int64_t NAME(fir_wide)(const double *in, double *out, int64_t count, const double *taps, int64_t count_of_taps,
                              int64_t stride, const int vecs, const int mirrored) {
    int64_t j = 0;
    for (; j + vecs * stride <= count; j += vecs * stride)
        for (int64_t c = 0; c < stride; c += LANES) {
            const int64_t at = j + (c + LANES <= stride ? c : stride - LANES);
            NAME(fir_some)(in + at, out + at, taps, count_of_taps, stride, stride, vecs, FIR_TAPS, mirrored);
        }
    return j;
}

/* Fewer channels, laid out in `room` and filtered there in place. */
INLINE int64_t NAME(fir_narrow)(const double *in, double *out, int64_t count, const double *taps, int64_t count_of_taps,
                                const int64_t stride, const int vecs, const int mirrored) {
    double room[FIR_ROOM] __attribute__((aligned(64)));
    const int64_t before = (count_of_taps - 1) * stride, most = FIR_ROOM / LANES - before, group = vecs * stride;
    const int64_t step = stride * LANES;
    int64_t j = 0;
    for (;;) {
        const int64_t left = (count - j) / LANES, part = (left < most ? left : most) / group * group;
        if (part <= 0) return j;
        NAME(fir_apart)(in + j - before, part, room, before + part);
        for (int64_t m = 0; m < part; m += group)
            for (double *at = room + m * LANES; at < room + m * LANES + step; at += LANES)
                NAME(fir_some)(at + before * LANES, at, taps, count_of_taps, step, step, vecs, FIR_TAPS, mirrored);
        NAME(fir_together)(room, out + j, part);
        j += LANES * part;
    }
}

INLINE void NAME(fir_all)(const double *in, double *out, int64_t count, const double *taps, int64_t count_of_taps,
                          int64_t stride, const int vecs, const int mirrored) {
    int64_t j = 0;
    if (stride >= LANES) j = NAME(fir_wide)(in, out, count, taps, count_of_taps, stride, vecs, mirrored);
    else if (count_of_taps < FIR_SHORT) j = 0;
    else if (stride == 1) j = NAME(fir_narrow)(in, out, count, taps, count_of_taps, 1, vecs, mirrored);
    else if (stride == 2) j = NAME(fir_narrow)(in, out, count, taps, count_of_taps, 2, vecs, mirrored);
    else j = NAME(fir_narrow)(in, out, count, taps, count_of_taps, stride, vecs, mirrored);
    for (; j + vecs * LANES <= count; j += vecs * LANES)
        NAME(fir_some)(in + j, out + j, taps, count_of_taps, stride, LANES, vecs, 1, mirrored);
    for (; j + LANES <= count; j += LANES)
        NAME(fir_some)(in + j, out + j, taps, count_of_taps, stride, LANES, 1, 1, mirrored);
    for (; j < count; j++) out[j] = NAME(fir_one)(in + j, taps, count_of_taps, stride, mirrored);
}

EXPORT void NAME(fir)(const double *in, double *out, int64_t count, const double *taps, int64_t count_of_taps,
                      int64_t stride) {
    const fp_mode mode = flush_subnormals();
    if (fir_mirrored(taps, count_of_taps))
        NAME(fir_all)(in, out, count, taps, count_of_taps, stride, MIRRORED_VECS, 1);
    else
        NAME(fir_all)(in, out, count, taps, count_of_taps, stride, ANY_VECS, 0);
    restore_mode(mode);
}
