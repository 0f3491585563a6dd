/* A second-order section alone: LANES steps of its recursion at once, lanes = consecutive frames.
 *
 * A step waits for the one before it. But L = LANES steps of s' = A s + B x are one step of A^L, and every frame may
 * take its state from L frames ago, without its neighbours:
 *
 *     s[n] = A^L s[n-L] + A^(L-1) B x[n-L] + ... + A B x[n-2] + B x[n-1]        y[n] = b0 x[n] + (first of s[n])
 *
 * The arithmetic of all frames is the same, so it matters neither where blocks were cut nor how many channels there are.
 *
 * With p the real part of the poles and q the square of their imaginary part (below 0 where they are real), and with
 * c1 and c2 of sos.h, the state is (s1, s2 + p s1) of the transposed direct form:
 *
 *     A = [  p  1 ]    B = [ c1        ]    A^k = [    p_k   r_k ]    p_2k = p_k^2 - q r_k^2
 *         [ -q  p ]        [ c2 + p c1 ]          [ -q r_k   p_k ]    r_2k = 2 p_k r_k
 *
 * s1 and s2 themselves nearly cancel where poles lie close to 1, and in A^L more than in A. Here the second number is
 * small then, its rounding errors too: a low-pass of 1 Hz at 192 kHz keeps 217 dB, 195 dB in the form of sos.h.
 */
#ifndef SECTION_ONCE
#define SECTION_ONCE
enum { ALONE_STATE = 24 }; /* numbers a channel: both of s, and x, of the last LANES frames */
#endif

#undef steps
#undef row
#define steps NAME(steps)
#define row NAME(row)
typedef struct {
    vec keep, cross, back, first[LANES], second[LANES], b0; /* p_L, r_L, -q r_L; A^(L-1) B, ..., B */
} steps;
typedef struct {
    vec s1[LANES], s2[LANES], x[LANES];
} row; /* LANES frames of up to LANES channels, as they are interleaved in a block */

/* In higher precision where there is one: each coefficient is then rounded once. */
STATIC steps NAME(make_steps)(const double *sos) {
    typedef long double wide;
    const wide p = -sos[4] / (wide)2, q = sos[5] - p * p;
    const wide c1 = sos[1] - sos[4] * (wide)sos[0], c2 = sos[2] - sos[5] * (wide)sos[0];
    wide keep = p, cross = 1, first = c1, second = c2 + p * c1;
    for (int k = 1; k < LANES; k *= 2) {
        const wide before = keep;
        keep = before * before - q * cross * cross, cross = 2 * before * cross;
    }
    steps c = {.keep = splat((double)keep), .cross = splat((double)cross), .back = splat((double)(-q * cross)),
               .b0 = splat(sos[0])};
    for (int k = LANES - 1; k >= 0; k--) {
        const wide before = first;
        c.first[k] = splat((double)first), c.second[k] = splat((double)second);
        first = p * before + second, second = p * second - q * before;
    }
    return c;
}

/* Vectors laid end to end, from sample i on. */
INLINE vec NAME(from)(const vec *v, int i) {
    v += i / LANES;
    switch (i % LANES) {
    case 1: return FROM(v[0], v[1], 1);
    case 2: return FROM(v[0], v[1], 2 % LANES);
    case 3: return FROM(v[0], v[1], 3 % LANES);
    case 4: return FROM(v[0], v[1], 4 % LANES);
    case 5: return FROM(v[0], v[1], 5 % LANES);
    case 6: return FROM(v[0], v[1], 6 % LANES);
    case 7: return FROM(v[0], v[1], 7 % LANES);
    }
    return v[0];
}

/* From the row `s` to the next one, of which x is in `y`: y becomes the output. */
INLINE void NAME(advance)(const steps *c, row *s, vec *y, int width) {
    vec x[2 * LANES];
    for (int v = 0; v < width; v++) x[v] = s->x[v], x[width + v] = s->x[v] = y[v];
#pragma GCC unroll 8
    for (int v = 0; v < width; v++) {
        vec u1 = c->first[0] * x[v], u2 = c->second[0] * x[v];
#pragma GCC unroll 8
        for (int k = 1; k < LANES; k++) {
            const vec in = NAME(from)(x, v * LANES + k * width);
            u1 = fma_(c->first[k], in, u1), u2 = fma_(c->second[k], in, u2);
        }
        u1 = fma_(c->keep, s->s1[v], fma_(c->cross, s->s2[v], u1));
        s->s2[v] = fma_(c->keep, s->s2[v], fma_(c->back, s->s1[v], u2));
        s->s1[v] = u1;
        y[v] = fma_(c->b0, y[v], u1);
    }
}

