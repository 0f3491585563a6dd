/* Vectors of LANES doubles. A comparison gives an ivec with all bits of a lane set where it holds. */
#undef NAME_
#undef NAME2_
#undef NAME
#define NAME_(name, isa) name##_##isa
#define NAME2_(name, isa) NAME_(name, isa)
#define NAME(name) NAME2_(name, ISA) /* sos -> sos_avx512 */

#undef INLINE
#undef STATIC
#undef EXPORT
#define INLINE static inline __attribute__((always_inline)) TARGET
#define STATIC static TARGET
#define EXPORT API TARGET

#undef vec
#undef pair
#undef pairu
#undef vecu
#undef ivec
#undef uvec
#undef wordvec
#undef i32vec
#undef i16vec
#undef f32vec
#define vec NAME(vec)
#define pair NAME(pair)       /* two doubles */
#define pairu NAME(pairu)
#define vecu NAME(vecu)       /* the same, anywhere in memory */
#define ivec NAME(ivec)
#define uvec NAME(uvec)
#define wordvec NAME(wordvec) /* two 32-bit words a lane */
#define i32vec NAME(i32vec)
#define i16vec NAME(i16vec)
#define f32vec NAME(f32vec)
typedef double vec __attribute__((vector_size(8 * LANES)));
typedef double pair __attribute__((vector_size(16)));
typedef double pairu __attribute__((vector_size(16), aligned(8), may_alias));
typedef double vecu __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef int64_t ivec __attribute__((vector_size(8 * LANES)));
typedef uint64_t uvec __attribute__((vector_size(8 * LANES)));
typedef uint32_t wordvec __attribute__((vector_size(8 * LANES)));
typedef int32_t i32vec __attribute__((vector_size(4 * LANES)));
typedef int16_t i16vec __attribute__((vector_size(2 * LANES)));
typedef float f32vec __attribute__((vector_size(4 * LANES)));

#undef load
#undef store
#undef splat
#undef select
#undef absolute
#define load(p) ((vec) * (const vecu *)(p))
#define store(p, v) (*(vecu *)(p) = (vecu)(v))
#define splat(x) NAME(splat)(x)
#define select(mask, a, b) ((vec)(((ivec)(a) & (mask)) | ((ivec)(b) & ~(mask))))
#define absolute(v) ((vec)((ivec)(v) & INT64_MAX))
INLINE vec splat(double x) { return x - (vec){0}; }

