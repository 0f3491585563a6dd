/* A cascade of second-order sections, direct form II transposed with y eliminated from the state equations:
 *
 *     y  = b0 x + s1                              c1 = b1 - a1 b0
 *     s1 = (c1 x + s2) - a1 s1                    c2 = b2 - a2 b0
 *     s2 = c2 x - a2 s1
 *
 * s1 and s2 are those of y = b0 x + s1, s1 = b1 x - a1 y + s2, s2 = b2 x - a2 y. But from one sample to the next
 * s1 waits for one multiply-add instead of two, and where zeros lie close to poles (notches, low cut-offs) s1 is
 * small and comes out without cancellation; c1 and c2 are rounded once.
 *
 * Lanes are channels where there are enough of them. One or two channels have lanes = sections instead, each SKEW
 * samples behind the one before, so that a whole cascade advances in one step. Both do the same arithmetic on a
 * sample: results depend neither on the number of channels nor on where the blocks were cut.
 *
 * A section alone has no others to fill the time in which it waits for itself: see section.h.
 */
#ifndef SOS_ONCE
#define SOS_ONCE
enum {
    SKEW = 2,          /* the way from lane to lane takes as long as two samples, so it is not waited for */
    STATE = 2,         /* numbers a section and channel: s1 and s2 */
    MAX_DEPTH = 6,     /* sections in one pass over the samples, lanes = channels */
    MAX_VECS = 2,      /* vectors of sections in one pass, lanes = sections */
    WIDE_TILE = 256,   /* frames that stay in the first-level cache from pass to pass, one cache line each */
    NARROW_TILE = 8192 /* the same for the second level; each tile costs the pipeline's filling and draining */
};
typedef struct {
    double b0, c1, c2, n1, n2; /* n = -a */
} section;
static const section IDENTITY = {1.0, 0.0, 0.0, 0.0, 0.0};
static inline section make_section(const double *row) {
    return (section){row[0], fma(-row[4], row[0], row[1]), fma(-row[5], row[0], row[2]), -row[4], -row[5]};
}
#endif

/* `depth` sections, LANES channels; x and state begin at the first of them. */
INLINE void NAME(across)(double *x, int64_t frames, int64_t channels, const double *sos, double *state, int depth) {
    vec b0[MAX_DEPTH], c1[MAX_DEPTH], c2[MAX_DEPTH], n1[MAX_DEPTH], n2[MAX_DEPTH], s1[MAX_DEPTH], s2[MAX_DEPTH];
    for (int k = 0; k < depth; k++) {
        const section s = make_section(sos + 6 * k);
        b0[k] = splat(s.b0), c1[k] = splat(s.c1), c2[k] = splat(s.c2), n1[k] = splat(s.n1), n2[k] = splat(s.n2);
        for (int c = 0; c < LANES; c++)
            s1[k][c] = state[STATE * (k * channels + c)], s2[k][c] = state[STATE * (k * channels + c) + 1];
    }
    for (int64_t n = 0; n < frames; n++, x += channels) {
        vec y = load(x);
#pragma GCC unroll 8
        for (int k = 0; k < depth; k++) {
            const vec in = y, u = fma_(c1[k], in, s2[k]);
            y = fma_(b0[k], in, s1[k]);
            s2[k] = fma_(n2[k], s1[k], c2[k] * in);
            s1[k] = fma_(n1[k], s1[k], u);
        }
        store(x, y);
    }
    for (int k = 0; k < depth; k++)
        for (int c = 0; c < LANES; c++)
            state[STATE * (k * channels + c)] = s1[k][c], state[STATE * (k * channels + c) + 1] = s2[k][c];
}

#undef cascade
#undef chain
#define cascade NAME(cascade)
#define chain NAME(chain)
typedef struct {
    vec b0[MAX_VECS], c1[MAX_VECS], c2[MAX_VECS], n1[MAX_VECS], n2[MAX_VECS];
} cascade; /* first section in the highest lane, last one in lane 0 */
typedef struct {
    vec s1[MAX_VECS], s2[MAX_VECS];
    vec y1[MAX_VECS], y2[MAX_VECS]; /* what the sections gave one and two steps ago */
} chain; /* one channel in the cascade, or `width` channels beside each other: two lanes a section then */

/* Every section takes a sample: the first one `x`, each other what the one before it gave SKEW steps ago. What the
 * last gave is in the lowest lanes. Where `active` is given, lanes outside it have no sample now and keep their state. */
INLINE vec NAME(step)(const cascade *c, chain *s, vec x, int vecs, int width, const ivec *active) {
    for (int v = 0; v < vecs; v++) {
        const vec before = v + 1 < vecs ? s->y2[v + 1] : x;
        const vec in = width == 2 ? FROM(s->y2[v], before, 2) : FROM(s->y2[v], before, 1);
        const vec u = fma_(c->c1[v], in, s->s2[v]), y = fma_(c->b0[v], in, s->s1[v]);
        const vec s2 = fma_(c->n2[v], s->s1[v], c->c2[v] * in), s1 = fma_(c->n1[v], s->s1[v], u);
        s->s1[v] = active ? select(active[v], s1, s->s1[v]) : s1;
        s->s2[v] = active ? select(active[v], s2, s->s2[v]) : s2;
        s->y2[v] = s->y1[v];
        s->y1[v] = y;
    }
    return s->y1[0];
}

INLINE vec NAME(taken)(const double *x, int width) { return width == 2 ? from_pair(*(const pairu *)x) : splat(*x); }
INLINE void NAME(given)(double *x, vec y, int width) {
    if (width == 2) *(pairu *)x = (pairu)low_pair(y);
    else *x = y[0];
}