/* `width` of `channels` channels <-> a row; fewer frames than LANES are the first of it. */
INLINE void NAME(take)(const double *x, int64_t frames, int64_t channels, vec *y, int width) {
    double flat[LANES * LANES] = {0};
    const int is_whole = frames == LANES && (width == LANES || channels == width);
    for (int64_t n = 0; n < frames && !is_whole; n++)
        for (int i = 0; i < width; i++) flat[n * width + i] = x[n * channels + i];
    for (int v = 0; v < width; v++) y[v] = load(is_whole ? x + v * (width == LANES ? channels : LANES) : flat + v * LANES);
}
INLINE void NAME(give)(double *x, int64_t frames, int64_t channels, const vec *y, int width) {
    double flat[LANES * LANES];
    const int is_whole = frames == LANES && (width == LANES || channels == width);
    for (int v = 0; v < width; v++) store(is_whole ? x + v * (width == LANES ? channels : LANES) : flat + v * LANES, y[v]);
    for (int64_t n = 0; n < frames && !is_whole; n++)
        for (int i = 0; i < width; i++) x[n * channels + i] = flat[n * width + i];
}

/* The last row of samples where only `frames` frames came between `before` and `v`. */
INLINE void NAME(only)(vec *v, const vec *before, int64_t frames, int width) {
    double flat[2 * LANES * LANES];
    for (int i = 0; i < width; i++) store(flat + i * LANES, before[i]), store(flat + (width + i) * LANES, v[i]);
    for (int i = 0; i < width; i++) v[i] = load(flat + frames * width + i * LANES);
}

/* x and state begin at the first of `width` channels. */
INLINE void NAME(alone)(double *x, int64_t frames, int64_t channels, const steps *by, double *state, int width) {
    const steps c = *by;
    row s;
    vec y[LANES];
    for (int v = 0; v < width; v++) {
        double *of = state + v * LANES;
        s.s1[v] = load(of), s.s2[v] = load(of + width * LANES), s.x[v] = load(of + 2 * width * LANES);
    }
    for (; frames >= LANES; frames -= LANES, x += LANES * channels) {
        NAME(take)(x, LANES, channels, y, width);
        NAME(advance)(&c, &s, y, width);
        NAME(give)(x, LANES, channels, y, width);
    }
    if (frames) {
        const row before = s;
        NAME(take)(x, frames, channels, y, width);
        NAME(advance)(&c, &s, y, width);
        NAME(give)(x, frames, channels, y, width);
        NAME(only)(s.s1, before.s1, frames, width);
        NAME(only)(s.s2, before.s2, frames, width);
        NAME(only)(s.x, before.x, frames, width);
    }
    for (int v = 0; v < width; v++) {
        double *of = state + v * LANES;
        store(of, s.s1[v]), store(of + width * LANES, s.s2[v]), store(of + 2 * width * LANES, s.x[v]);
    }
}
STATIC void NAME(alone_1)(double *x, int64_t frames, int64_t channels, const steps *c, double *state) {
    if (channels == 1) NAME(alone)(x, frames, 1, c, state, 1);
    else NAME(alone)(x, frames, channels, c, state, 1);
}
STATIC void NAME(alone_2)(double *x, int64_t frames, int64_t channels, const steps *c, double *state) {
    if (channels == 2) NAME(alone)(x, frames, 2, c, state, 2);
    else NAME(alone)(x, frames, channels, c, state, 2);
}
STATIC void NAME(alone_lanes)(double *x, int64_t frames, int64_t channels, const steps *c, double *state) {
    NAME(alone)(x, frames, channels, c, state, LANES);
}

/* x [frames, channels] in place; sos [6] with a0 = 1; state [channels, ALONE_STATE]. */
STATIC void NAME(section)(double *x, int64_t frames, int64_t channels, const double *sos, double *state) {
    const steps c = NAME(make_steps)(sos);
    int64_t n = 0;
    for (; n + LANES <= channels; n += LANES) NAME(alone_lanes)(x + n, frames, channels, &c, state + ALONE_STATE * n);
    for (; n + 2 <= channels; n += 2) NAME(alone_2)(x + n, frames, channels, &c, state + ALONE_STATE * n);
    if (n < channels) NAME(alone_1)(x + n, frames, channels, &c, state + ALONE_STATE * n);
}