/* shuffle(a, b, i...): lanes i of a and b laid end to end. */
#undef shuffle
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define shuffle(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#endif
#endif
#ifndef shuffle
#define shuffle(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif

/* fma(a, b, c) = a b + c: rounded once where the instruction exists, twice elsewhere, the same for one and for many. */
#undef fma_
#undef fma1
#undef fma2
#undef larger
#define fma_(a, b, c) NAME(fma)(a, b, c)
#define fma1(a, b, c) NAME(fma1)(a, b, c)
#define fma2(a, b, c) NAME(fma2)(a, b, c)
#define larger(a, b) NAME(larger)(a, b)
#if LANES == 8
INLINE vec fma_(vec a, vec b, vec c) { return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
INLINE vec larger(vec a, vec b) { return (vec)_mm512_max_pd((__m512d)a, (__m512d)b); }
INLINE double fma1(double a, double b, double c) { return __builtin_fma(a, b, c); }
#elif LANES == 4
INLINE vec fma_(vec a, vec b, vec c) { return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
INLINE vec larger(vec a, vec b) { return (vec)_mm256_max_pd((__m256d)a, (__m256d)b); }
INLINE double fma1(double a, double b, double c) { return __builtin_fma(a, b, c); }
#elif defined(__aarch64__)
INLINE vec fma_(vec a, vec b, vec c) { return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
INLINE vec larger(vec a, vec b) { return (vec)vmaxq_f64((float64x2_t)a, (float64x2_t)b); }
INLINE double fma1(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
INLINE vec fma_(vec a, vec b, vec c) { return a * b + c; }
INLINE vec larger(vec a, vec b) { return select(a > b, a, b); }
INLINE double fma1(double a, double b, double c) { return a * b + c; }
#endif

#if LANES == 2
INLINE pair fma2(pair a, pair b, pair c) { return fma_(a, b, c); }
#else
INLINE pair fma2(pair a, pair b, pair c) { return (pair)_mm_fmadd_pd((__m128d)a, (__m128d)b, (__m128d)c); }
#endif

/* FROM(a, b, i): {a[i], ..., a[LANES-1], b[0], ..., b[i-1]}. from_pair(b): {b[0], b[1], any...}. */
#undef FROM
#undef from_pair
#undef low_pair
#define from_pair(b) NAME(from_pair)(b)
#define low_pair(a) NAME(low_pair)(a)
/* LOW and HIGH exchange the off-diagonal quarters of each 2 step x 2 step block of a matrix whose rows are vectors
 * `step` apart; with step = 1, 2, ... LANES / 2 they transpose it. EVEN and ODD are every other lane of a, then of b. */
#undef LOW
#undef HIGH
#undef EVEN
#undef ODD
#undef IOTA
#if LANES == 8
#define IOTA {0, 1, 2, 3, 4, 5, 6, 7}
#define LOW(a, b, step)                                                 \
    ((step) == 1   ? shuffle(a, b, 0, 8, 2, 10, 4, 12, 6, 14)           \
     : (step) == 2 ? shuffle(a, b, 0, 1, 8, 9, 4, 5, 12, 13)            \
                   : shuffle(a, b, 0, 1, 2, 3, 8, 9, 10, 11))
#define HIGH(a, b, step)                                                \
    ((step) == 1   ? shuffle(a, b, 1, 9, 3, 11, 5, 13, 7, 15)           \
     : (step) == 2 ? shuffle(a, b, 2, 3, 10, 11, 6, 7, 14, 15)          \
                   : shuffle(a, b, 4, 5, 6, 7, 12, 13, 14, 15))
#define FROM(a, b, i) shuffle(a, b, i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7)
INLINE vec from_pair(pair b) { return (vec)_mm512_castpd128_pd512((__m128d)b); }
INLINE pair low_pair(vec a) { return (pair)_mm512_castpd512_pd128((__m512d)a); }
#define EVEN(a, b) shuffle(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(a, b) shuffle(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#elif LANES == 4
#define IOTA {0, 1, 2, 3}
#define LOW(a, b, step) ((step) == 1 ? shuffle(a, b, 0, 4, 2, 6) : shuffle(a, b, 0, 1, 4, 5))
#define HIGH(a, b, step) ((step) == 1 ? shuffle(a, b, 1, 5, 3, 7) : shuffle(a, b, 2, 3, 6, 7))
#define FROM(a, b, i) shuffle(a, b, i, i + 1, i + 2, i + 3)
INLINE vec from_pair(pair b) { return (vec)_mm256_castpd128_pd256((__m128d)b); }
INLINE pair low_pair(vec a) { return (pair)_mm256_castpd256_pd128((__m256d)a); }
#define EVEN(a, b) shuffle(a, b, 0, 2, 4, 6)
#define ODD(a, b) shuffle(a, b, 1, 3, 5, 7)
#else
#define IOTA {0, 1}
#define EVEN(a, b) shuffle(a, b, 0, 2)
#define ODD(a, b) shuffle(a, b, 1, 3)
#define LOW(a, b, step) shuffle(a, b, 0, 2)
#define HIGH(a, b, step) shuffle(a, b, 1, 3)
#define FROM(a, b, i) shuffle(a, b, i, i + 1)
INLINE vec from_pair(pair b) { return b; }
INLINE pair low_pair(vec a) { return a; }
#endif
