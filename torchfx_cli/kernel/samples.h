/* Samples as files hold them <-> float64 with full scale 1. An integer of b bits lies in the upper b of its type.
 *
 * Whatever is not finite is found here, as it would stay in a filter for ever and kills libsndfile. It counts as 0.
 * Each loop takes LANES samples at a time through an INLINE body; the last few go through a copy padded with zeros,
 * so there is one arithmetic for all.
 */
#ifndef SAMPLES_ONCE
#define SAMPLES_ONCE
/* Adding it to |v| < 2^51 rounds v to an integer, ties to even, that lies in the lower bits of the sum. */
static const double ROUNDER = 0x1.8p52;
/* The largest double that float32 does not round to infinity: FLT_MAX and a little less than half a step more. */
static const double FLOAT_LIMIT = 0x1.fffffefffffffp127;
/* 2^52 + m has m in its lower bits; this is its value for the mean of m, a sum of two 32-bit numbers. */
static const double SUM_ZERO = 0x1p52 + 0xffffffff;

/* TPDF dither: each sample adds two uniform numbers, each a hash of the key and of its place in the file: two
 * multiply-xorshift rounds as in the finalizers of MurmurHash3, in 32 bits so that every processor has them. */
typedef struct {
    uint32_t before, between;
} dither_key;

/* What store_* is asked for: integers of `scale` = 2^(bits-1) steps, shifted up by `shift`; or floats. */
typedef struct {
    double scale;
    int shift, limit;
} order;

