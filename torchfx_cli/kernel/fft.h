/* Long impulse responses by overlap-save: out = the valid part of IFFT(FFT(in) FFT(taps)), in float64.
 *
 * The file is cut, on a grid that starts with it, into hops of size - taps + 1 frames. Two hops of one channel, the
 * next one as imaginary part, go through one complex transform of `size` (a power of two): the taps are real, so the
 * two do not mix. Channels never share a transform; a silent one stays exactly silent.
 *
 * A transform of n = LANES m points is first split into LANES independent ones of m points, one in each lane:
 *     y_b[j] = w_n^(j b) sum over r of x[j + r m] w_LANES^(r b),   X[LANES k + b] = FFT_m(y_b)[k],   w_n = e^(-2 pi i/n)
 * From there on no lane needs another. Decimation in frequency, radix 4, leaves the spectrum in a permuted order;
 * the response has the same, and the inverse walks back, so nothing is ever reordered. The recursion goes down to
 * the products and back up one quarter after the other: large transforms stay in the caches without being tuned.
 *
 * The plan, made by native.py:
 *   pending  [channels, size + hop]   input since the last pair of hops, behind taps - 1 older frames
 *   split    [m / LANES, LANES, 2, LANES]   w_n^(j b): groups of j, b in bit-reversed order, re and im, lanes = j
 *   roots    for m, m/4, ... > 4: [m/4, 6]   re and im of w_m^j, w_m^2j, w_m^3j
 *   response [m, 2, LANES]            FFT(taps) / size in the permuted order; that of the next channel is response_step
 *                                     numbers behind, 0 where all have the same
 *   work     [m, 2, LANES], result [2, size]   scratch
 */
#undef cvec
#define cvec NAME(cvec)
typedef struct {
    vec re, im;
} cvec;

/* z w, with w one number or one a lane; and z times the conjugate of w. */
#undef times
#undef times_conj
#define times(z, wr, wi) NAME(times)(z, wr, wi)
#define times_conj(z, wr, wi) NAME(times_conj)(z, wr, wi)
INLINE cvec times(cvec z, vec wr, vec wi) {
    return (cvec){fma_(z.re, wr, -(z.im * wi)), fma_(z.im, wr, z.re * wi)};
}
INLINE cvec times_conj(cvec z, vec wr, vec wi) {
    return (cvec){fma_(z.re, wr, z.im * wi), fma_(z.im, wr, -(z.re * wi))};
}
#undef plus
#undef minus
#define plus(a, b) ((cvec){(a).re + (b).re, (a).im + (b).im})
#define minus(a, b) ((cvec){(a).re - (b).re, (a).im - (b).im})
#undef minus_i_times
#define minus_i_times(z) ((cvec){(z).im, -(z).re})

/* ---- LANES points in LANES vectors: the split and its inverse ------------------------------------------------- */

/* z w_(2 half)^k for k < half <= 4, or by the conjugate. */
INLINE cvec NAME(rotated)(cvec z, int k, int half, int conjugate) {
    const double r = 0.70710678118654752440;
    if (k == 0) return z;
    if (2 * k == half) return conjugate ? (cvec){-z.im, z.re} : minus_i_times(z);
    const double re = k == 1 ? r : -r, im = conjugate ? r : -r; /* k = 1 or 3 of half = 4 */
    return times(z, splat(re), splat(im));
}

INLINE void NAME(transpose)(cvec *z) {
#pragma GCC unroll 4
    for (int step = 1; step < LANES; step *= 2)
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++)
            if (!(i & step)) {
                const cvec a = z[i], b = z[i + step];
                z[i] = (cvec){LOW(a.re, b.re, step), LOW(a.im, b.im, step)};
                z[i + step] = (cvec){HIGH(a.re, b.re, step), HIGH(a.im, b.im, step)};
            }
}

