/* A feedback delay network: see kernel/reverberating.py, which holds its state, for the way round.
 *
 * Nothing comes back sooner than the shortest line is long, so a tile of frames is computed at once, line by line, and
 * only the low-passes go from frame to frame. These loops use no fma: the twin gives the same bits.
 */
#ifndef REVERB_H
#define REVERB_H
#define REVERB_LINES 16
#define REVERB_TILE 64  /* frames: the tile stays in the first-level cache */
#define REVERB_ABREAST 8 /* low-passes whose steps the processor overlaps */

typedef struct {
    int64_t channels, out_rows;
    double dry;
    const int64_t *starts, *lengths;
    int64_t *places;
    const double *gain, *pole, *ways_in, *ways_out;
    double *memory, *lines;
} reverb;
#endif

/* What comes out of the lines, absorbed. */
INLINE void NAME(absorbed)(reverb *s, double (*v)[REVERB_TILE], int64_t count) {
    for (int64_t first = 0; first < REVERB_LINES; first += REVERB_ABREAST) {
        const double *line[REVERB_ABREAST];
        double gain[REVERB_ABREAST], pole[REVERB_ABREAST], last[REVERB_ABREAST];
        for (int64_t i = 0; i < REVERB_ABREAST; i++) {
            line[i] = s->lines + s->starts[first + i] + s->places[first + i];
            gain[i] = s->gain[first + i], pole[i] = s->pole[first + i], last[i] = s->memory[first + i];
        }
        for (int64_t n = 0; n < count; n++)
            for (int64_t i = 0; i < REVERB_ABREAST; i++) {
                last[i] = gain[i] * line[i][n] + pole[i] * last[i];
                v[first + i][n] = last[i];
            }
        for (int64_t i = 0; i < REVERB_ABREAST; i++) s->memory[first + i] = last[i];
    }
}

/* The fast transform of Hadamard, two of its four steps at a time: of rows that are `step` and 2 `step` apart. */
INLINE void NAME(hadamard)(double (*v)[REVERB_TILE], int64_t count, int64_t step) {
    for (int64_t block = 0; block < REVERB_LINES; block += 4 * step)
        for (int64_t row = block; row < block + step; row++) {
            double *a = v[row], *b = v[row + step], *c = v[row + 2 * step], *d = v[row + 3 * step];
            for (int64_t n = 0; n < count; n++) {
                const double ab = a[n] + b[n], a_b = a[n] - b[n], cd = c[n] + d[n], c_d = c[n] - d[n];
                a[n] = ab + cd, b[n] = a_b + c_d, c[n] = ab - cd, d[n] = a_b - c_d;
            }
        }
}

INLINE void NAME(reverb_tile)(reverb *s, double *x, const double *late, int64_t count, int64_t channels) {
    double v[REVERB_LINES][REVERB_TILE], heard[REVERB_LINES][REVERB_TILE], wet[REVERB_TILE];
    NAME(absorbed)(s, v, count);
    NAME(hadamard)(v, count, 1);
    NAME(hadamard)(v, count, 4);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t n = 0; n < count; n++) heard[c][n] = late[n * channels + c];
    for (int64_t c = 0; c < channels; c++) {
        const double *way = s->ways_out + c * REVERB_LINES;
        for (int64_t n = 0; n < count; n++) wet[n] = way[0] * v[0][n];
        for (int64_t row = 1; row < s->out_rows; row++)
            for (int64_t n = 0; n < count; n++) wet[n] += way[row] * v[row][n];
        for (int64_t n = 0; n < count; n++) x[n * channels + c] = s->dry * x[n * channels + c] + wet[n];
    }
    for (int64_t i = 0; i < REVERB_LINES; i++) {
        double *line = s->lines + s->starts[i] + s->places[i];
        for (int64_t n = 0; n < count; n++) {
            double sum = 0.25 * v[i][n];
            for (int64_t c = 0; c < channels; c++) sum += s->ways_in[c * REVERB_LINES + i] * heard[c][n];
            line[n] = sum;
        }
        s->places[i] = s->places[i] + count == s->lengths[i] ? 0 : s->places[i] + count;
    }
}

INLINE void NAME(reverb_tiles)(reverb *s, double *x, const double *late, int64_t frames, int64_t channels) {
    while (frames) {
        int64_t count = frames < REVERB_TILE ? frames : REVERB_TILE;
        for (int64_t i = 0; i < REVERB_LINES; i++) {
            const int64_t whole = s->lengths[i] - s->places[i];
            count = whole < count ? whole : count;
        }
        NAME(reverb_tile)(s, x, late, count, channels);
        x += count * channels;
        late += count * channels;
        frames -= count;
    }
}

/* x: the dry sound, and then all of it; late: what goes into the network, another array. */
EXPORT void NAME(reverb)(reverb *s, double *x, const double *late, int64_t frames) {
    const fp_mode mode = flush_subnormals();
    FOR_CHANNELS(NAME(reverb_tiles), s->channels, s, x, late, frames);
    restore_mode(mode);
}