/* SplitMix64 of the seed and of the upper half of the place, as the hash takes only the lower 32 bits. */
static inline dither_key make_key(uint64_t seed, uint64_t epoch) {
    uint64_t z = seed + (epoch + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (dither_key){(uint32_t)z, (uint32_t)(z >> 32)};
}
#endif

INLINE vec NAME(scaled_i16)(const int16_t *p) {
    i16vec raw;
    memcpy(&raw, p, sizeof raw);
    return __builtin_convertvector(__builtin_convertvector(raw, i32vec), vec) * 0x1p-15;
}
INLINE vec NAME(scaled_i32)(const int32_t *p) {
    i32vec raw;
    memcpy(&raw, p, sizeof raw);
    return __builtin_convertvector(raw, vec) * 0x1p-31;
}
INLINE vec NAME(scaled_f32)(const float *p) {
    f32vec raw;
    memcpy(&raw, p, sizeof raw);
    return __builtin_convertvector(raw, vec);
}
INLINE vec NAME(scaled_f64)(const double *p) { return load(p); }

#undef any
#define any(mask) NAME(any)(mask)
INLINE int any(ivec mask) {
    int64_t all = 0;
    for (int i = 0; i < LANES; i++) all |= mask[i];
    return all != 0;
}

/* The flat index of the first sample of the `count` that is not below `limit` in size (NaN is not), or -1. */
STATIC int64_t NAME(first_bad)(const double *x, int64_t count, double limit) {
    for (int64_t i = 0; i < count; i++)
        if (!(fabs(x[i]) <= limit)) return i;
    return -1;
}

#define LOADER(suffix, type)                                                                        \
    EXPORT int64_t NAME(load_##suffix)(const type *block, double *out, int64_t count) {             \
        ivec bad = {0};                                                                             \
        int64_t i = 0;                                                                              \
        for (; i + LANES <= count; i += LANES) {                                                    \
            const vec v = NAME(scaled_##suffix)(block + i);                                         \
            bad |= ~(absolute(v) <= DBL_MAX);                                                       \
            store(out + i, v);                                                                      \
        }                                                                                           \
        if (i < count) {                                                                            \
            type rest[LANES] = {0};                                                                 \
            memcpy(rest, block + i, (size_t)(count - i) * sizeof *rest);                            \
            const vec v = NAME(scaled_##suffix)(rest);                                              \
            bad |= ~(absolute(v) <= DBL_MAX);                                                       \
            memcpy(out + i, &v, (size_t)(count - i) * sizeof *out);                                 \
        }                                                                                           \
        return any(bad) ? NAME(first_bad)(out, count, DBL_MAX) : -1;                                \
    }
LOADER(i16, int16_t)
LOADER(i32, int32_t)
LOADER(f32, float)
LOADER(f64, double)
#undef LOADER

/* Triangular, in (-1, 1) steps, for the LANES samples whose first uniform number is the `place`-th of this key. */
INLINE vec NAME(dither)(dither_key key, uint32_t place) {
    wordvec h = (wordvec)((uvec)IOTA * 2 | ((uvec)IOTA * 2 + 1) << 32);
    h += place + key.before;
    h = (h ^ h >> 16) * UINT32_C(0x85ebca6b);
    h = ((h ^ h >> 13) + key.between) * UINT32_C(0xc2b2ae35);
    h ^= h >> 16;
    const uvec pair = (uvec)h, sum = (pair & UINT32_MAX) + (pair >> 32); /* 0 <= sum < 2^33 */
    return ((vec)(sum | UINT64_C(0x4330000000000000)) - SUM_ZERO) * 0x1p-32;
}

#undef running
#define running NAME(running)
typedef struct {
    vec peak;
    ivec bad, clipped; /* masks; minus the number of clipped samples */
} running;

/* What may be stored: x, or 0 where it is not at most `limit` in size. */
INLINE vec NAME(checked)(running *r, vec x, double limit) {
    const ivec good = absolute(x) <= limit;
    r->bad |= ~good;
    x = (vec)((ivec)x & good);
    r->peak = larger(absolute(x), r->peak);
    return x;
}

/* LANES integers in -scale..scale-1; `noise` is in steps. Beyond one step outside all are alike, and none is so
 * large that ROUNDER fails. */
INLINE i32vec NAME(quantised)(running *r, const order *o, vec x, vec noise) {
    const double high = o->scale - 1, low = -o->scale;
    vec v = NAME(checked)(r, x, DBL_MAX) * o->scale + noise;
    v = select(v > high + 1, splat(high + 1), select(v < low - 1, splat(low - 1), v));
    v = (v + ROUNDER) - ROUNDER;
    const ivec over = v > high, under = v < low;
    r->clipped += over + under;
    v = select(over, splat(high), select(under, splat(low), v));
    return __builtin_convertvector(v, i32vec) << o->shift;
}
INLINE i16vec NAME(as_i16)(running *r, const order *o, vec x, vec noise) {
    return __builtin_convertvector(NAME(quantised)(r, o, x, noise), i16vec);
}
INLINE i32vec NAME(as_i32)(running *r, const order *o, vec x, vec noise) { return NAME(quantised)(r, o, x, noise); }

INLINE vec NAME(as_f64)(running *r, const order *o, vec x, vec noise) {
    (void)noise;
    x = NAME(checked)(r, x, DBL_MAX);
    if (!o->limit) return x;
    const ivec over = x > 1, under = x < -1;
    r->clipped += over + under;
    return select(over, splat(1), select(under, splat(-1), x));
}
INLINE f32vec NAME(as_f32)(running *r, const order *o, vec x, vec noise) {
    x = o->limit ? NAME(as_f64)(r, o, x, noise) : NAME(checked)(r, x, FLOAT_LIMIT);
    return __builtin_convertvector(x, f32vec);
}

/* x [count] -> out, the first being the `first`-th sample of the file; see `outcome` and base.py. */
#define STORER(suffix, type, raws)                                                                             \
    INLINE void NAME(some_##suffix)(running *r, const order *o, const double *x, type *out, int64_t count,      \
                                    dither_key key, uint32_t place, int dither) {                               \
        int64_t i = 0;                                                                                          \
        for (; i + LANES <= count; i += LANES) {                                                                \
            const vec noise = dither ? NAME(dither)(key, place + 2 * (uint32_t)i) : (vec){0};                   \
            const raws raw = NAME(as_##suffix)(r, o, load(x + i), noise);                                       \
            memcpy(out + i, &raw, sizeof raw);                                                                  \
        }                                                                                                       \
        if (i < count) {                                                                                        \
            const vec noise = dither ? NAME(dither)(key, place + 2 * (uint32_t)i) : (vec){0};                   \
            vec rest = {0};                                                                                     \
            memcpy(&rest, x + i, (size_t)(count - i) * sizeof *x);                                              \
            const raws raw = NAME(as_##suffix)(r, o, rest, noise);                                              \
            memcpy(out + i, &raw, (size_t)(count - i) * sizeof *out);                                           \
        }                                                                                                       \
    }                                                                                                           \
    EXPORT void NAME(store_##suffix)(const double *x, type *out, int64_t count, int bits, int dither,           \
                                     uint64_t seed, uint64_t first, int limit, outcome *seen) {                 \
        const order o = {ldexp(1.0, bits - 1), 8 * (int)sizeof(type) - bits, limit};                    \
        running r = {{0}, {0}, {0}};                                                                            \
        for (int64_t i = 0, part; i < count; i += part) {                                                       \
            const uint64_t sample = first + (uint64_t)i, epoch = sample >> 31;                                  \
            const uint64_t left = ((epoch + 1) << 31) - sample;                                                 \
            part = left < (uint64_t)(count - i) ? (int64_t)left : count - i;                                    \
            const dither_key key = make_key(seed, epoch);                                                       \
            if (dither) NAME(some_##suffix)(&r, &o, x + i, out + i, part, key, (uint32_t)(2 * sample), 1);      \
            else NAME(some_##suffix)(&r, &o, x + i, out + i, part, key, 0, 0);                                  \
        }                                                                                                       \
        const double bound = sizeof(type) == 4 && bits == 0 && !limit ? FLOAT_LIMIT : DBL_MAX;                  \
        seen->bad = any(r.bad) ? NAME(first_bad)(x, count, bound) : -1;                                         \
        seen->clipped = 0, seen->peak = 0.0;                                                                    \
        for (int l = 0; l < LANES; l++) {                                                                       \
            seen->clipped -= r.clipped[l];                                                                      \
            seen->peak = fmax(seen->peak, r.peak[l]);                                                           \
        }                                                                                                       \
    }
STORER(i16, int16_t, i16vec)
STORER(i32, int32_t, i32vec)
STORER(f32, float, f32vec)
STORER(f64, double, vec)
#undef STORER

EXPORT void NAME(gain)(double *x, int64_t count, double factor) {
    for (int64_t i = 0; i < count; i++) x[i] *= factor;
}