/* re, im [size] -> z [m] */
STATIC void NAME(split)(const double *re, const double *im, cvec *z, const double *w, int64_t m) {
    for (int64_t j = 0; j < m; j += LANES, z += LANES, w += 2 * LANES * LANES) {
        cvec t[LANES];
#pragma GCC unroll 8
        for (int r = 0; r < LANES; r++) t[r] = (cvec){load(re + r * m + j), load(im + r * m + j)};
#pragma GCC unroll 4
        for (int half = LANES / 2; half >= 1; half /= 2)
#pragma GCC unroll 8
            for (int i = 0; i < LANES; i++)
                if (!(i & half)) {
                    const cvec a = t[i], b = t[i + half];
                    t[i] = plus(a, b);
                    t[i + half] = NAME(rotated)(minus(a, b), i % half, half, 0);
                }
#pragma GCC unroll 8
        for (int b = 1; b < LANES; b++) t[b] = times(t[b], load(w + 2 * b * LANES), load(w + (2 * b + 1) * LANES));
        NAME(transpose)(t);
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++) z[i] = t[i];
    }
}

/* z [m] -> re, im [size] */
STATIC void NAME(merge)(const cvec *z, double *re, double *im, const double *w, int64_t m) {
    for (int64_t j = 0; j < m; j += LANES, z += LANES, w += 2 * LANES * LANES) {
        cvec t[LANES];
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++) t[i] = z[i];
        NAME(transpose)(t);
#pragma GCC unroll 8
        for (int b = 1; b < LANES; b++) t[b] = times_conj(t[b], load(w + 2 * b * LANES), load(w + (2 * b + 1) * LANES));
#pragma GCC unroll 4
        for (int half = 1; half < LANES; half *= 2)
#pragma GCC unroll 8
            for (int i = 0; i < LANES; i++)
                if (!(i & half)) {
                    const cvec a = t[i], b = NAME(rotated)(t[i + half], i % half, half, 1);
                    t[i] = plus(a, b);
                    t[i + half] = minus(a, b);
                }
#pragma GCC unroll 8
        for (int r = 0; r < LANES; r++) {
            store(re + r * m + j, t[r].re);
            store(im + r * m + j, t[r].im);
        }
    }
}

/* ---- m points in each lane: transform, multiply, transform back ----------------------------------------------- */

INLINE void NAME(butterfly)(cvec *a, cvec *b, cvec *c, cvec *d) {
    const cvec s0 = plus(*a, *c), d0 = minus(*a, *c), s1 = plus(*b, *d), t = minus(*b, *d), d1 = minus_i_times(t);
    *a = plus(s0, s1), *b = plus(d0, d1), *c = minus(s0, s1), *d = minus(d0, d1);
}
INLINE void NAME(inverse_butterfly)(cvec *a, cvec *b, cvec *c, cvec *d) {
    const cvec s0 = plus(*a, *c), d0 = minus(*a, *c), s1 = plus(*b, *d), t = minus(*d, *b), d1 = minus_i_times(t);
    *a = plus(s0, s1), *b = plus(d0, d1), *c = minus(s0, s1), *d = minus(d0, d1);
}

/* Up to four points. The products; or, when the plan is made, z becomes the response. */
INLINE void NAME(leaf)(cvec *z, cvec *h, int points, int learn) {
    cvec t[4];
    for (int i = 0; i < points; i++) t[i] = z[i];
    if (points == 4) NAME(butterfly)(&t[0], &t[1], &t[2], &t[3]);
    if (points == 2) t[0] = plus(z[0], z[1]), t[1] = minus(z[0], z[1]);
    if (learn)
        for (int i = 0; i < points; i++) h[i] = t[i];
    for (int i = 0; i < points; i++) t[i] = times(t[i], h[i].re, h[i].im);
    if (points == 4) NAME(inverse_butterfly)(&t[0], &t[1], &t[2], &t[3]);
    if (points == 2) z[0] = plus(t[0], t[1]), z[1] = minus(t[0], t[1]);
    else
        for (int i = 0; i < points; i++) z[i] = t[i];
}