/* Fills `c` and the `count` chains `s`; identities in front of the `depth` sections occupy the spare lanes. */
INLINE void NAME(gather)(cascade *c, chain *s, int64_t channels, const double *sos, const double *state, int depth,
                         int vecs, int count, int width) {
    memset(s, 0, (size_t)count * sizeof *s);
    for (int lane = 0; lane < vecs * LANES; lane++) {
        const int k = depth - 1 - lane / width, v = lane / LANES, l = lane % LANES;
        const section p = k >= 0 ? make_section(sos + 6 * k) : IDENTITY;
        c->b0[v][l] = p.b0, c->c1[v][l] = p.c1, c->c2[v][l] = p.c2, c->n1[v][l] = p.n1, c->n2[v][l] = p.n2;
        for (int i = 0; k >= 0 && i < count; i++) {
            const double *of = state + STATE * (k * channels + i * width + lane % width);
            s[i].s1[v][l] = of[0], s[i].s2[v][l] = of[1];
        }
    }
}

/* `depth` <= vecs * LANES / width sections, count * width (1 or 2) channels; x and state begin at the first of them. */
INLINE void NAME(along)(double *x, int64_t frames, int64_t channels, const double *sos, double *state, int depth,
                        int vecs, int count, int width) {
    const int64_t lead = SKEW * (vecs * LANES / width - 1); /* steps from entering to leaving */
    cascade c;
    chain s[2];
    NAME(gather)(&c, s, channels, sos, state, depth, vecs, count, width);
    double *const out = x - lead * channels;
    for (int64_t t = 0; t < frames + lead; t++) {
        for (; t >= lead && t < frames; t++)
            for (int i = 0; i < count; i++) {
                const vec taken = NAME(taken)(x + t * channels + i, width);
                NAME(given)(out + t * channels + i, NAME(step)(&c, &s[i], taken, vecs, width, NULL), width);
            }
        if (t == frames + lead) break;
        ivec active[MAX_VECS]; /* filling or draining: which lanes have a sample of this block */
        for (int v = 0; v < vecs; v++) {
            const ivec sample = t - lead + SKEW * ((v * LANES + (ivec)IOTA) >> (width - 1));
            active[v] = (sample >= 0) & (sample < frames);
        }
        for (int i = 0; i < count; i++) {
            const vec taken = t < frames ? NAME(taken)(x + t * channels + i, width) : splat(0.0);
            const vec y = NAME(step)(&c, &s[i], taken, vecs, width, active);
            if (t >= lead) NAME(given)(out + t * channels + i, y, width);
        }
    }
    for (int lane = 0; lane < depth * width; lane++)
        for (int i = 0; i < count; i++) {
            double *of = state + STATE * ((depth - 1 - lane / width) * channels + i * width + lane % width);
            of[0] = s[i].s1[lane / LANES][lane % LANES], of[1] = s[i].s2[lane / LANES][lane % LANES];
        }
}

/* The same with their small numbers known to the compiler: everything then lies in registers. */
STATIC void NAME(pass)(double *x, int64_t frames, int64_t channels, const double *sos, double *state, int depth,
                       int count) {
    if (count == LANES) {
        switch (depth) {
        case 2: NAME(across)(x, frames, channels, sos, state, 2); return;
        case 3: NAME(across)(x, frames, channels, sos, state, 3); return;
#if LANES == 8
        case 4: NAME(across)(x, frames, channels, sos, state, 4); return;
        case 5: NAME(across)(x, frames, channels, sos, state, 5); return;
        case 6: NAME(across)(x, frames, channels, sos, state, 6); return;
#endif
        }
    }
    switch (count == 2 && 2 * depth <= LANES ? 0 : 2 * (depth > LANES) + count) {
    case 0: NAME(along)(x, frames, channels, sos, state, depth, 1, 1, 2); return;
    case 1: NAME(along)(x, frames, channels, sos, state, depth, 1, 1, 1); return;
    case 2: NAME(along)(x, frames, channels, sos, state, depth, 1, 2, 1); return;
    case 3: NAME(along)(x, frames, channels, sos, state, depth, 2, 1, 1); return;
    case 4: NAME(along)(x, frames, channels, sos, state, depth, 2, 2, 1); return;
    }
}

/* x [frames, channels] in place; sos [sections, 6] with a0 = 1; state [sections, channels, STATE], or as in section.h. */
EXPORT void NAME(sos)(double *x, int64_t frames, int64_t channels, const double *sos, int64_t sections, double *state) {
    const fp_mode mode = flush_subnormals();
    if (sections == 1) NAME(section)(x, frames, channels, sos, state);
    int count;
    for (int64_t c = 0; c < channels && sections > 1; c += count) {
        count = channels - c >= LANES ? LANES : channels - c >= 2 ? 2 : 1;
        const int64_t most = count < LANES ? MAX_VECS * LANES : LANES == 8 ? MAX_DEPTH : 3;
        const int64_t passes = (sections + most - 1) / most;
        const int64_t tile = passes == 1 ? frames : count == LANES ? WIDE_TILE : NARROW_TILE;
        for (int64_t n = 0; n < frames; n += tile)
            for (int64_t p = 0; p < passes; p++) {
                const int64_t k = sections * p / passes, end = sections * (p + 1) / passes;
                NAME(pass)(x + n * channels + c, frames - n < tile ? frames - n : tile, channels, sos + 6 * k,
                           state + STATE * (k * channels + c), (int)(end - k), count);
            }
    }
    restore_mode(mode);
}
