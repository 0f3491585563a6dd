/* Blocks [frames, channels] of doubles <-> rows [channels, frames] of floats or doubles, `stride` numbers apart.
 *
 * LANES channels by LANES frames are turned over in registers: one by one, each number of one side is a cache line
 * away from the next, which took longer than a section. What is left at the edges goes one by one.
 */
INLINE void NAME(turn)(vec *z) {
#pragma GCC unroll 4
    for (int step = 1; step < LANES; step *= 2)
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++)
            if (!(i & step)) {
                const vec a = z[i], b = z[i + step];
                z[i] = LOW(a, b, step);
                z[i + step] = HIGH(a, b, step);
            }
}

INLINE void NAME(put_f32)(float *p, vec v) {
    const f32vec narrow = __builtin_convertvector(v, f32vec);
    memcpy(p, &narrow, sizeof narrow);
}
INLINE void NAME(put_f64)(double *p, vec v) { store(p, v); }

#define TURNER(suffix, type)                                                                                  \
    EXPORT void NAME(from_rows_##suffix)(const type *rows, int64_t stride, double *block, int64_t frames,     \
                                         int64_t channels) {                                                  \
        int64_t c = 0;                                                                                        \
        for (; c + LANES <= channels; c += LANES) {                                                           \
            const type *row = rows + c * stride;                                                              \
            int64_t n = 0;                                                                                    \
            for (; n + LANES <= frames; n += LANES) {                                                         \
                vec z[LANES];                                                                                 \
                for (int i = 0; i < LANES; i++) z[i] = NAME(scaled_##suffix)(row + i * stride + n);           \
                NAME(turn)(z);                                                                                \
                for (int i = 0; i < LANES; i++) store(block + (n + i) * channels + c, z[i]);                  \
            }                                                                                                 \
            for (; n < frames; n++)                                                                           \
                for (int i = 0; i < LANES; i++) block[n * channels + c + i] = row[i * stride + n];            \
        }                                                                                                     \
        for (; c < channels; c++)                                                                             \
            for (int64_t n = 0; n < frames; n++) block[n * channels + c] = rows[c * stride + n];              \
    }                                                                                                         \
    EXPORT void NAME(to_rows_##suffix)(const double *block, int64_t frames, int64_t channels, type *rows,     \
                                       int64_t stride) {                                                      \
        int64_t c = 0;                                                                                        \
        for (; c + LANES <= channels; c += LANES) {                                                           \
            type *row = rows + c * stride;                                                                    \
            int64_t n = 0;                                                                                    \
            for (; n + LANES <= frames; n += LANES) {                                                         \
                vec z[LANES];                                                                                 \
                for (int i = 0; i < LANES; i++) z[i] = load(block + (n + i) * channels + c);                  \
                NAME(turn)(z);                                                                                \
                for (int i = 0; i < LANES; i++) NAME(put_##suffix)(row + i * stride + n, z[i]);               \
            }                                                                                                 \
            for (; n < frames; n++)                                                                           \
                for (int i = 0; i < LANES; i++) row[i * stride + n] = (type)block[n * channels + c + i];      \
        }                                                                                                     \
        for (; c < channels; c++)                                                                             \
            for (int64_t n = 0; n < frames; n++) rows[c * stride + n] = (type)block[n * channels + c];        \
    }
TURNER(f32, float)
TURNER(f64, double)
#undef TURNER