STATIC void NAME(convolve)(cvec *z, cvec *h, const double *roots, int64_t m, int learn) {
    const int64_t q = m / 4;
    if (m == 4) NAME(leaf)(z, h, 4, learn);
    if (m == 2) NAME(leaf)(z, h, 2, learn);
    if (m == 1) NAME(leaf)(z, h, 1, learn);
    if (m <= 4) return;
    for (int64_t j = 0; j < q; j++) {
        const double *w = roots + 6 * j;
        cvec a = z[j], b = z[j + q], c = z[j + 2 * q], d = z[j + 3 * q];
        NAME(butterfly)(&a, &b, &c, &d);
        z[j] = a;
        z[j + q] = times(b, splat(w[0]), splat(w[1]));
        z[j + 2 * q] = times(c, splat(w[2]), splat(w[3]));
        z[j + 3 * q] = times(d, splat(w[4]), splat(w[5]));
    }
    for (int64_t i = 0; i < 4; i++) NAME(convolve)(z + i * q, h + i * q, roots + 6 * q, q, learn);
    for (int64_t j = 0; j < q; j++) {
        const double *w = roots + 6 * j;
        cvec a = z[j], b = times_conj(z[j + q], splat(w[0]), splat(w[1]));
        cvec c = times_conj(z[j + 2 * q], splat(w[2]), splat(w[3]));
        cvec d = times_conj(z[j + 3 * q], splat(w[4]), splat(w[5]));
        NAME(inverse_butterfly)(&a, &b, &c, &d);
        z[j] = a, z[j + q] = b, z[j + 2 * q] = c, z[j + 3 * q] = d;
    }
}

/* ---- the stream ----------------------------------------------------------------------------------------------- */

/* Fills plan->response from the taps / size, which lie in the first row of `result`, zeros behind them. */
EXPORT void NAME(fft_prepare)(const fft_fir *plan) {
    const int64_t m = plan->size / LANES;
    memset(plan->result + plan->size, 0, (size_t)plan->size * sizeof(double));
    NAME(split)(plan->result, plan->result + plan->size, (cvec *)plan->work, plan->split, m);
    NAME(convolve)((cvec *)plan->work, (cvec *)plan->response, plan->roots, m, 1);
}

/* One pair of hops of one channel: row [size + hop] -> out, every `channels`-th sample. */
STATIC void NAME(pair_of_hops)(const fft_fir *plan, double *response, const double *row, double *out) {
    const int64_t m = plan->size / LANES, kept = plan->taps - 1, hop = plan->size - kept, channels = plan->channels;
    NAME(split)(row, row + hop, (cvec *)plan->work, plan->split, m);
    NAME(convolve)((cvec *)plan->work, (cvec *)response, plan->roots, m, 0);
    NAME(merge)((const cvec *)plan->work, plan->result, plan->result + plan->size, plan->split, m);
    for (int half = 0; half < 2; half++) {
        const double *valid = plan->result + half * plan->size + kept;
        for (int64_t n = 0; n < hop; n++, out += channels) *out = valid[n];
    }
}

/* Takes x [frames, channels]; whenever two hops are full, the next 2 hop frames of `out` are written. */
EXPORT void NAME(fft_process)(fft_fir *plan, const double *x, int64_t frames, double *out) {
    const fp_mode mode = flush_subnormals();
    const int64_t kept = plan->taps - 1, hop = plan->size - kept, channels = plan->channels, row = plan->size + hop;
    while (frames > 0) {
        const int64_t room = row - plan->filled, taken = frames < room ? frames : room;
        for (int64_t c = 0; c < channels; c++)
            for (int64_t n = 0; n < taken; n++) plan->pending[c * row + plan->filled + n] = x[n * channels + c];
        x += taken * channels, frames -= taken, plan->filled += taken;
        if (plan->filled < row) break;
        for (int64_t c = 0; c < channels; c++) {
            NAME(pair_of_hops)(plan, plan->response + c * plan->response_step, plan->pending + c * row, out + c);
            memmove(plan->pending + c * row, plan->pending + c * row + 2 * hop, (size_t)kept * sizeof(double));
        }
        out += 2 * hop * channels, plan->filled = kept;
    }
    restore_mode(mode);
}
